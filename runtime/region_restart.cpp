#include <weir/runtime/supervisor.hpp>

#include <algorithm>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>

/// \file
/// The part of the supervisor that restarts a region while the others run. Where anything goes wrong with that, or
/// another region fails meanwhile, the whole job restarts.

namespace weir {

bool supervisor_actor::is_of_failed_region(task_id task) const {
  return region_restart_ && regions_[chain_of(task)] == region_restart_->region;
}

void supervisor_actor::task_has_failed(task_id task, const std::string& reason) {
  if (is_of_failed_region(task) && region_restart_->at == region_restart::phase::stopping) {
    region_has_stopped();
    return;
  }
  const bool is_whole_job = std::all_of(regions_.begin(), regions_.end(), [](std::uint32_t one) { return one == 0; });
  if (phase_ != phase::running || region_restart_ || is_whole_job || registry_ || !job_.config.restart.region || stop_requested_)
    fail(reason);
  else
    restart_region(task, reason);
}

void supervisor_actor::restart_region(task_id failed, const std::string& reason) {
  region_restart_ = region_restart{.number = ++region_restarts_, .region = regions_[chain_of(failed)], .failure = reason};
  log_error("a part of the job failed",
            {{"job", job_.graph->name}, {"attempt", to_string(attempt_)}, {"reason", reason}});
  tell(*this, coordinator_, pause_checkpoints{attempt_});
  for (std::uint32_t i = 0; i < tasks_.size(); ++i)
    if (is_of_failed_region(task_id{i})) {
      tasks_[i].opened = tasks_[i].ended = false;
      if (!tasks_[i].stopped)
        tell(*this, tasks_[i].actor, stop_task{});
    }
  tell_self_later(*this, patience_with_tasks, report_unstopped{attempt_});
  region_has_stopped();
}

void supervisor_actor::region_has_stopped() {
  if (!region_restart_->coordinator_paused)
    return;
  for (std::uint32_t i = 0; i < tasks_.size(); ++i)
    if (is_of_failed_region(task_id{i}) && !tasks_[i].stopped)
      return;
  const auto delay = strategy_.on_failure(std::chrono::steady_clock::now());
  if (!delay) {
    is_hopeless_ = true;
    fail(std::string(region_restart_->failure));
    return;
  }
  ++report_.restarts;
  last_failure_ = region_restart_->failure;
  region_restart_->at = region_restart::phase::delaying;
  log_info("restarting the part of the job that failed",
           {{"job", job_.graph->name}, {"delay", duration_text(*delay)}, {"failures", strategy_.failures()}});
  tell_self_later(*this, *delay, region_restart_due{attempt_, region_restart_->number});
}

void supervisor_actor::prepare_region() {
  region_restart_->at = region_restart::phase::preparing;
  if (store_)
    tell(*this, store_, read_checkpoint{attempt_, last_complete_});
  else
    deploy_region(nullptr);
}

void supervisor_actor::deploy_region(std::shared_ptr<const checkpoint_contents> contents) {
  region_restart_->at = region_restart::phase::opening;
  region_restart_->restored = contents ? contents->checkpoint.id : checkpoint_id{};
  try {
    deployment made = make_deployment(*job_.graph, job_.plan, job_.config, run_name(),
                                      deal_out_states(*job_.graph, job_.plan, contents, job_.first_splits), contents);
    replace_tasks replaced{attempt_, {}};
    for (std::uint32_t i = 0; i < made.tasks.size(); ++i)
      if (is_of_failed_region(task_id{i})) {
        tasks_[i] = spawn(task_id{i}, std::move(made.tasks[i]));
        replaced.tasks.emplace_back(task_id{i}, tasks_[i].actor);
      }
    std::vector<connect_task> orders = orders_to_connect(made.channels);
    for (const auto& [task, actor] : replaced.tasks)
      tell(*this, actor, std::move(orders[task.value]));
    tell(*this, coordinator_, std::move(replaced));
  } catch (...) {
    fail("a task could not be made: " + current_exception_text());
  }
}

void supervisor_actor::run_region() {
  const std::uint32_t region = region_restart_->region;
  log_info("the part of the job that failed runs again",
           {{"job", job_.graph->name}, {"attempt", to_string(attempt_)}, {"checkpoint", to_string(region_restart_->restored)}});
  region_restart_.reset();
  has_to_commit_ = false;
  for (std::uint32_t chain = 0; chain < job_.plan.chains.size(); ++chain) {
    const planned_chain& what = job_.plan.chains[chain];
    if (regions_[chain] != region)
      continue;
    begin_loop(chain);
    for (std::uint32_t i = 0; i < what.parallelism; ++i)
      tell(*this, tasks_[what.first_task + i].actor, run_task{});
  }
  tell(*this, coordinator_, start_checkpoints{attempt_});
  if (drain_requested_)
    request_drain();
  else if (stop_requested_)
    request_stop();
}

void supervisor_actor::log_unstopped() {
  const bool waits_for_region = region_restart_ && region_restart_->at == region_restart::phase::stopping;
  if (phase_ != phase::stopping && !waits_for_region)
    return;
  for (std::uint32_t i = 0; i < tasks_.size(); ++i)
    if (!tasks_[i].stopped && (phase_ == phase::stopping || is_of_failed_region(task_id{i})))
      log_warning("waiting for a task to stop: a function of the user has not returned", {{"task", tasks_[i].name}});
  tell_self_later(*this, patience_with_tasks, report_unstopped{attempt_});
}

} // namespace weir
