#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <weir/actors/protocol.hpp>
#include <weir/actors/task.hpp>
#include <weir/base/caf.hpp>
#include <weir/base/ids.hpp>

namespace weir {

/// The actor around a task: turns messages into calls of the task, and the task's calls into
/// messages. It lives for one attempt.
///
/// Errors: an exception is reported to the supervisor as task_failed and ends the actor. However it
///         ends, it closes its operators first and then says task_stopped.
class task_actor : public actor_base, private task_environment {
 public:
  task_actor(caf::actor_config& setup, epoch attempt, task_id id, task_blueprint blueprint,
             const task_config& config, checkpoint_mode mode, std::uint32_t key_groups,
             caf::actor supervisor);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  void send_batch(std::uint32_t channel, batch_ptr records) override;
  void send_marker(std::uint32_t channel, const marker& what) override;
  void return_credit(std::uint32_t channel, batch_ptr emptied) override;
  void schedule_turn(duration delay) override;
  std::chrono::steady_clock::time_point now() const override;
  void schedule_wakeup(duration delay) override;
  void report_snapshot(checkpoint_id checkpoint,
                       std::vector<std::shared_ptr<const operator_snapshot>> operators,
                       duration longest_pause) override;
  void report_failed_snapshot(checkpoint_id checkpoint, const std::string& reason) override;
  void report_completion(checkpoint_id checkpoint) override;
  void report_end() override;
  void report_entry_end() override;
  void report_probe(const loop_probe& probe, bool was_quiet) override;

  epoch attempt_;
  task_id id_;
  caf::actor supervisor_;
  caf::actor coordinator_;
  std::vector<channel_end> outputs_;
  std::vector<channel_end> inputs_;
  std::optional<task> task_;
};

/// Starts a task's actor; one that blocks gets a thread of its own.
caf::actor spawn_task(caf::actor_system& system, epoch attempt, task_id id, task_blueprint blueprint,
                      const task_config& config, checkpoint_mode mode, std::uint32_t key_groups,
                      caf::actor supervisor);

} // namespace weir
