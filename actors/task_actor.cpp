#include <weir/actors/task_actor.hpp>

#include <utility>

#include <weir/actors/operator_error.hpp>
#include <weir/snapshot/protocol.hpp>

namespace weir {

namespace {

/// Whether it is a commit that failed, which may succeed the next time though nothing is changed. Call inside a catch
/// block.
bool is_commit_error() {
  try {
    throw;
  } catch (const commit_error&) {
    return true;
  } catch (...) {
    return false;
  }
}

} // namespace

task_actor::task_actor(caf::actor_config& setup, epoch attempt, task_id id,
                       task_blueprint blueprint, const task_config& config, checkpoint_mode mode,
                       std::uint32_t key_groups, caf::actor supervisor)
    : actor_base(setup), attempt_(attempt), id_(id),
      supervisor_(std::move(supervisor)) {
  ignore_unknown_messages(*this);
  on_exception(*this, [this] {
    const bool is_commit = is_commit_error();
    tell(*this, supervisor_, task_failed{attempt_, id_, current_exception_text(), is_commit, is_commit});
  });
  task_environment& environment = *this;
  task_.emplace(std::move(blueprint), config, mode, key_groups, environment);
}

caf::behavior task_actor::make_behavior() {
  return {
      [this](batch_sent& sent) { task_->receive(sent.channel, std::move(sent.records)); },
      [this](credit_returned& back) {
        task_->credit_returned(back.channel, std::move(back.emptied));
      },
      [this](next_turn) { task_->take_turn(); },
      [this](wake_task) { task_->wake(); },
      [this](const marker_sent& sent) { task_->receive(sent.channel, sent.what); },
      [this](const take_snapshot& order) {
        task_->take_snapshot(order.order, order.stop);
      },
      [this](const overtake_records& order) { task_->overtake(order.checkpoint); },
      [this](const checkpoint_completed& fact) { task_->complete(fact.checkpoint); },
      [this](const checkpoint_aborted& fact) { task_->abort(fact.checkpoint); },
      [this](connect_task& order) {
        outputs_ = std::move(order.outputs);
        inputs_ = std::move(order.inputs);
        coordinator_ = std::move(order.coordinator);
        for (std::uint32_t channel = 0; channel < outputs_.size(); ++channel)
          if (outputs_[channel].is_remote)
            task_->send_far(channel);
        task_->open();
        tell(*this, supervisor_, task_opened{attempt_, id_});
      },
      [this](run_task) { task_->run(); },
      [this](const probe_loop& order) { task_->probe_loop(order.round); },
      [this](pass_last_watermark) { task_->pass_last_watermark(); },
      [this](close_loop) { task_->close_loop(); },
      [this](drain_source) { task_->drain_source(); },
      [this](stop_task) { quit(); },
  };
}

void task_actor::on_exit() {
  std::vector<record_counts> counts;
  if (task_)
    counts = task_->counts();
  task_.reset();
  outputs_.clear();
  inputs_.clear();
  coordinator_ = nullptr;
  tell(*this, supervisor_, task_stopped{attempt_, id_, std::move(counts)});
  supervisor_ = nullptr;
}

void task_actor::send_batch(std::uint32_t channel, batch_ptr records) {
  const channel_end& end = outputs_[channel];
  tell(*this, end.task, batch_sent{end.channel, std::move(records)});
}

void task_actor::send_marker(std::uint32_t channel, const marker& what) {
  const channel_end& end = outputs_[channel];
  tell(*this, end.task, marker_sent{end.channel, what});
}

void task_actor::return_credit(std::uint32_t channel, batch_ptr emptied) {
  const channel_end& end = inputs_[channel];
  tell(*this, end.task, credit_returned{end.channel, std::move(emptied)});
}

void task_actor::schedule_turn(duration delay) {
  if (delay <= duration::zero())
    tell(*this, caf::actor_cast<caf::actor>(this), next_turn{});
  else
    tell_self_later(*this, delay, next_turn{});
}

std::chrono::steady_clock::time_point task_actor::now() const {
  return std::chrono::steady_clock::now();
}

void task_actor::schedule_wakeup(duration delay) {
  tell_self_later(*this, delay, wake_task{});
}

void task_actor::report_snapshot(checkpoint_id checkpoint,
                                 std::vector<std::shared_ptr<const operator_snapshot>> operators,
                                 duration longest_pause) {
  tell(*this, coordinator_,
       snapshot_taken{attempt_, checkpoint, id_,
                      std::make_shared<const operator_snapshots>(std::move(operators)), longest_pause});
}

void task_actor::report_failed_snapshot(checkpoint_id checkpoint, const std::string& reason) {
  tell(*this, coordinator_, snapshot_failed{attempt_, checkpoint, reason});
}

void task_actor::report_completion(checkpoint_id checkpoint) {
  tell(*this, coordinator_, completion_handled{attempt_, checkpoint, id_});
}

void task_actor::report_end() {
  tell(*this, supervisor_, task_ended{attempt_, id_});
}

void task_actor::report_entry_end() {
  tell(*this, supervisor_, loop_entry_ended{attempt_, id_});
}

void task_actor::report_probe(const loop_probe& probe, bool was_quiet) {
  tell(*this, supervisor_, loop_probed{attempt_, id_, probe.round, was_quiet});
}

caf::actor spawn_task(caf::actor_system& system, epoch attempt, task_id id, task_blueprint blueprint,
                      const task_config& config, checkpoint_mode mode, std::uint32_t key_groups,
                      caf::actor supervisor) {
  if (blueprint.blocks)
    return spawn_detached<task_actor>(system, attempt, id, std::move(blueprint), config, mode,
                                      key_groups, std::move(supervisor));
  return spawn_actor<task_actor>(system, attempt, id, std::move(blueprint), config, mode,
                                 key_groups, std::move(supervisor));
}

} // namespace weir
