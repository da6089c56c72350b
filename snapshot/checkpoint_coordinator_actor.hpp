#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/snapshot/checkpoint_coordinator.hpp>
#include <weir/snapshot/protocol.hpp>

namespace weir {

/// Carries out what checkpoint_coordinator decides: tells the tasks, collects their snapshots, hands
/// them to the store, and reports to the supervisor. One for the job's whole life; it starts over
/// with every attempt.
class checkpoint_coordinator_actor : public actor_base {
 public:
  /// Without a `store` nothing is durable: a checkpoint is complete once all have acknowledged.
  checkpoint_coordinator_actor(caf::actor_config& setup, checkpoint_config config,
                               std::uint32_t key_groups, caf::actor supervisor, caf::actor store);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  void carry_out();
  void carry_out(const trigger_decision& decision);
  void carry_out(const overtake_decision& decision);
  void carry_out(const store_decision& decision);
  void carry_out(const complete_decision& decision);
  void carry_out(const abort_decision& decision);
  void carry_out(const fail_decision& decision);
  void schedule_wakeup();
  void answer_savepoint(checkpoint_id checkpoint, result<completed_checkpoint> outcome);

  /// Whether a message of this attempt counts.
  bool is_current(epoch attempt) const { return coordinator_ && attempt == attempt_; }

  template <class Message>
  void tell_tasks(const Message& message) {
    for (const caf::actor& task : tasks_)
      tell(*this, task, message);
  }

  struct collected {
    time_point started;
    duration longest_pause{};
    bool stops = false; // the job, before its input has ended
    std::filesystem::path savepoint; // where to write it to, too; empty: nowhere
    std::shared_ptr<operator_snapshots> operators = std::make_shared<operator_snapshots>();
  };

  checkpoint_config config_;
  std::uint32_t key_groups_;
  caf::actor supervisor_;
  caf::actor store_;

  epoch attempt_{};
  std::vector<caf::actor> tasks_;
  std::optional<checkpoint_coordinator> coordinator_;
  std::map<checkpoint_id, collected> collected_;
  std::map<checkpoint_id, completed_checkpoint> stored_;
  std::optional<time_point> wakeup_at_;
  std::filesystem::path savepoint_to_come_; // of the checkpoint that is triggered next
  checkpoint_id last_checkpoint_{}; // the one taken for request_last, once complete
  std::uint32_t unhandled_completions_ = 0;
};

} // namespace weir
