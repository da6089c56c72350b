#include <weir/snapshot/checkpoint_coordinator.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir {

checkpoint_coordinator::checkpoint_coordinator(const checkpoint_config& config, std::uint32_t tasks,
                                               checkpoint_id last, checkpoint_id restored)
    : config_(config), tasks_(tasks), last_id_(last), last_complete_(restored) {}

void checkpoint_coordinator::start(time_point now) {
  started_ = true;
  last_trigger_ = now;
  last_end_ = now - config_.minimum_pause;
}

void checkpoint_coordinator::pause(time_point now) {
  started_ = false;
  last_end_ = now;
  std::erase_if(pending_, [&](const auto& one) {
    if (!one.second.storing)
      decisions_.push_back(abort_decision{one.first, "a part of the job has failed, or the sources are being drained"});
    return !one.second.storing;
  });
}

std::optional<time_point> checkpoint_coordinator::next_trigger() const {
  if (!started_ || last_requested_ || config_.interval == duration::zero())
    return std::nullopt;
  // One that overtakes would take the place of one that must not.
  for (const auto& [id, pending] : pending_)
    if (!pending.may_overtake && !pending.storing)
      return std::nullopt;
  const bool one_at_a_time = config_.minimum_pause > duration::zero();
  if (pending_.size() >= (one_at_a_time ? 1 : config_.maximum_concurrent))
    return std::nullopt;
  return std::max(last_trigger_ + config_.interval, last_end_ + config_.minimum_pause);
}

std::optional<time_point> checkpoint_coordinator::next_wakeup() const {
  std::optional<time_point> earliest = next_trigger();
  for (const auto& [id, pending] : pending_) {
    if (pending.storing)
      continue;
    const time_point deadline = pending.started + config_.timeout;
    earliest = earliest ? std::min(*earliest, deadline) : deadline;
    if (const auto due = overtakes_at(pending))
      earliest = std::min(*earliest, *due);
  }
  return earliest;
}

std::optional<time_point> checkpoint_coordinator::overtakes_at(const pending_checkpoint& pending) const {
  if (pending.storing || pending.overtakes || !pending.may_overtake || config_.mode != checkpoint_mode::exactly_once ||
      config_.alignment_timeout == duration::zero())
    return std::nullopt;
  return pending.started + config_.alignment_timeout;
}

std::vector<checkpoint_decision> checkpoint_coordinator::take_decisions() {
  return std::exchange(decisions_, {});
}

void checkpoint_coordinator::trigger(time_point now, bool last, bool stop, bool aligned) {
  last_id_ = last_id_.next();
  last_trigger_ = now;
  const checkpoint_id base = safe_base();
  const bool overtakes = config_.mode == checkpoint_mode::unaligned && !aligned;
  pending_.emplace(last_id_,
                   pending_checkpoint{now, std::vector<bool>(tasks_), tasks_, last, base, overtakes, !aligned});
  decisions_.push_back(trigger_decision{{last_id_, base, overtakes}, stop});
}

// What is being stored already may take the last complete one with it.
checkpoint_id checkpoint_coordinator::safe_base() const {
  if (!config_.incremental)
    return {};
  for (const auto& [id, pending] : pending_)
    if (pending.storing && (pending.keep_from == checkpoint_id{} || pending.keep_from > last_complete_))
      return {};
  return last_complete_;
}

checkpoint_id checkpoint_coordinator::bases_besides(checkpoint_id checkpoint) const {
  checkpoint_id smallest{};
  const auto include = [&](checkpoint_id base) {
    if (base != checkpoint_id{} && (smallest == checkpoint_id{} || base < smallest))
      smallest = base;
  };
  for (const auto& [id, pending] : pending_)
    if (id != checkpoint)
      include(pending.base);
  // Another one may begin before this one is stored. Where only the newest is to be kept and one is under
  // way at a time, that is rare, and not worth keeping two.
  if (config_.incremental && (config_.retained > 1 || config_.maximum_concurrent > 1))
    include(last_complete_);
  return smallest;
}

void checkpoint_coordinator::trigger_if_due(time_point now) {
  if (const auto due = next_trigger(); due && *due <= now)
    trigger(now, false, false, false);
}

void checkpoint_coordinator::wake(time_point now) {
  std::vector<checkpoint_id> late;
  for (const auto& [id, pending] : pending_)
    if (!pending.storing && pending.started + config_.timeout <= now)
      late.push_back(id);
  for (const checkpoint_id id : late) {
    const pending_checkpoint& pending = pending_.at(id);
    const auto seconds = std::chrono::duration<double>(config_.timeout).count();
    give_up(now, id,
            "timed out after " + std::to_string(seconds) + " s with " +
                std::to_string(pending.remaining) + " of " + std::to_string(tasks_) +
                " tasks missing (checkpoint.timeout)");
  }
  for (auto& [id, pending] : pending_)
    if (const auto due = overtakes_at(pending); due && *due <= now) {
      pending.overtakes = true;
      decisions_.push_back(overtake_decision{id});
    }
  trigger_if_due(now);
}

void checkpoint_coordinator::request_last(time_point now, bool stop, bool aligned) {
  if (last_requested_)
    return;
  last_requested_ = true;
  trigger(now, true, stop, aligned);
}

std::optional<checkpoint_id> checkpoint_coordinator::request(time_point now) {
  if (!started_ || last_requested_)
    return std::nullopt;
  trigger(now, false, false, true);
  return last_id_;
}

void checkpoint_coordinator::acknowledged(time_point now, checkpoint_id checkpoint, task_id task) {
  const auto found = pending_.find(checkpoint);
  if (found == pending_.end() || found->second.acknowledged.at(task.value))
    return;
  pending_checkpoint& pending = found->second;
  pending.acknowledged[task.value] = true;
  if (--pending.remaining != 0)
    return;
  pending.storing = true;
  pending.keep_from = bases_besides(checkpoint);
  decisions_.push_back(store_decision{checkpoint, pending.last, pending.keep_from});
  trigger_if_due(now);
}

void checkpoint_coordinator::snapshot_failed(time_point now, checkpoint_id checkpoint, const std::string& reason) {
  if (!pending_.contains(checkpoint))
    return;
  give_up(now, checkpoint, reason);
  trigger_if_due(now);
}

void checkpoint_coordinator::stored(time_point now, checkpoint_id checkpoint) {
  const auto found = pending_.find(checkpoint);
  if (found == pending_.end())
    return;
  const bool last = found->second.last;
  for (auto older = pending_.begin(); older != found; ++older)
    decisions_.push_back(abort_decision{
        older->first, "checkpoint " + to_string(checkpoint) + " completed before it"});
  pending_.erase(pending_.begin(), std::next(found));
  failures_in_row_ = 0;
  last_end_ = now;
  last_complete_ = checkpoint;
  decisions_.push_back(complete_decision{checkpoint, last});
  trigger_if_due(now);
}

void checkpoint_coordinator::store_failed(time_point now, checkpoint_id checkpoint,
                                          const error& reason) {
  const auto found = pending_.find(checkpoint);
  if (found == pending_.end())
    return;
  const checkpoint_id base = found->second.base;
  const bool may_pass = reason.code == errc::io || reason.code == errc::capacity;
  if (base == checkpoint_id{} || base != last_complete_ || may_pass) {
    give_up(now, checkpoint, reason.message);
    return;
  }
  last_complete_ = {};
  give_up(now, checkpoint, reason.message + "; the next checkpoint will not add to checkpoint " +
                               to_string(base) + ", but hold everything");
}

void checkpoint_coordinator::give_up(time_point now, checkpoint_id checkpoint,
                                     const std::string& reason) {
  const bool last = pending_.at(checkpoint).last;
  const bool counts = pending_.at(checkpoint).may_overtake; // what was asked for says itself that it failed
  pending_.erase(checkpoint);
  last_end_ = now;
  failures_in_row_ += counts;
  decisions_.push_back(abort_decision{checkpoint, reason});
  const std::string failed = "checkpoint " + to_string(checkpoint) + " failed: " + reason;
  if (last)
    decisions_.push_back(fail_decision{"the last " + failed});
  else if (counts && failures_in_row_ > config_.tolerated_failures)
    decisions_.push_back(fail_decision{failed + "; that makes " + std::to_string(failures_in_row_) +
                                       " in a row, and " + std::to_string(config_.tolerated_failures) +
                                       " are tolerated (checkpoint.tolerated-failures)"});
}

} // namespace weir
