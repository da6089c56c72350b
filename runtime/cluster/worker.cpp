#include <weir/runtime/cluster/worker.hpp>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/cluster/campaign.hpp>
#include <weir/runtime/cluster/etcd_arbiter.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/tls.hpp>
#include <weir/runtime/cluster/worker_actor.hpp>

namespace weir {

namespace {

constexpr std::chrono::milliseconds time_between_attempts{200};
constexpr std::chrono::seconds time_to_look_up{2};
constexpr std::chrono::seconds time_between_reports{10};

/// Where a worker joins a coordinator that listens at `where`.
result<tcp_address> parse_coordinator(const std::string& where) {
  auto coordinator = parse_tcp_address(where);
  if (coordinator && coordinator->host.empty())
    coordinator->host = "127.0.0.1";
  return coordinator;
}

} // namespace

struct worker::running {
  running(worker_setup what, std::optional<leader_lookup> who_leads)
      : setup(std::move(what)), lookup(std::move(who_leads)) {
    thread = std::thread([this] { ended.set_value(run()); });
  }

  /// Joins again and again.
  status run() {
    std::string said; // why it cannot join
    time_point said_at{};
    for (;;) {
      const worker_end last = lookup ? look_up_and_run() : run_once();
      switch (last.why) {
      case worker_end::cause::released:
      case worker_end::cause::left: return {};
      case worker_end::cause::refused:
        return error{errc::invalid_setting, "the coordinator at " + to_string(setup.coordinator) +
                                                " does not take this worker: " + last.reason};
      case worker_end::cause::lost: break;
      }
      const time_point now = std::chrono::steady_clock::now();
      if (last.has_joined || said != last.reason || now - said_at >= time_between_reports) {
        log_warning(last.has_joined ? "the coordinator was lost; its tasks are stopped, and it is looked for again"
                                    : "the coordinator cannot be reached yet; it is tried until it can",
                    {{"job", setup.graph->name},
                     {"coordinator", lookup ? setup.config.cluster.ha : setup.config.cluster.join},
                     {"reason", last.reason}});
        said = last.reason;
        said_at = now;
      }
      std::unique_lock lock(mutex);
      if (stopping.wait_for(lock, time_between_attempts, [this] { return is_stopping; }))
        return {};
    }
  }

  /// Joins the coordinator that leads now.
  worker_end look_up_and_run() {
    const auto leader = lookup->look(std::chrono::steady_clock::now() + time_to_look_up);
    if (!leader)
      return {worker_end::cause::lost, false, leader.failure().message};
    if (leader->has_ended)
      return {worker_end::cause::released, false, {}};
    if (leader->address.empty())
      return {worker_end::cause::lost, false, "no coordinator leads yet"};
    auto where = parse_coordinator(leader->address);
    if (!where)
      return {worker_end::cause::lost, false, "the leader's address at etcd: " + where.failure().message};
    setup.coordinator = std::move(*where);
    return run_once();
  }

  /// In an actor system of its own: to the others it is another process, with connections of its own.
  worker_end run_once() {
    network_configuration configuration(setup.config.threads, setup.config.cluster);
    caf::actor_system system(configuration);
    system.await_actors_before_shutdown(true);
    std::promise<worker_end> done;
    worker_setup one = setup;
    one.done = [&](worker_end how) { done.set_value(std::move(how)); };
    {
      const std::lock_guard lock(mutex);
      if (is_stopping)
        return {worker_end::cause::left, false, {}};
      actor = spawn_actor<worker_actor>(system, std::move(one));
    }
    tell_anonymously(actor, begin_connection{});
    worker_end last = done.get_future().get();
    {
      const std::lock_guard lock(mutex);
      actor = nullptr;
    }
    await_network(system);
    return last;
  }

  void stop() {
    const std::lock_guard lock(mutex);
    is_stopping = true;
    stopping.notify_all();
    if (actor)
      tell_anonymously(actor, leave_cluster{});
  }

  worker_setup setup;
  std::optional<leader_lookup> lookup; // of several coordinators
  std::mutex mutex;
  std::condition_variable stopping;
  bool is_stopping = false;
  caf::actor actor;
  std::promise<status> ended;
  std::shared_future<status> end{ended.get_future()};
  std::thread thread;
};

worker::worker(std::unique_ptr<running> content) : running_(std::move(content)) {}

result<std::unique_ptr<worker>> worker::start(const topology& what, const job_config& config) {
  if (status usable = check_cluster(config.cluster); !usable)
    return std::move(usable.failure());
  worker_setup setup;
  std::optional<leader_lookup> lookup;
  if (!config.cluster.ha.empty()) {
    auto decides = connect_to_etcd(config.cluster.ha);
    if (!decides)
      return in_context("cluster.ha", std::move(decides.failure()));
    lookup = leader_lookup{std::move(*decides), what.name()};
  } else {
    auto coordinator = parse_coordinator(config.cluster.join);
    if (!coordinator)
      return in_context("cluster.join", std::move(coordinator.failure()));
    setup.coordinator = std::move(*coordinator);
  }
  setup.graph = what.graph();
  setup.options = &what.options();
  setup.config = config;
  if (setup.config.cluster.slots == 0)
    setup.config.cluster.slots = std::max(1u, std::thread::hardware_concurrency());
  setup.name = name_of_this_process();
  setup.replicas = std::make_shared<replica_directory>(config.checkpoint.directory);
  return std::unique_ptr<worker>(new worker(std::make_unique<running>(std::move(setup), std::move(lookup))));
}

worker::~worker() {
  stop();
  running_->thread.join();
}

status worker::wait() {
  return running_->end.get();
}

void worker::stop() {
  running_->stop();
}

} // namespace weir
