#include <weir/runtime/supervisor.hpp>

#include <algorithm>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/snapshot/checkpoint_file.hpp>

/// \file
/// The part of the supervisor that carries out what the job is told from outside: savepoints and stopping.

namespace weir {

void supervisor_actor::carry_out(job_order order) {
  std::error_code ignored;
  if (!order.savepoint.empty() && !store_) {
    order.done(error{errc::invalid_setting, "the job stores no checkpoints (checkpoint.dir), so there is nothing to make "
                                            "a savepoint of"});
    return;
  }
  if (std::filesystem::exists(std::filesystem::symlink_status(order.savepoint, ignored))) {
    order.done(detail::file_exists(order.savepoint));
    return;
  }
  const auto is_same = [&](const job_order& other) { return other.savepoint == order.savepoint; };
  if (!order.savepoint.empty() &&
      (order.savepoint == last_savepoint_ || std::any_of(savepoints_.begin(), savepoints_.end(), is_same))) {
    order.done(error{errc::in_use, order.savepoint.string() + " is being written already: give another name"});
    return;
  }
  if (order.what == job_order::kind::savepoint) {
    request_savepoint(std::move(order));
    return;
  }
  if (!order.savepoint.empty() && rescale_) {
    order.done(error{errc::checkpoint, "the job is being rescaled, which takes a checkpoint of its own: try again when it "
                                       "runs"});
    return;
  }
  if (!order.savepoint.empty() && (phase_ == phase::finishing || !last_savepoint_.empty())) {
    order.done(error{errc::checkpoint, "the job takes its last checkpoint already, and that cannot be written to " +
                                           order.savepoint.string() + ": make one of it with `weir savepoint export`"});
    return;
  }
  if (order.drain && (phase_ == phase::finishing || (stop_requested_ && !drain_requested_))) {
    order.done(error{errc::checkpoint, "the job stops already, and cannot be drained any more: start it again, and drain "
                                       "it then"});
    return;
  }
  const bool is_cancel = order.what == job_order::kind::cancel && order.savepoint.empty();
  const bool drains = order.drain;
  if (!order.savepoint.empty())
    last_savepoint_ = order.savepoint;
  stops_.push_back(std::move(order));
  if (is_cancel) {
    leave_workers();
    request_cancel();
  } else if (drains && !stop_requested_) {
    stop_requested_ = drain_requested_ = true;
    if (phase_ == phase::running)
      request_drain();
  } else if (!drains && (!drain_requested_ || (phase_ != phase::running && phase_ != phase::finishing))) {
    drain_requested_ = false; // a job that does not come to its end can still be stopped
    request_stop();
  }
}

void supervisor_actor::request_savepoint(job_order order) {
  if (phase_ != phase::running || region_restart_) {
    order.done(error{errc::checkpoint, "the job is not running just now: it starts, restarts or stops; try again"});
    return;
  }
  tell(*this, coordinator_, take_savepoint{attempt_, order.savepoint});
  savepoints_.push_back(std::move(order));
}

void supervisor_actor::answer_savepoint(const savepoint_taken& fact) {
  if (fact.outcome)
    log_info("savepoint taken", {{"job", job_.graph->name},
                                 {"checkpoint", to_string(fact.outcome->id)},
                                 {"file", fact.file.string()},
                                 {"bytes", fact.outcome->bytes}});
  else
    log_warning("a savepoint could not be taken",
                {{"job", job_.graph->name}, {"file", fact.file.string()}, {"reason", fact.outcome.failure().message}});
  if (fact.file == last_savepoint_)
    last_savepoint_taken_ = fact.outcome;
  std::erase_if(savepoints_, [&](const job_order& order) {
    if (order.savepoint != fact.file)
      return false;
    order.done(fact.outcome ? job_order::answer{std::optional{*fact.outcome}} : job_order::answer{fact.outcome.failure()});
    return true;
  });
}

/// The job has ended: whoever waits for something is told.
void supervisor_actor::answer_orders() {
  for (const job_order& order : std::exchange(savepoints_, {}))
    order.done(error{errc::checkpoint, "the job has ended before the savepoint was taken"});
  if (rescale_)
    rescales_to_check_.push_back(std::move(rescale_->order));
  rescale_.reset();
  for (const rescale_order& order : std::exchange(rescales_to_check_, {}))
    order.done(error{errc::checkpoint, report_.what == job_report::outcome::failed
                                           ? "the job has failed: " + report_.failure
                                           : std::string("the job has ended before it was rescaled")});
  for (const job_order& order : std::exchange(stops_, {})) {
    if (report_.what == job_report::outcome::failed)
      order.done(error{errc::checkpoint, "the job has failed: " + report_.failure});
    else if (order.savepoint.empty())
      order.done(std::optional<completed_checkpoint>{});
    else if (!last_savepoint_taken_)
      order.done(error{errc::checkpoint, "the job had ended before; its checkpoints are there"});
    else if (*last_savepoint_taken_)
      order.done(std::optional{**last_savepoint_taken_});
    else
      order.done(error{last_savepoint_taken_->failure().code,
                       "the job has stopped, and its last checkpoint is there, but not the savepoint: " +
                           last_savepoint_taken_->failure().message + ". Make one with `weir savepoint export`"});
  }
}

/// A checkpoint must not hold some sources before they are drained and others behind that: it would be the end of the
/// input for those that are drained in it, and not for the others. So none is under way when they are.
void supervisor_actor::request_drain() {
  tell(*this, coordinator_, pause_checkpoints{attempt_});
}

void supervisor_actor::drain_sources() {
  report_.what = job_report::outcome::finished;
  log_info("draining: sources read no more", {{"job", job_.graph->name}});
  for (const planned_chain& chain : job_.plan.chains)
    for (std::uint32_t i = 0; chain.is_source && i < chain.parallelism; ++i)
      tell(*this, tasks_[chain.first_task + i].actor, drain_source{});
}

void supervisor_actor::request_cancel() {
  cancel_requested_ = stop_requested_ = true;
  report_.what = job_report::outcome::stopped;
  log_info("cancelling: no checkpoint is taken", {{"job", job_.graph->name}});
  switch (phase_) {
  case phase::opening:
  case phase::running:
  case phase::rescaling:
  case phase::finishing:
    failure_.clear();
    stop_tasks();
    break;
  case phase::claiming:
  case phase::delaying:
  case phase::preparing:
    phase_ = phase::stopping; // whatever is prepared is not deployed any more
    finish();
    break;
  case phase::stopping: break;
  }
}

void supervisor_actor::request_stop() {
  stop_requested_ = true;
  if (region_restart_) { // once it runs again, and that at once
    if (region_restart_->at == region_restart::phase::delaying)
      prepare_region();
    return;
  }
  switch (phase_) {
  case phase::running:
    phase_ = phase::finishing;
    report_.what = job_report::outcome::stopped;
    log_info("stopping: taking a last checkpoint", {{"job", job_.graph->name}});
    tell(*this, coordinator_, take_last_checkpoint{attempt_, true, last_savepoint_, false});
    break;
  case phase::claiming:
  case phase::preparing:
    if (attempt_ == epoch{}) { // nothing has been done that could be lost
      report_.what = job_report::outcome::stopped;
      done();
      break;
    }
    if (phase_ == phase::preparing)
      break;
    if (rescale_) {
      deploy_rescaled();
      break;
    }
    [[fallthrough]];
  case phase::delaying: give_up("stopped without a last checkpoint: " + failure_); break;
  case phase::opening:
  case phase::rescaling:
  case phase::finishing:
  case phase::stopping: break;
  }
}

} // namespace weir
