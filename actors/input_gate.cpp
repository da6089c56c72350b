#include <weir/actors/input_gate.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir {

input_gate::input_gate(std::uint32_t channels, checkpoint_mode mode)
    : mode_(mode), channels_(channels), live_(channels) {}

void input_gate::push(std::uint32_t channel, batch_ptr records) {
  enqueue(channel, std::move(records));
}

void input_gate::push(std::uint32_t channel, marker what) {
  enqueue(channel, what);
}

void input_gate::enqueue(std::uint32_t channel, item what) {
  channels_[channel].queue.push_back(std::move(what));
  make_ready(channel);
}

void input_gate::make_ready(std::uint32_t channel) {
  channel_state& state = channels_[channel];
  if (state.is_queued || state.queue.empty() || state.held_for != checkpoint_id{})
    return;
  state.is_queued = true;
  ready_.push_back(channel);
}

std::optional<gate_event> input_gate::next() {
  for (;;) {
    if (!decided_.empty()) {
      gate_event event = std::move(decided_.front());
      decided_.pop_front();
      return event;
    }
    if (ready_.empty())
      return std::nullopt;
    const std::uint32_t channel = ready_.front();
    ready_.pop_front();
    channel_state& state = channels_[channel];
    state.is_queued = false;
    item what = std::move(state.queue.front());
    state.queue.pop_front();
    if (auto* records = std::get_if<batch_ptr>(&what)) {
      state.is_idle = false;
      make_ready(channel);
      return batch_ready{channel, std::move(*records)};
    }
    handle(channel, std::get<marker>(what));
    make_ready(channel);
  }
}

void input_gate::handle(std::uint32_t channel, const marker& what) {
  switch (what.what) {
  case marker::kind::watermark:
    channels_[channel].watermark = std::max(channels_[channel].watermark, what.time);
    channels_[channel].is_idle = false;
    update_watermark();
    break;
  case marker::kind::partition:
    if (channels_.size() == 1) // otherwise records of several instances are mixed
      decided_.push_back(partition_changed{what.partition});
    break;
  case marker::kind::idle:
    channels_[channel].is_idle = true;
    update_watermark();
    break;
  case marker::kind::barrier: barrier_arrived(channel, what.order); break;
  case marker::kind::end_of_input: channel_ended(channel); break;
  }
}

void input_gate::update_watermark() {
  event_time smallest = last_watermark;
  bool any_left = false;
  bool any_active = false;
  for (const channel_state& state : channels_) {
    if (state.ended || state.watermark == last_watermark)
      continue; // that says nothing of how far the others are: idle ones may still come back
    any_left = true;
    if (!state.is_idle) {
      smallest = std::min(smallest, state.watermark);
      any_active = true;
    }
  }
  if (any_left && !any_active) {
    if (!std::exchange(is_idle_, true))
      decided_.push_back(channels_idle{});
  } else if (smallest > watermark_) {
    watermark_ = smallest;
    is_idle_ = false;
    decided_.push_back(watermark_advanced{smallest});
  } else if (is_idle_ && watermark_ != no_watermark) {
    is_idle_ = false; // somebody has to say that this task is to be waited for again
    decided_.push_back(watermark_advanced{watermark_});
  }
}

bool input_gate::is_over(checkpoint_id checkpoint) const {
  return checkpoint <= last_complete_ || aborted_.contains(checkpoint);
}

input_gate::alignment& input_gate::alignment_of(const snapshot_order& order) {
  const auto [found, inserted] = alignments_.try_emplace(order.checkpoint);
  if (inserted) {
    found->second.base = order.base;
    found->second.arrived.resize(channels_.size());
    found->second.remaining = live_;
  }
  return found->second;
}

void input_gate::announce(const snapshot_order& order) {
  if (is_over(order.checkpoint))
    return;
  alignment_of(order);
  complete_if_ready(order.checkpoint);
}

void input_gate::barrier_arrived(std::uint32_t channel, const snapshot_order& order) {
  const checkpoint_id checkpoint = order.checkpoint;
  if (is_over(checkpoint))
    return;
  alignment& pending = alignment_of(order);
  if (pending.arrived[channel])
    return;
  pending.arrived[channel] = true;
  --pending.remaining;
  if (mode_ == checkpoint_mode::exactly_once)
    channels_[channel].held_for = checkpoint;
  complete_if_ready(checkpoint);
}

void input_gate::channel_ended(std::uint32_t channel) {
  channel_state& state = channels_[channel];
  if (state.ended)
    return;
  state.ended = true;
  --live_;
  std::vector<checkpoint_id> pending;
  for (auto& [id, waiting] : alignments_) {
    if (!waiting.arrived[channel]) {
      waiting.arrived[channel] = true;
      --waiting.remaining;
    }
    pending.push_back(id);
  }
  for (const checkpoint_id id : pending)
    complete_if_ready(id);
  update_watermark();
  if (live_ == 0)
    decided_.push_back(input_ended{});
}

void input_gate::complete_if_ready(checkpoint_id checkpoint) {
  const auto found = alignments_.find(checkpoint);
  if (found == alignments_.end() || found->second.remaining != 0)
    return;
  const snapshot_order order{checkpoint, found->second.base};
  last_complete_ = checkpoint;
  alignments_.erase(alignments_.begin(), std::next(found));
  aborted_.erase(aborted_.begin(), aborted_.upper_bound(checkpoint));
  release_channels(checkpoint_id{1}, checkpoint);
  decided_.push_back(barrier_complete{order});
}

void input_gate::abort(checkpoint_id checkpoint) {
  if (is_over(checkpoint))
    return;
  aborted_.insert(checkpoint);
  if (alignments_.erase(checkpoint) != 0)
    release_channels(checkpoint, checkpoint);
}

void input_gate::release_channels(checkpoint_id first, checkpoint_id last) {
  for (std::uint32_t i = 0; i < channels_.size(); ++i) {
    channel_state& state = channels_[i];
    if (state.held_for < first || state.held_for > last)
      continue;
    state.held_for = checkpoint_id{};
    make_ready(i);
  }
}

} // namespace weir
