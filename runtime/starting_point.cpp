#include <weir/runtime/starting_point.hpp>

#include <optional>
#include <string>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/replay.hpp>

namespace weir {

namespace {

status choose_checkpoint(supervised_job& job) {
  auto attempt = job.store->begin_attempt();
  if (!attempt)
    return std::move(attempt.failure());
  job.first_attempt = *attempt;
  auto known = job.store->list();
  if (!known)
    return std::move(known.failure());
  job.highest = known->empty() ? checkpoint_id{} : known->back().id;
  const checkpoint_config& config = job.config.checkpoint;
  const checkpoint_id from = config.restore_from == 0 ? job.highest : checkpoint_id{config.restore_from};
  if (from == checkpoint_id{})
    return {};
  auto contents = job.store->load(from);
  if (!contents)
    return std::move(contents.failure());
  job.restored = std::make_shared<const checkpoint_contents>(std::move(*contents));
  job.apart = edges_to_replay(*job.graph, *job.restored);
  auto plan = make_plan(*job.graph, job.config, job.apart);
  if (!plan)
    return std::move(plan.failure());
  job.plan = std::move(*plan);
  return check_restorable(*job.graph, job.plan, *job.restored, config.allow_dropped_state);
}

bool is_known(const supervised_job& job, const std::string& uid) {
  if (job.restored)
    for (const operator_snapshot& snapshot : job.restored->operators)
      if (snapshot.uid == uid)
        return true;
  return false;
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
  job.first_splits.clear();
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

status choose_starting_point(supervised_job& job) {
  job.restored = nullptr;
  if (job.store)
    if (status chosen = choose_checkpoint(job); !chosen)
      return chosen;
  if (status checked = check_connectors(job); !checked)
    return checked;
  job.has_start = true;
  if (job.restored && job.restored->checkpoint.last)
    log_info("the job has already come to the end of its input; what it committed stays as it is",
             {{"job", job.graph->name}, {"checkpoint", to_string(job.restored->checkpoint.id)}});
  return {};
}

bool is_with_workers(const supervised_job& job, const error& why) {
  return job.replicas && why.code == errc::checkpoint;
}

result<bool> is_without_checkpoints(const supervised_job& job) {
  if (!job.store)
    return false;
  const auto known = job.store->list();
  if (!known)
    return is_with_workers(job, known.failure()) ? result<bool>(true) : known.failure();
  return known->empty();
}

} // namespace weir
