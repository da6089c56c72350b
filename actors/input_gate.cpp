#include <weir/actors/input_gate.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir {

namespace {

/// Whether nothing that comes from here on was under way when the snapshot for `checkpoint` was taken.
bool ends_recording(const channel_item& item, checkpoint_id checkpoint) {
  const auto* const what = std::get_if<marker>(&item);
  return what && (what->what == marker::kind::end_of_input ||
                  (what->what == marker::kind::barrier && what->order.checkpoint == checkpoint));
}

} // namespace

input_gate::input_gate(const std::vector<gate_channel>& channels, checkpoint_mode mode, std::uint32_t loop,
                       std::uint32_t full_loop)
    : mode_(mode), channels_(channels.size()), loop_(loop), full_loop_(full_loop),
      live_(static_cast<std::uint32_t>(channels.size())), entries_(live_) {
  for (std::uint32_t i = 0; i < channels.size(); ++i) {
    codecs_.push_back(channels[i].codec);
    channels_[i].is_feedback = channels[i].is_feedback;
    entries_ -= channels[i].is_feedback;
  }
  has_feedback_ = entries_ != live_;
  last_watermark_passes_ = !has_feedback_;
  can_overtake_ = std::find(codecs_.begin(), codecs_.end(), nullptr) == codecs_.end();
}

void input_gate::replay(std::uint32_t channel, std::deque<channel_item> items) {
  channel_state& state = channels_[channel];
  state.replayed = items.size();
  state.queue = std::move(items);
  if (state.is_feedback)
    going_round_ += static_cast<std::size_t>(std::count_if(state.queue.begin(), state.queue.end(), [](const auto& item) {
      return std::holds_alternative<batch_ptr>(item);
    }));
  make_ready(channel);
}

void input_gate::push(std::uint32_t channel, batch_ptr records) {
  enqueue(channel, std::move(records));
}

void input_gate::push(std::uint32_t channel, marker what) {
  enqueue(channel, what);
}

void input_gate::enqueue(std::uint32_t channel, channel_item what) {
  const auto* const found = std::get_if<marker>(&what);
  const bool is_barrier = found && found->what == marker::kind::barrier;
  for (auto& [checkpoint, recording] : recordings_)
    if (recording.is_open(channel)) {
      if (ends_recording(what, checkpoint))
        recording.close(channel);
      else
        recording.add(channel, what);
    }
  if (!found && channels_[channel].is_feedback) {
    ++going_round_;
    for (auto& [probe, sent] : probes_)
      sent.was_quiet = false;
  }
  if (is_barrier && (found->order.overtakes || told_to_overtake_.contains(found->order.checkpoint)))
    begin_overtaking(found->order);
  channels_[channel].queue.push_back(std::move(what));
  make_ready(channel);
}

void input_gate::begin_overtaking(const snapshot_order& order) {
  if (can_overtake_ && !is_over(order.checkpoint))
    overtaking_.emplace(order.checkpoint, order);
}

void input_gate::overtake(checkpoint_id checkpoint) {
  if (is_over(checkpoint))
    return;
  told_to_overtake_.insert(checkpoint);
  for (const channel_state& channel : channels_) {
    if (channel.held_for == checkpoint)
      begin_overtaking(alignments_.at(checkpoint).order);
    for (const channel_item& item : channel.queue)
      if (const auto* what = std::get_if<marker>(&item);
          what && what->what == marker::kind::barrier && what->order.checkpoint == checkpoint)
        begin_overtaking(what->order);
  }
}

snapshot_order input_gate::take_overtaking() {
  snapshot_order order = overtaking_.begin()->second;
  order.overtakes = true;
  const auto found = alignments_.find(order.checkpoint);
  start_recording(order.checkpoint, found == alignments_.end() ? std::vector<bool>(channels_.size())
                                                               : std::move(found->second.arrived));
  forget_older(order.checkpoint);
  return order;
}

/// Of all channels on which the barrier has not arrived.
void input_gate::start_recording(checkpoint_id checkpoint, const std::vector<bool>& arrived) {
  channel_recording& recording = recordings_.try_emplace(checkpoint, codecs_).first->second;
  for (std::uint32_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].ended || arrived[i])
      continue;
    recording.open(i);
    for (const std::uint64_t partition : channels_[i].partitions)
      recording.begin_with(i, marker::of_partition({partition_change::kind::opened, partition}));
    if (channels_[i].is_of_others)
      recording.begin_with(i, marker::of_partition({partition_change::kind::replayed, 0}));
    else if (channels_[i].partition)
      recording.begin_with(i, marker::of_partition({partition_change::kind::current, *channels_[i].partition}));
    for (const channel_item& item : channels_[i].queue) {
      if (ends_recording(item, checkpoint)) {
        recording.close(i);
        break;
      }
      recording.add(i, item);
    }
  }
}

channel_recording* input_gate::recording_of(checkpoint_id checkpoint) {
  const auto found = recordings_.find(checkpoint);
  return found == recordings_.end() ? nullptr : &found->second;
}

const channel_recording* input_gate::recording_of(checkpoint_id checkpoint) const {
  return const_cast<input_gate*>(this)->recording_of(checkpoint);
}

void input_gate::make_ready(std::uint32_t channel) {
  channel_state& state = channels_[channel];
  if (state.is_queued || state.queue.empty() || state.held_for != checkpoint_id{})
    return;
  state.is_queued = true;
  ready_.push_back(channel);
}

std::optional<gate_event> input_gate::next(std::uint32_t most) {
  for (;;) {
    if (!decided_.empty()) {
      gate_event event = std::move(decided_.front());
      decided_.pop_front();
      return event;
    }
    if (ready_.empty())
      return std::nullopt;
    const std::uint32_t channel = take_turn();
    channel_state& state = channels_[channel];
    state.is_queued = false;
    if (auto* records = std::get_if<batch_ptr>(&state.queue.front())) {
      for (auto& [checkpoint, recording] : recordings_)
        recording.write_before(channel, **records);
      if ((*records)->size() > most && !(*records)->is_shared()) {
        state.is_idle = false;
        make_ready(channel);
        return batch_ready{channel, (*records)->take_front(most), false};
      }
    }
    channel_item what = std::move(state.queue.front());
    state.queue.pop_front();
    const bool is_replayed = state.replayed != 0;
    state.replayed -= is_replayed;
    if (auto* records = std::get_if<batch_ptr>(&what)) {
      state.is_idle = false;
      going_round_ -= state.is_feedback;
      make_ready(channel);
      return batch_ready{channel, std::move(*records), !is_replayed};
    }
    handle(channel, std::get<marker>(what));
    make_ready(channel);
  }
}

/// The channel whose turn it is. When a loop is full, nothing new is let in.
std::uint32_t input_gate::take_turn() {
  auto at = ready_.begin();
  if (going_round_ >= full_loop_ && alignments_.empty())
    at = std::find_if(at, ready_.end(), [this](std::uint32_t channel) { return channels_[channel].is_feedback; });
  if (at == ready_.end())
    at = ready_.begin();
  const std::uint32_t channel = *at;
  ready_.erase(at);
  return channel;
}

void input_gate::handle(std::uint32_t channel, const marker& what) {
  switch (what.what) {
  case marker::kind::watermark: {
    const bool is_again = what.time == last_watermark && watermark_ == last_watermark;
    channels_[channel].watermark = std::max(channels_[channel].watermark, what.time);
    channels_[channel].is_idle = false;
    if (is_again && last_watermark_passes_)
      decided_.push_back(watermark_advanced{last_watermark}); // of a loop, for what has gone round since
    else
      update_watermark();
    break;
  }
  case marker::kind::partition:
    if (channels_.size() == 1) { // otherwise records of several instances are mixed
      note_partition(channels_[channel], what.partition);
      decided_.push_back(partition_changed{what.partition});
    }
    break;
  case marker::kind::idle:
    channels_[channel].is_idle = true;
    update_watermark();
    break;
  case marker::kind::barrier: barrier_arrived(channel, what.order); break;
  case marker::kind::probe: probe_arrived(channel, what.probe); break;
  case marker::kind::end_of_input: channel_ended(channel); break;
  }
}

void input_gate::update_watermark() {
  event_time smallest = last_watermark;
  bool any_left = false;
  bool any_active = false;
  for (const channel_state& state : channels_) {
    if (state.ended || state.is_feedback || state.watermark == last_watermark)
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
  } else if (smallest > watermark_ && (smallest != last_watermark || last_watermark_passes_)) {
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
    found->second.order = order;
    for (const channel_state& state : channels_)
      found->second.arrived.push_back(state.ended);
    found->second.remaining = entries_;
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
  if (!channels_[channel].is_feedback)
    --pending.remaining;
  if (mode_ != checkpoint_mode::at_least_once)
    channels_[channel].held_for = checkpoint;
  complete_if_ready(checkpoint);
}

void input_gate::channel_ended(std::uint32_t channel) {
  channel_state& state = channels_[channel];
  if (state.ended)
    return;
  state.ended = true;
  --live_;
  if (!state.is_feedback)
    --entries_;
  std::vector<checkpoint_id> pending;
  for (auto& [id, waiting] : alignments_) {
    if (!waiting.arrived[channel] && !state.is_feedback)
      --waiting.remaining;
    waiting.arrived[channel] = true;
    pending.push_back(id);
  }
  for (const checkpoint_id id : pending)
    complete_if_ready(id);
  update_watermark();
  if (live_ == 0)
    decided_.push_back(input_ended{});
  else if (entries_ == 0 && !state.is_feedback)
    decided_.push_back(entry_ended{});
  complete_probes();
}

void input_gate::complete_if_ready(checkpoint_id checkpoint) {
  const auto found = alignments_.find(checkpoint);
  if (found == alignments_.end() || found->second.remaining != 0)
    return;
  snapshot_order order = found->second.order;
  order.overtakes |= told_to_overtake_.contains(checkpoint); // those that follow need not align
  if (has_feedback_)
    start_recording(checkpoint, found->second.arrived);
  forget_older(checkpoint);
  decided_.push_back(barrier_complete{order});
}

/// A snapshot is taken: nothing waits for its barriers any more, nor for older ones.
void input_gate::forget_older(checkpoint_id complete) {
  last_complete_ = complete;
  alignments_.erase(alignments_.begin(), alignments_.upper_bound(complete));
  aborted_.erase(aborted_.begin(), aborted_.upper_bound(complete));
  overtaking_.erase(overtaking_.begin(), overtaking_.upper_bound(complete));
  told_to_overtake_.erase(told_to_overtake_.begin(), told_to_overtake_.upper_bound(complete));
  release_channels(checkpoint_id{1}, complete);
}

void input_gate::probe_sent(const loop_probe& probe) {
  probe_alignment& sent = probes_[probe];
  sent.arrived.resize(channels_.size());
  sent.is_sent = true;
  sent.was_quiet = going_round_ == 0;
  complete_probes();
}

void input_gate::probe_arrived(std::uint32_t channel, const loop_probe& probe) {
  if (has_feedback_ && (probe.loop != loop_ || !channels_[channel].is_feedback))
    return; // of a loop before this one
  std::erase_if(probes_, [&](const auto& one) { return one.first.loop == probe.loop && one.first < probe; });
  probe_alignment& waiting = probes_[probe];
  waiting.arrived.resize(channels_.size());
  waiting.arrived[channel] = true;
  complete_probes();
}

/// A probe waits for all channels that have not ended; one's own for those on which it comes back.
void input_gate::complete_probes() {
  std::erase_if(probes_, [this](const auto& one) {
    const auto& [probe, waiting] = one;
    if (has_feedback_ && !waiting.is_sent)
      return false;
    for (std::uint32_t i = 0; i < channels_.size(); ++i)
      if (!channels_[i].ended && !waiting.arrived[i] && (!has_feedback_ || channels_[i].is_feedback))
        return false;
    decided_.push_back(probe_complete{probe, has_feedback_, waiting.was_quiet});
    return true;
  });
}

void input_gate::note_partition(channel_state& channel, const partition_change& change) {
  switch (change.what) {
  case partition_change::kind::opened: channel.partitions.insert(change.partition); break;
  case partition_change::kind::current:
    channel.partitions.insert(change.partition);
    channel.partition = change.partition;
    channel.is_of_others = false;
    break;
  case partition_change::kind::replayed: channel.is_of_others = true; break;
  case partition_change::kind::ended:
    channel.partitions.erase(change.partition);
    if (channel.partition == change.partition)
      channel.partition.reset();
    break;
  }
}

void input_gate::let_last_watermark_pass() {
  if (std::exchange(last_watermark_passes_, true))
    decided_.push_back(watermark_advanced{last_watermark});
  else
    update_watermark();
}

void input_gate::close_loop() {
  for (std::uint32_t i = 0; i < channels_.size(); ++i)
    if (channels_[i].is_feedback)
      channel_ended(i);
}

void input_gate::abort(checkpoint_id checkpoint) {
  recordings_.erase(checkpoint);
  if (is_over(checkpoint))
    return;
  aborted_.insert(checkpoint);
  overtaking_.erase(checkpoint);
  told_to_overtake_.erase(checkpoint);
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
