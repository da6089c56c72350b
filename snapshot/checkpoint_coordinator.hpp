#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>
#include <weir/snapshot/checkpoint_config.hpp>
#include <weir/state/snapshot_order.hpp>

namespace weir {

/// Tell every task to take part in this checkpoint.
struct trigger_decision {
  snapshot_order order;
  bool stop;
};

/// Alignment takes too long: tell every task that the barriers of this checkpoint overtake.
struct overtake_decision {
  checkpoint_id checkpoint;
};

/// All tasks have acknowledged: make it durable.
struct store_decision {
  checkpoint_id checkpoint;
  bool last;
  checkpoint_id keep_from; ///< others that are pending may add to this one and those after it; 0: to none
};

/// It is durable: tell every task.
struct complete_decision {
  checkpoint_id checkpoint;
  bool last;
};

/// Give it up: tell every task, and drop what was collected for it.
struct abort_decision {
  checkpoint_id checkpoint;
  std::string reason;
};

/// The job must not go on.
struct fail_decision {
  std::string reason;
};

using checkpoint_decision = std::variant<trigger_decision, overtake_decision, store_decision,
                                         complete_decision, abort_decision, fail_decision>;

/// The rules of checkpoint_config: when a checkpoint begins, what completes it, when it is given up,
/// and how many failures are borne.
///
/// Plain data: events come in with the time, decisions are taken out. A checkpoint is pending from
/// its trigger until it is durable. Once all tasks have acknowledged it only the disk is waited for,
/// and the timeout no longer applies. A checkpoint that completes takes older pending ones with it.
///
/// A checkpoint may add to its base, the last one that was complete when it began. One that fails does
/// not change the base, unless the store says that the base itself is of no use: then the next checkpoint
/// has none.
///
/// Thread safety: one thread.
class checkpoint_coordinator {
 public:
  /// `tasks` is the number of tasks that must acknowledge; `last` the highest id ever used; `restored`
  /// the complete checkpoint that the tasks start from, 0 where there is none.
  checkpoint_coordinator(const checkpoint_config& config, std::uint32_t tasks, checkpoint_id last,
                         checkpoint_id restored = {});

  /// All tasks run, or run again. Nothing is triggered before.
  void start(time_point now);

  /// Some tasks have failed: gives up what not all have acknowledged, which does not count as a failure, and triggers
  /// nothing before the next start().
  void pause(time_point now);

  void acknowledged(time_point now, checkpoint_id checkpoint, task_id task);
  /// A task cannot take its snapshot.
  void snapshot_failed(time_point now, checkpoint_id checkpoint, const std::string& reason);
  void stored(time_point now, checkpoint_id checkpoint);
  void store_failed(time_point now, checkpoint_id checkpoint, const error& reason);

  /// The time next_wakeup() asked for has come. Calling it early or late does no harm.
  void wake(time_point now);

  /// Takes one more checkpoint at once and none after it. If it fails, so does the job. `aligned`: its barriers
  /// overtake nothing, whatever the mode is.
  void request_last(time_point now, bool stop, bool aligned = false);

  /// Takes one more checkpoint at once, however many are under way, and an aligned one. Returns nothing where none
  /// can be taken: before the start, and after request_last().
  std::optional<checkpoint_id> request(time_point now);

  /// When wake() must be called; nothing while nothing depends on time.
  std::optional<time_point> next_wakeup() const;

  /// What has been decided since the last call, in order.
  std::vector<checkpoint_decision> take_decisions();

 private:
  struct pending_checkpoint {
    time_point started;
    std::vector<bool> acknowledged;
    std::uint32_t remaining;
    bool last;
    checkpoint_id base;
    bool overtakes;
    bool may_overtake;
    bool storing = false;
    checkpoint_id keep_from{}; // while storing
  };

  std::optional<time_point> next_trigger() const;
  std::optional<time_point> overtakes_at(const pending_checkpoint& pending) const;
  void trigger(time_point now, bool last, bool stop, bool aligned);
  checkpoint_id safe_base() const;
  checkpoint_id bases_besides(checkpoint_id checkpoint) const;
  void give_up(time_point now, checkpoint_id checkpoint, const std::string& reason);
  void trigger_if_due(time_point now);

  checkpoint_config config_;
  std::uint32_t tasks_;
  checkpoint_id last_id_;
  checkpoint_id last_complete_; // 0: none that can be added to
  bool started_ = false;
  bool last_requested_ = false;
  time_point last_trigger_{};
  time_point last_end_{};
  std::uint32_t failures_in_row_ = 0;
  std::map<checkpoint_id, pending_checkpoint> pending_;
  std::vector<checkpoint_decision> decisions_;
};

} // namespace weir
