#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/channel_recording.hpp>
#include <weir/actors/marker.hpp>
#include <weir/base/ids.hpp>
#include <weir/snapshot/checkpoint_config.hpp>
#include <weir/state/snapshot_order.hpp>

namespace weir {

/// A batch whose turn it is, or the first records of one.
struct batch_ready {
  std::uint32_t channel;
  batch_ptr records;
  bool returns_credit = true; ///< not where it comes from a checkpoint, or the rest of it is still to come
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

/// The barrier has come on every channel that has to have it: the time to snapshot.
struct barrier_complete {
  snapshot_order order;
};

/// Every channel but those of feedback has ended.
struct entry_ended {};

/// A probe of the task's own loop is to be sent.
struct probe_due {
  loop_probe probe;
};

/// A probe has come on every channel that has to have it: of another's loop it is to be passed on, and of the task's
/// own it has come back.
struct probe_complete {
  loop_probe probe;
  bool has_returned;
  bool was_quiet; ///< of one that has returned: nothing has come back since it was sent
};

/// Every channel has ended.
struct input_ended {};

using gate_event = std::variant<batch_ready, watermark_advanced, channels_idle, partition_changed,
                                barrier_complete, entry_ended, probe_due, probe_complete, input_ended>;

/// What is known of a channel beforehand.
struct gate_channel {
  const batch_codec* codec = nullptr; ///< nullptr: its records cannot become part of a checkpoint
  bool is_feedback = false;           ///< it comes back from what the task sends
};

/// Turns the channels of one task into one sequence of events: what to process next, when to
/// snapshot, how far event time has come.
///
/// In the exactly-once modes a channel whose barrier has come is held back until the barrier has come on
/// all others (alignment); in at-least-once mode none is. A channel that has ended counts as one
/// whose barrier has come. Channels with something to offer take turns.
///
/// A barrier that overtakes is acted upon when the first of them comes, before anything that is queued: is_overtaking()
/// says so. What was queued before the barriers, and what comes on the other channels before theirs, is recorded. Where
/// some channel cannot be recorded, such barriers are aligned as others are.
///
/// For the barrier on channels of feedback, which come back from what the task itself sends, nobody waits: a
/// snapshot is taken when it has come on the others, and what comes back before the barrier has gone round is
/// recorded. Where another task of the same operator was faster, its barrier comes back first, and the channel is held. As
/// long as there is much of it, nothing new is let in, unless a barrier is to come with it. Such channels do not
/// count for the watermark, but for the last one, which comes when the loop is told that nothing goes round any more.
///
/// The watermark is the smallest of the channels that have not ended and are not idle; it never goes back. The last
/// one comes when all have sent it or ended.
///
/// Plain data: no clock, no actor. What it queues is bounded by the senders' credits, but for what is replayed, sent on
/// credit, or fed back.
///
/// Thread safety: task thread only.
class input_gate {
 public:
  /// `loop`: the one that begins with this task, where there are channels of feedback; `full_loop`: batches that wait on
  /// them when nothing new is let in.
  input_gate(const std::vector<gate_channel>& channels, checkpoint_mode mode, std::uint32_t loop = 0,
             std::uint32_t full_loop = 16);

  /// What a checkpoint has recorded of a channel comes again. Before the first push.
  void replay(std::uint32_t channel, std::deque<channel_item> items);

  /// Before a restart so much has been decided: a watermark that is not later says at most that this task is not
  /// idle any more. Before the first event.
  void restore(event_time watermark) noexcept { watermark_ = watermark; }

  void push(std::uint32_t channel, batch_ptr records);
  void push(std::uint32_t channel, marker what);

  /// The coordinator has begun a checkpoint. Completes it for a task whose channels have all ended,
  /// on which no barrier would come.
  void announce(const snapshot_order& order);

  /// The coordinator waits no longer for alignment: from now on the barriers of `checkpoint` overtake.
  void overtake(checkpoint_id checkpoint);

  /// Whether there is a snapshot to take before anything else, whatever else next() has to offer.
  bool is_overtaking() const noexcept { return !overtaking_.empty() && decided_.empty(); }

  /// The snapshot that is_overtaking() says is to be taken. Recording begins.
  snapshot_order take_overtaking();

  /// The recording for a checkpoint whose snapshot has been taken; nullptr where nothing is recorded.
  channel_recording* recording_of(checkpoint_id checkpoint);
  const channel_recording* recording_of(checkpoint_id checkpoint) const;
  void end_recording(checkpoint_id checkpoint) { recordings_.erase(checkpoint); }

  /// The coordinator has given up `checkpoint`: nobody waits for its barriers any more.
  void abort(checkpoint_id checkpoint);

  /// A probe of the task's own loop is to be sent, behind what has been decided before; and is sent now. It may have come
  /// back already on some channels, from other tasks that the loop begins with.
  void send_probe(const loop_probe& probe) { decided_.push_back(probe_due{probe}); }
  void probe_sent(const loop_probe& probe);

  /// Nothing goes round: the last watermark comes, once more if it has come before.
  void let_last_watermark_pass();

  /// Nothing goes round: channels of feedback have ended.
  void close_loop();

  /// The next event, or nothing until more arrives. Of a batch with more than `most` records it gives the first ones, so
  /// that a barrier that overtakes need not wait for all of it; the rest stands at the front of its channel.
  std::optional<gate_event> next(std::uint32_t most = std::numeric_limits<std::uint32_t>::max());

  /// Whether next() would have something to look at.
  bool has_ready() const noexcept { return !ready_.empty() || !decided_.empty(); }

  bool is_ended() const noexcept { return live_ == 0; }

 private:
  struct channel_state {
    std::deque<channel_item> queue;
    std::size_t replayed = 0; // so many at the head of the queue come from a checkpoint
    event_time watermark = no_watermark;
    bool ended = false;
    bool is_feedback = false;
    bool is_idle = false;
    bool is_queued = false;     // in ready_
    std::set<std::uint64_t> partitions; // that are open, of an only channel
    std::optional<std::uint64_t> partition; // what follows is of it
    bool is_of_others = false;              // what follows is replayed, of partitions that are read elsewhere now
    checkpoint_id held_for{};   // held back until this checkpoint is over; 0: not held
  };

  /// A probe that has come on some channels.
  struct probe_alignment {
    std::vector<bool> arrived;
    bool is_sent = false;  // of the task's own loop
    bool was_quiet = true; // since then, as far as is known
  };

  struct alignment {
    snapshot_order order;
    std::vector<bool> arrived;
    std::uint32_t remaining = 0;
  };

  void enqueue(std::uint32_t channel, channel_item what);
  std::uint32_t take_turn();
  void probe_arrived(std::uint32_t channel, const loop_probe& probe);
  void complete_probes();
  void begin_overtaking(const snapshot_order& order);
  void start_recording(checkpoint_id checkpoint, const std::vector<bool>& arrived);
  void note_partition(channel_state& channel, const partition_change& change);
  void forget_older(checkpoint_id complete);
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
  std::vector<const batch_codec*> codecs_; // by channel
  bool can_overtake_;                      // all of them can be recorded
  std::vector<channel_state> channels_;
  std::deque<std::uint32_t> ready_; // non-empty channels that are not held, in turn
  std::uint32_t loop_;
  std::size_t full_loop_;
  std::size_t going_round_ = 0; // batches on channels of feedback
  bool has_feedback_ = false;
  bool last_watermark_passes_ = true;
  std::map<loop_probe, probe_alignment> probes_;
  std::deque<gate_event> decided_;
  std::map<checkpoint_id, alignment> alignments_;
  std::set<checkpoint_id> aborted_;
  checkpoint_id last_complete_{};
  std::map<checkpoint_id, snapshot_order> overtaking_; // to be taken, in their order
  std::set<checkpoint_id> told_to_overtake_;
  std::map<checkpoint_id, channel_recording> recordings_;
  event_time watermark_ = no_watermark;
  bool is_idle_ = false; // that has been decided, and no watermark since
  std::uint32_t live_;   // channels that have not ended
  std::uint32_t entries_; // of them, those that are not feedback
};

} // namespace weir
