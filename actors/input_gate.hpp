#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/marker.hpp>
#include <weir/base/ids.hpp>
#include <weir/snapshot/checkpoint_config.hpp>
#include <weir/state/snapshot_order.hpp>

namespace weir {

/// A batch whose turn it is.
struct batch_ready {
  std::uint32_t channel;
  batch_ptr records;
};

/// The smallest watermark of all channels has advanced to this.
struct watermark_advanced {
  event_time time;
};

/// All channels that have not ended are idle.
struct channels_idle {};

/// The only channel says something about partitions.
struct partition_changed {
  partition_change change;
};

/// The barrier has come on every channel that has not ended: the time to snapshot.
struct barrier_complete {
  snapshot_order order;
};

/// Every channel has ended.
struct input_ended {};

using gate_event = std::variant<batch_ready, watermark_advanced, channels_idle, partition_changed,
                                barrier_complete, input_ended>;

/// Turns the channels of one task into one sequence of events: what to process next, when to
/// snapshot, how far event time has come.
///
/// In exactly-once mode a channel whose barrier has come is held back until the barrier has come on
/// all others (alignment); in at-least-once mode none is. A channel that has ended counts as one
/// whose barrier has come. Channels with something to offer take turns.
///
/// The watermark is the smallest of the channels that have not ended and are not idle; it never goes back. The last
/// one comes when all have sent it or ended.
///
/// Plain data: no clock, no actor. What it queues is bounded by the senders' credits.
///
/// Thread safety: task thread only.
class input_gate {
 public:
  input_gate(std::uint32_t channels, checkpoint_mode mode);

  /// Before a restart so much has been decided: a watermark that is not later says at most that this task is not
  /// idle any more. Before the first event.
  void restore(event_time watermark) noexcept { watermark_ = watermark; }

  void push(std::uint32_t channel, batch_ptr records);
  void push(std::uint32_t channel, marker what);

  /// The coordinator has begun a checkpoint. Completes it for a task whose channels have all ended,
  /// on which no barrier would come.
  void announce(const snapshot_order& order);

  /// The coordinator has given up `checkpoint`: nobody waits for its barriers any more.
  void abort(checkpoint_id checkpoint);

  /// The next event, or nothing until more arrives.
  std::optional<gate_event> next();

  /// Whether next() would have something to look at.
  bool has_ready() const noexcept { return !ready_.empty() || !decided_.empty(); }

  bool is_ended() const noexcept { return live_ == 0; }

 private:
  using item = std::variant<batch_ptr, marker>;

  struct channel_state {
    std::deque<item> queue;
    event_time watermark = no_watermark;
    bool ended = false;
    bool is_idle = false;
    bool is_queued = false;     // in ready_
    checkpoint_id held_for{};   // held back until this checkpoint is over; 0: not held
  };

  struct alignment {
    checkpoint_id base;
    std::vector<bool> arrived;
    std::uint32_t remaining = 0;
  };

  void enqueue(std::uint32_t channel, item what);
  void handle(std::uint32_t channel, const marker& what);
  void barrier_arrived(std::uint32_t channel, const snapshot_order& order);
  void channel_ended(std::uint32_t channel);
  void update_watermark();
  bool is_over(checkpoint_id checkpoint) const;
  alignment& alignment_of(const snapshot_order& order);
  void complete_if_ready(checkpoint_id checkpoint);
  void make_ready(std::uint32_t channel);
  void release_channels(checkpoint_id first, checkpoint_id last);

  checkpoint_mode mode_;
  std::vector<channel_state> channels_;
  std::deque<std::uint32_t> ready_; // non-empty channels that are not held, in turn
  std::deque<gate_event> decided_;
  std::map<checkpoint_id, alignment> alignments_;
  std::set<checkpoint_id> aborted_;
  checkpoint_id last_complete_{};
  event_time watermark_ = no_watermark;
  bool is_idle_ = false; // that has been decided, and no watermark since
  std::uint32_t live_;
};

} // namespace weir
