#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include <weir/actors/channel_item.hpp>

namespace weir {

/// What carries an output channel's batches and markers away. The task's actor is one.
class channel_transport {
 public:
  virtual ~channel_transport() = default;
  virtual void send_batch(std::uint32_t channel, batch_ptr records) = 0;
  virtual void send_marker(std::uint32_t channel, const marker& what) = 0;
};

/// The sending side of one channel: keeps the order, spends credits, and waits when there are none.
///
/// A batch costs one credit, which comes back with the emptied batch; a marker costs nothing but
/// does not overtake batches that wait. What waits is bounded by what one input batch can produce,
/// because a task takes no input while a channel is blocked. It can be sent on credit, so that a barrier behind it
/// need not wait: the channel is blocked then until what is owed has come back.
///
/// A batch that is not full is best sent when the receiver is done with all before it (Nagle, RFC 896): an idle
/// receiver gets it at once, and a busy one gets larger batches.
///
/// Thread safety: task thread only.
class output_channel {
 public:
  output_channel(std::uint32_t index, std::uint32_t credits, channel_transport& transport)
      : index_(index), credits_(credits), free_(credits), transport_(transport) {}

  void send(batch_ptr records);
  void send(const marker& what);

  /// Sends all that waits, with more batches than there are credits for.
  void send_on_credit();

  /// Whether the barrier of a checkpoint waits.
  bool holds_barrier(checkpoint_id checkpoint) const;

  /// The receiver is done with a batch and gives it back.
  void credit_returned(batch_ptr emptied);

  /// A batch that came back, to be filled again; empty where there is none.
  batch_ptr take_spare();

  bool is_blocked() const noexcept { return !waiting_.empty() || free_ < 0; }

  /// Whether the receiver is done with every batch sent so far.
  bool is_idle() const noexcept { return free_ == static_cast<std::int64_t>(credits_); }

  /// Asks that more be sent as soon as the receiver is done with every batch sent so far.
  void want_more() noexcept { wants_more_ = true; }

  /// Whether that was asked for, send() has not been called with a batch since, and the time has come.
  bool is_due() const noexcept { return wants_more_ && is_idle(); }

  /// Its batches leave the process. What one costs on its way does not depend on its size, so full ones are larger. Call
  /// it before the first is filled.
  void send_far() noexcept { is_far_ = true; }

  /// Records in a full batch that has so many to a receiver in this process.
  ///
  /// A batch of 24 KiB makes one of 96 KiB with a column of 32 KiB. It is a little less, so that with what goes before it
  /// on its way it fills the largest packets of the network (64 KiB), and needs no small one more.
  std::uint32_t scaled(std::uint32_t capacity) const noexcept {
    return is_far_ ? far_batch_scale * capacity - capacity / 32 : capacity;
  }

  std::uint32_t index() const noexcept { return index_; }

 private:
  /// Batches that are kept to be filled again; where there are more credits, the others are made anew.
  static constexpr std::size_t most_spare = 64;

  static constexpr std::uint32_t far_batch_scale = 4;

  void hand_over(batch_ptr records);
  void send_waiting();

  std::uint32_t index_;
  std::uint32_t credits_; // in all
  std::int64_t free_;     // not spent; below 0: owed
  bool is_far_ = false;
  bool wants_more_ = false;
  channel_transport& transport_;
  std::deque<channel_item> waiting_;
  std::vector<batch_ptr> spare_;
};

} // namespace weir
