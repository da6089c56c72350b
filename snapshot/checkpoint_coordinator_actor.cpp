#include <weir/snapshot/checkpoint_coordinator_actor.hpp>

#include <algorithm>
#include <utility>

#include <weir/base/log.hpp>

namespace weir {

namespace {

time_point steady_now() {
  return std::chrono::steady_clock::now();
}

std::int64_t unix_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

} // namespace

checkpoint_coordinator_actor::checkpoint_coordinator_actor(caf::actor_config& setup,
                                                           checkpoint_config config,
                                                           std::uint32_t key_groups,
                                                           caf::actor supervisor, caf::actor store)
    : actor_base(setup), config_(std::move(config)), key_groups_(key_groups),
      supervisor_(std::move(supervisor)), store_(std::move(store)) {
  if (!store_)
    config_.incremental = false;
  ignore_unknown_messages(*this);
}

void checkpoint_coordinator_actor::on_exit() {
  supervisor_ = nullptr;
  store_ = nullptr;
  tasks_.clear();
}

caf::behavior checkpoint_coordinator_actor::make_behavior() {
  return {
      [this](coordinate_attempt& order) {
        attempt_ = order.attempt;
        tasks_ = std::move(order.tasks);
        coordinator_.emplace(config_, static_cast<std::uint32_t>(tasks_.size()), order.highest,
                             order.restored);
        collected_.clear();
        stored_.clear();
        wakeup_at_.reset();
        last_checkpoint_ = checkpoint_id{};
      },
      [this](const start_checkpoints& order) {
        if (!is_current(order.attempt))
          return;
        coordinator_->start(steady_now());
        carry_out();
      },
      [this](const pause_checkpoints& order) {
        if (!is_current(order.attempt))
          return;
        coordinator_->pause(steady_now());
        carry_out();
        tell(*this, supervisor_, checkpoints_paused{attempt_});
      },
      [this](const replace_tasks& order) {
        if (!is_current(order.attempt))
          return;
        for (const auto& [task, actor] : order.tasks)
          tasks_.at(task.value) = actor;
      },
      [this](const end_attempt& order) {
        if (is_current(order.attempt)) {
          coordinator_.reset();
          collected_.clear();
          tasks_.clear();
        }
        tell(*this, supervisor_, attempt_ended{order.attempt});
      },
      [this](const take_last_checkpoint& order) {
        if (!is_current(order.attempt))
          return;
        coordinator_->request_last(steady_now(), order.stop, order.aligned || !order.savepoint.empty());
        savepoint_to_come_ = order.savepoint;
        carry_out();
      },
      [this](const take_savepoint& order) {
        if (!is_current(order.attempt))
          return;
        if (coordinator_->request(steady_now())) {
          savepoint_to_come_ = order.file;
          carry_out();
        } else {
          tell(*this, supervisor_,
               savepoint_taken{attempt_, order.file,
                               error{errc::checkpoint, "the job takes no checkpoint now: it starts, or stops"}});
        }
      },
      [this](snapshot_taken& taken) {
        const auto found = collected_.find(taken.checkpoint);
        if (!is_current(taken.attempt) || found == collected_.end())
          return;
        operator_snapshots& all = *found->second.operators;
        all.insert(all.end(), taken.operators->begin(), taken.operators->end());
        found->second.longest_pause = std::max(found->second.longest_pause, taken.longest_pause);
        coordinator_->acknowledged(steady_now(), taken.checkpoint, taken.task);
        carry_out();
      },
      [this](const snapshot_failed& fact) {
        if (!is_current(fact.attempt))
          return;
        coordinator_->snapshot_failed(steady_now(), fact.checkpoint, fact.reason);
        carry_out();
      },
      [this](checkpoint_stored& answer) {
        if (!is_current(answer.attempt))
          return;
        if (answer.savepoint)
          answer_savepoint(answer.checkpoint, std::move(*answer.savepoint));
        if (answer.outcome) {
          stored_.insert_or_assign(answer.checkpoint, *answer.outcome);
          coordinator_->stored(steady_now(), answer.checkpoint);
        } else {
          coordinator_->store_failed(steady_now(), answer.checkpoint, answer.outcome.failure());
        }
        carry_out();
      },
      [this](const completion_handled& answer) {
        if (!is_current(answer.attempt) || answer.checkpoint != last_checkpoint_)
          return;
        if (--unhandled_completions_ == 0)
          tell(*this, supervisor_, last_checkpoint_finished{attempt_, last_checkpoint_});
      },
      [this](const coordinator_wakeup& order) {
        if (!is_current(order.attempt))
          return;
        wakeup_at_.reset();
        coordinator_->wake(steady_now());
        carry_out();
      },
  };
}

void checkpoint_coordinator_actor::carry_out() {
  for (auto decisions = coordinator_->take_decisions(); !decisions.empty();
       decisions = coordinator_->take_decisions())
    for (const checkpoint_decision& decision : decisions)
      std::visit([this](const auto& one) { carry_out(one); }, decision);
  schedule_wakeup();
}

void checkpoint_coordinator_actor::schedule_wakeup() {
  const std::optional<time_point> due = coordinator_->next_wakeup();
  if (!due || (wakeup_at_ && *wakeup_at_ <= *due))
    return;
  wakeup_at_ = due;
  const duration delay = std::max(duration::zero(), duration{*due - steady_now()});
  tell_self_later(*this, delay, coordinator_wakeup{attempt_});
}

void checkpoint_coordinator_actor::carry_out(const trigger_decision& decision) {
  collected begun;
  begun.started = steady_now();
  begun.stops = decision.stop;
  begun.savepoint = std::exchange(savepoint_to_come_, {});
  collected_.try_emplace(decision.order.checkpoint, std::move(begun));
  tell_tasks(take_snapshot{attempt_, decision.order, decision.stop});
}

void checkpoint_coordinator_actor::carry_out(const overtake_decision& decision) {
  log_debug("the barriers of a checkpoint overtake records now (checkpoint.alignment-timeout)",
            {{"checkpoint", to_string(decision.checkpoint)}});
  tell_tasks(overtake_records{attempt_, decision.checkpoint});
}

void checkpoint_coordinator_actor::carry_out(const store_decision& decision) {
  completed_checkpoint checkpoint;
  checkpoint.id = decision.checkpoint;
  checkpoint.attempt = attempt_;
  checkpoint.completed_at_ms = unix_milliseconds();
  checkpoint.key_groups = key_groups_;
  checkpoint.last = decision.last && !collected_.at(decision.checkpoint).stops;
  if (store_) {
    tell(*this, store_,
         store_checkpoint{attempt_, checkpoint, collected_.at(decision.checkpoint).operators,
                          decision.keep_from, collected_.at(decision.checkpoint).savepoint});
    return;
  }
  stored_.insert_or_assign(decision.checkpoint, checkpoint);
  coordinator_->stored(steady_now(), decision.checkpoint);
}

void checkpoint_coordinator_actor::carry_out(const complete_decision& decision) {
  const completed_checkpoint& checkpoint = stored_.at(decision.checkpoint);
  const collected& all = collected_.at(decision.checkpoint);
  const duration took = steady_now() - all.started;
  counts_by_uid counts;
  for (const auto& snapshot : *all.operators)
    counts[snapshot->uid] += snapshot->counts;
  log_debug("checkpoint complete",
            {{"checkpoint", to_string(decision.checkpoint)},
             {"bytes", checkpoint.bytes},
             {"new_bytes", checkpoint.new_bytes},
             {"ms", std::chrono::duration<double, std::milli>(took).count()},
             {"longest_pause_ms", std::chrono::duration<double, std::milli>(all.longest_pause).count()}});
  if (decision.last) {
    last_checkpoint_ = decision.checkpoint;
    unhandled_completions_ = static_cast<std::uint32_t>(tasks_.size());
  }
  tell_tasks(checkpoint_completed{attempt_, decision.checkpoint});
  tell(*this, supervisor_, checkpoint_finished{attempt_, checkpoint, took, all.longest_pause, std::move(counts)});
  collected_.erase(decision.checkpoint);
  stored_.erase(decision.checkpoint);
}

void checkpoint_coordinator_actor::carry_out(const abort_decision& decision) {
  log_warning("checkpoint aborted",
              {{"checkpoint", to_string(decision.checkpoint)}, {"reason", decision.reason}});
  answer_savepoint(decision.checkpoint, error{errc::checkpoint, "the checkpoint failed: " + decision.reason});
  collected_.erase(decision.checkpoint);
  tell_tasks(checkpoint_aborted{attempt_, decision.checkpoint});
  tell(*this, supervisor_, checkpoint_failed{attempt_, decision.checkpoint});
}

/// Once, where the checkpoint is a savepoint.
void checkpoint_coordinator_actor::answer_savepoint(checkpoint_id checkpoint, result<completed_checkpoint> outcome) {
  const auto found = collected_.find(checkpoint);
  if (found == collected_.end() || found->second.savepoint.empty())
    return;
  tell(*this, supervisor_,
       savepoint_taken{attempt_, std::exchange(found->second.savepoint, {}), std::move(outcome)});
}

void checkpoint_coordinator_actor::carry_out(const fail_decision& decision) {
  tell(*this, supervisor_, checkpoints_failed{attempt_, decision.reason});
}

} // namespace weir
