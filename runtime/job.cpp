#include <weir/runtime/job.hpp>

#include <future>
#include <optional>
#include <utility>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/deployment.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/runtime/protocol.hpp>
#include <weir/runtime/replay.hpp>
#include <weir/runtime/supervisor.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/state/disk_state.hpp>

namespace weir {

namespace {

/// Opens the checkpoints and reads the one to start from.
status open_checkpoints(supervised_job& job) {
  const checkpoint_config& config = job.config.checkpoint;
  if (config.directory.empty())
    return {};
  auto store = checkpoint_store::open(job.graph->name, config);
  if (!store)
    return std::move(store.failure());
  job.store = std::move(*store);
  if (config.discard)
    if (status cleared = job.store->clear(); !cleared)
      return cleared;
  auto attempt = job.store->begin_attempt();
  if (!attempt)
    return std::move(attempt.failure());
  job.first_attempt = *attempt;
  auto known = job.store->list();
  if (!known)
    return std::move(known.failure());
  if (!known->empty())
    job.highest = known->back().id;
  checkpoint_id from{config.restore_from};
  if (config.restore_from == 0)
    from = job.highest;
  if (from == checkpoint_id{})
    return {};
  auto contents = job.store->load(from);
  if (!contents)
    return std::move(contents.failure());
  job.restored = std::make_shared<const checkpoint_contents>(std::move(*contents));
  if (const auto apart = edges_to_replay(*job.graph, *job.restored); !apart.empty()) {
    auto plan = make_plan(*job.graph, job.config, apart);
    if (!plan)
      return std::move(plan.failure());
    job.plan = std::move(*plan);
  }
  return check_restorable(*job.graph, job.plan, *job.restored, config.allow_dropped_state);
}

bool is_known(const supervised_job& job, const std::string& uid) {
  if (job.restored)
    for (const operator_snapshot& snapshot : job.restored->operators)
      if (snapshot.uid == uid)
        return true;
  return false;
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

/// Asks sources for their splits and connectors for their opinion; collects what is wrong.
status check_connectors(supervised_job& job) {
  const topology_graph& graph = *job.graph;
  std::string problems;
  std::optional<errc> code;
  const auto note = [&](const operator_node& node, const error& problem) {
    problems += (problems.empty() ? "" : "\n") + ("operator '" + node.name + "': ") + problem.message;
    code = code.value_or(problem.code);
  };
  for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
    const operator_node& node = graph.operators[i];
    job.first_splits.emplace_back();
    if (node.splits && !is_known(job, node.uid)) {
      if (auto splits = node.splits(job.plan.parallelism[i]))
        job.first_splits.back() = std::move(*splits);
      else
        note(node, splits.failure());
    }
    if (node.check) {
      operator_context context;
      context.job = graph.name;
      context.name = node.name;
      context.uid = node.uid;
      context.parallelism = job.plan.parallelism[i];
      if (const status checked = node.check(context, !job.restored); !checked)
        note(node, checked.failure());
    }
  }
  if (problems.empty())
    return {};
  return error{*code, problems};
}

} // namespace

struct job::running {
  running(std::size_t threads, supervised_job what)
      : configuration(threads), system(configuration), report(done.get_future().share()) {
    system.await_actors_before_shutdown(true);
    supervisor = spawn_actor<supervisor_actor>(
        system, std::move(what), [this](job_report last) { done.set_value(std::move(last)); });
    tell_anonymously(supervisor, supervise{});
  }

  std::promise<job_report> done;
  actor_configuration configuration;
  caf::actor_system system;
  std::shared_future<job_report> report;
  caf::actor supervisor;
};

job::job(std::unique_ptr<running> content) : running_(std::move(content)) {}

result<std::unique_ptr<job>> job::start(const topology& what, const job_config& config) {
  supervised_job supervised;
  supervised.graph = what.graph();
  supervised.config = config;
  if (config.state.backend == state_backend::directory)
    supervised.config.checkpoint.storage = checkpoint_storage::files;
  auto plan = make_plan(*what.graph(), config);
  if (!plan)
    return std::move(plan.failure());
  supervised.plan = std::move(*plan);
  if (status opened = open_checkpoints(supervised); !opened)
    return std::move(opened.failure());
  if (status checked = check_state(config); !checked)
    return std::move(checked.failure());
  if (status checked = check_connectors(supervised); !checked)
    return std::move(checked.failure());
  if (supervised.restored && supervised.restored->checkpoint.last)
    log_info("the job has already come to the end of its input; what it committed stays as it is",
             {{"job", what.name()}, {"checkpoint", to_string(supervised.restored->checkpoint.id)}});
  return std::unique_ptr<job>(
      new job(std::make_unique<running>(config.threads, std::move(supervised))));
}

job::~job() {
  stop();
  wait();
}

job_report job::wait() {
  return running_->report.get();
}

void job::stop() {
  tell_anonymously(running_->supervisor, stop_job{});
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
