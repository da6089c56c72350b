#include <weir/runtime/job.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <utility>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/cluster/fenced_checkpoint_store.hpp>
#include <weir/runtime/cluster/leadership.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/replicated_checkpoint_store.hpp>
#include <weir/runtime/cluster/tls.hpp>
#include <weir/runtime/cluster/worker_registry.hpp>
#include <weir/runtime/control_socket.hpp>
#include <weir/runtime/deployment.hpp>
#include <weir/runtime/job_requests.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/runtime/protocol.hpp>
#include <weir/runtime/starting_point.hpp>
#include <weir/runtime/supervisor.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/savepoint_file.hpp>
#include <weir/state/disk_state.hpp>

namespace weir {

namespace {

// Workers that are started together join together, and the first one is not to get everything.
constexpr std::chrono::milliseconds time_to_join{100};

/// Opens the store of checkpoints, with copies at workers where there are to be some; of several coordinators, only what
/// etcd knows of is in it.
status open_store(supervised_job& job) {
  const checkpoint_config& config = job.config.checkpoint;
  auto store = checkpoint_store::open(job.graph->name, config);
  if (!store)
    return std::move(store.failure());
  if (job.config.cluster.is_coordinator() && config.replicas != 1) {
    job.replicas = std::make_shared<replica_set>();
    *store = std::make_unique<replicated_checkpoint_store>(std::move(*store), job.replicas, config);
  }
  if (!job.leads) {
    job.store = std::move(*store);
    return {};
  }
  auto fenced = fenced_checkpoint_store::open(std::move(*store), config.directory, job.leads);
  if (!fenced)
    return std::move(fenced.failure());
  job.store = std::move(*fenced);
  return {};
}

/// Opens the checkpoints, and sees to it that they begin with the savepoint where there is one.
status open_checkpoints(supervised_job& job) {
  const checkpoint_config& config = job.config.checkpoint;
  if (config.directory.empty()) {
    if (!config.from.empty())
      return error{errc::invalid_setting, "from is " + config.from.string() + ", and checkpoint.dir is empty: a job that "
                                          "begins with a savepoint needs a directory for its checkpoints"};
    return {};
  }
  if (status opened = open_store(job); !opened)
    return opened;
  if (config.discard)
    if (status cleared = job.store->clear(); !cleared)
      return cleared;
  if (const auto known = job.store->list(); !known && is_with_workers(job, known.failure()))
    return {};
  return config.from.empty() ? forget_savepoint(*job.store, config.directory)
                             : start_from_savepoint(*job.store, config.directory, config.from);
}

/// Whether the working state can be where it is to be.
status check_state(const job_config& config) {
  if (config.state.backend != state_backend::lmdb)
    return {};
  const auto opened = disk_state::open(working_directory(config), config.state.map_size, 1);
  if (!opened)
    return opened.failure();
  return {};
}

} // namespace

struct job::running {
  running(std::string job, std::unique_ptr<actor_configuration> how)
      : name(std::move(job)), configuration(std::move(how)), system(*configuration),
        report(done.get_future().share()) {
    system.await_actors_before_shutdown(true);
  }

  /// Lets workers join. Call it before the job begins.
  status listen_for_workers(const topology& what, const supervised_job& of) {
    const cluster_config& config = of.config.cluster;
    auto where = parse_tcp_address(config.listen);
    if (!where)
      return in_context("cluster.listen", std::move(where.failure()));
    if (status movable = check_records_can_move(*of.graph, of.plan); !movable)
      return movable;
    if (where->host.empty())
      where->host = "127.0.0.1";
    registry_setup setup{what.name(), topology_digest(*of.graph), program_digest(), shared_settings(of.config, what.options()),
                         of.store != nullptr, of.replicas, {}, config};
    // Where this process knows of no checkpoint, one that a worker holds is not to be missed. Of a record it knows which.
    const bool has_record = of.leads && of.leads->record();
    setup.patience = of.has_start || has_record ? time_to_join : std::max<duration>(time_to_join, config.timeout);
    registry = spawn_actor<worker_registry_actor>(system, std::move(setup));
    auto made = publish(registry, *where);
    if (!made) {
      kill_actor(std::exchange(registry, nullptr));
      return std::move(made.failure());
    }
    entrance = std::move(*made);
    const std::uint16_t port = entrance->port();
    if (config.is_encrypted())
      log_info("listening for workers with a certificate", {{"job", name}, {"host", where->host}, {"port", port}});
    else if (is_loopback(where->host))
      log_info("listening for workers of this machine", {{"job", name}, {"host", where->host}, {"port", port}});
    else
      log_warning("listening for workers: whoever reaches this address can join, and run the job's code on its data; "
                  "--tls-ca, --tls-cert and --tls-key let in only who has a certificate",
                  {{"job", name}, {"host", where->host}, {"port", port}});
    return {};
  }

  void begin(supervised_job what) {
    supervisor = spawn_actor<supervisor_actor>(system, std::move(what), registry,
                                               [this](job_report last) { done.set_value(std::move(last)); });
    tell_anonymously(supervisor, supervise{});
    access.emplace(name, supervisor);
  }

  std::string name;
  std::promise<job_report> done;
  std::unique_ptr<actor_configuration> configuration;
  caf::actor_system system;
  std::shared_future<job_report> report;
  caf::actor registry; // of workers
  std::unique_ptr<published_actor> entrance; // to the registry
  caf::actor supervisor;
  std::optional<job_access> access;
  std::unique_ptr<control_socket> control; // after what its handler uses
};

job::job(std::unique_ptr<running> content) : running_(std::move(content)) {}

result<std::unique_ptr<job>> job::start(const topology& what, const job_config& config,
                                        std::shared_ptr<leadership> leads) {
  supervised_job supervised;
  supervised.graph = what.graph();
  supervised.config = config;
  supervised.leads = std::move(leads);
  if (config.state.backend == state_backend::directory)
    supervised.config.checkpoint.storage = checkpoint_storage::files;
  if (config.cluster.is_coordinator())
    if (status usable = check_cluster(config.cluster); !usable)
      return std::move(usable.failure());
  auto plan = make_plan(*what.graph(), config);
  if (!plan)
    return std::move(plan.failure());
  supervised.plan = std::move(*plan);
  if (status opened = open_checkpoints(supervised); !opened)
    return std::move(opened.failure());
  if (status checked = check_state(config); !checked)
    return std::move(checked.failure());
  const bool has_workers = config.cluster.is_coordinator();
  if (const auto must_ask = has_workers ? is_without_checkpoints(supervised) : false; !must_ask)
    return must_ask.failure();
  else if (!*must_ask)
    if (status chosen = choose_starting_point(supervised); !chosen)
      return std::move(chosen.failure());
  auto how = has_workers ? std::make_unique<network_configuration>(config.threads, config.cluster)
                         : std::make_unique<actor_configuration>(config.threads);
  auto content = std::make_unique<running>(what.name(), std::move(how));
  if (has_workers)
    if (status listening = content->listen_for_workers(what, supervised); !listening)
      return std::move(listening.failure());
  content->begin(std::move(supervised));
  std::unique_ptr<job> made(new job(std::move(content)));
  made->listen(config.checkpoint.directory);
  return made;
}

void job::listen(const std::filesystem::path& directory) {
  const auto handle = [to = access(), directory](const std::string& request) {
    return answer_request(to, directory, request);
  };
  if (running_->registry)
    tell_anonymously(running_->registry, serve_clients{handle});
  if (directory.empty())
    return;
  auto opened = control_socket::open(directory, handle);
  if (opened)
    running_->control = std::move(*opened);
  else
    log_warning("the job cannot be told anything from the command line", {{"reason", opened.failure().message}});
}

job::~job() {
  stop();
  wait();
  running_->control.reset();
  running_->access.reset();
  running_->supervisor = nullptr;
  running_->entrance.reset();
  if (std::exchange(running_->registry, nullptr))
    await_network(running_->system);
}

const std::string& job::name() const noexcept {
  return running_->name;
}

std::uint16_t job::port() const noexcept {
  return running_->entrance ? running_->entrance->port() : std::uint16_t{0};
}

job_report job::wait() {
  return running_->report.get();
}

void job::stop() {
  tell({.what = job_order::kind::stop, .drain = false, .savepoint = {}, .done = {}});
}

const job_access& job::access() const noexcept {
  return *running_->access;
}

void job::tell(job_order order) {
  access().tell(std::move(order));
}

void job::tell(rescale_order order) {
  access().tell(std::move(order));
}

result<completed_checkpoint> job::savepoint(const std::filesystem::path& file) {
  const job_order::answer answer =
      ask(job_order{.what = job_order::kind::savepoint, .drain = false, .savepoint = file, .done = {}});
  if (!answer)
    return answer.failure();
  return **answer;
}

result<rescale_outcome> job::rescale(std::uint32_t parallelism) {
  return ask(rescale_order{.parallelism = parallelism, .done = {}});
}

void job::kill_task(const std::string& operator_name, std::uint32_t instance) {
  tell_anonymously(running_->supervisor, weir::kill_task{operator_name, instance});
}

result<job_report> run(const topology& what) {
  auto started = job::start(what, what.config());
  if (!started)
    return std::move(started.failure());
  return (*started)->wait();
}

} // namespace weir
