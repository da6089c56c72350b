#include <weir/runtime/job_status.hpp>

#include <map>
#include <utility>

#include <weir/base/tcp.hpp>
#include <weir/runtime/supervisor.hpp>

/// \file
/// The part of the supervisor that says what it is doing.

namespace weir {

std::string_view to_string(job_state state) noexcept {
  switch (state) {
  case job_state::waiting: return "waiting";
  case job_state::starting: return "starting";
  case job_state::running: return "running";
  case job_state::restarting: return "restarting";
  case job_state::rescaling: return "rescaling";
  case job_state::draining: return "draining";
  case job_state::stopping: return "stopping";
  }
  return "unknown";
}

void supervisor_actor::carry_out(status_order order) {
  if (!registry_)
    return order.done(describe({}));
  statuses_to_come_.push_back(std::move(order));
  tell(*this, registry_, list_workers{});
}

void supervisor_actor::workers_were_listed(const std::vector<joined_worker>& workers) {
  for (const status_order& order : std::exchange(statuses_to_come_, {}))
    order.done(describe(workers));
  std::uint32_t slots = 0;
  for (const joined_worker& worker : workers)
    slots += worker.slots;
  for (rescale_order& order : std::exchange(rescales_to_check_, {}))
    begin_rescale(std::move(order), slots);
}

job_state supervisor_actor::state() const {
  if (rescale_)
    return job_state::rescaling;
  const job_state beginning = has_run_ ? job_state::restarting : job_state::starting;
  switch (phase_) {
  case phase::claiming: return job_state::waiting;
  case phase::opening:
  case phase::preparing: return beginning;
  case phase::running:
    return region_restart_ ? job_state::restarting : drain_requested_ ? job_state::draining : job_state::running;
  case phase::rescaling: return job_state::rescaling;
  case phase::finishing: return job_state::stopping;
  case phase::stopping: return failure_.empty() || cancel_requested_ ? job_state::stopping : beginning;
  case phase::delaying: return beginning;
  }
  return beginning;
}

job_status supervisor_actor::describe(const std::vector<joined_worker>& workers) const {
  job_status now;
  now.name = job_.graph->name;
  now.state = state();
  now.parallelism = job_.config.parallelism;
  now.attempt = attempt_.value;
  now.started_ms = started_ms_;
  now.running_since_ms = running_since_ms_;
  now.restarts = report_.restarts;
  now.last_failure = last_failure_;
  now.checkpoints = report_.checkpoints;
  now.failed_checkpoints = report_.failed_checkpoints;
  now.last_checkpoint = newest_checkpoint_;
  for (const operator_node& node : job_.graph->operators) {
    const auto found = last_counts_.find(node.uid);
    now.operators.push_back({node.name, found == last_counts_.end() ? record_counts{} : found->second});
  }
  std::map<std::uint32_t, std::string> names; // of workers
  for (const joined_worker& worker : slots_.workers)
    names[worker.number] = worker.name;
  std::map<std::uint32_t, std::uint32_t> tasks; // by worker
  for (const running_task& task : tasks_) {
    now.tasks.push_back({task.name,
                         task.stopped  ? "stopped"
                         : task.ended  ? "ended"
                         : task.opened ? "running"
                                       : "opening",
                         registry_ ? names[task.worker] : std::string()});
    tasks[task.worker] += !task.stopped;
  }
  now.has_workers = static_cast<bool>(registry_);
  for (const joined_worker& worker : workers)
    now.workers.push_back(
        {worker.name, to_string(tcp_address{worker.host, worker.port}), worker.slots, tasks[worker.number]});
  return now;
}

} // namespace weir
