#include <weir/actors/task.hpp>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>
#include <variant>

namespace weir {

namespace {

// Waking a thread costs some microseconds of two processors.
constexpr duration shortest_wait = std::chrono::microseconds{40};

/// To so many receivers an edge has batches and credits of full size; beyond, what is under way on all channels
/// together would be in no cache.
constexpr std::uint32_t full_size_receivers = 8;

std::uint32_t divided_among(std::uint32_t receivers, std::uint32_t amount) {
  if (receivers <= full_size_receivers)
    return amount;
  const std::uint32_t least = std::max(amount / 4, 1U);
  return std::max(static_cast<std::uint32_t>(std::uint64_t{amount} * full_size_receivers / receivers), least);
}

std::vector<gate_channel> gate_channels(const std::vector<task_input>& inputs) {
  std::vector<gate_channel> channels;
  for (const task_input& one : inputs)
    channels.push_back({one.codec, one.is_feedback});
  return channels;
}

} // namespace

task::task(task_blueprint blueprint, const task_config& config, checkpoint_mode mode,
           std::uint32_t key_groups, task_environment& environment)
    : blueprint_(std::move(blueprint)), config_(config), environment_(environment),
      gate_(gate_channels(blueprint_.inputs), mode, blueprint_.loop, config.credits) {
  std::vector<std::vector<output_port*>> outputs;
  for (chained_operator& one : blueprint_.operators) {
    one.context.buffers = buffers_;
    operators_.push_back(one.make());
    outputs.push_back(operators_.back()->outputs());
    for (output_port* port : outputs.back()) {
      port->configure(config_.batch_size);
      ports_.push_back(port);
    }
  }
  for (const chain_link& link : blueprint_.links) {
    outputs[link.from][link.output]->connect(operators_[link.to]->input(0));
    outputs[link.from][link.output]->connect_progress(*operators_[link.to]);
  }
  for (const task_output& output : blueprint_.outputs) {
    // What goes round must never wait for what comes in.
    const std::uint32_t credits = output.is_feedback ? std::numeric_limits<std::uint32_t>::max()
                                                     : divided_among(output.channels, config_.credits);
    const std::uint32_t batch_size = output.how == partitioning::hash
                                         ? divided_among(output.channels, config_.batch_size)
                                         : config_.batch_size;
    std::vector<output_channel*> channels;
    for (std::uint32_t i = 0; i < output.channels; ++i) {
      const auto index = static_cast<std::uint32_t>(channels_.size());
      channels_.push_back(std::make_unique<output_channel>(index, credits, environment_));
      channels.push_back(channels_.back().get());
    }
    exchanges_.push_back(
        output.make(exchange_setup{output.how, std::move(channels), batch_size, key_groups}));
    for (std::uint32_t i = 0; i < output.channels; ++i)
      owners_.push_back({exchanges_.back().get(), i});
    outputs[output.from][output.output]->connect(exchanges_.back()->input());
    outputs[output.from][output.output]->connect_progress(*exchanges_.back());
  }
  for (const task_input& one : blueprint_.inputs)
    inputs_.push_back(&operators_.front()->input(one.port));
}

task::~task() {
  close();
}

void task::open() {
  for (std::size_t i = 0; i < operators_.size(); ++i) {
    chained_operator& one = blueprint_.operators[i];
    operators_[i]->open(one.context, one.restored);
    if (i == 0) {
      const event_time reached = std::max(one.restored.watermark, one.restored.catch_up);
      if (reached > one.restored.watermark)
        advancing_ = reached;
      if (reached != last_watermark) // which is passed on again
        gate_.restore(reached);
    }
    one.restored = {};
  }
  replay_inputs();
}

void task::replay_inputs() {
  for (std::uint32_t i = 0; i < blueprint_.inputs.size(); ++i) {
    task_input& from = blueprint_.inputs[i];
    if (from.origin.data.empty())
      continue;
    try {
      gate_.replay(i, read_recorded(std::exchange(from.origin.data, {}), *from.codec));
    } catch (const malformed_bytes& problem) {
      throw std::runtime_error("what was under way from '" + from.origin.sender + "' cannot be read: " + problem.what());
    }
  }
}

void task::run() {
  phase_ = phase::running;
  watch_clock();
  if (!blueprint_.is_source)
    work();
  else if (operators_.front()->is_drained())
    end_source();
  else
    schedule(duration::zero());
}

void task::close() noexcept {
  phase_ = phase::stopped;
  for (const auto& one : operators_)
    one->close();
}

std::vector<record_counts> task::counts() const {
  std::vector<record_counts> all;
  for (const auto& one : operators_)
    all.push_back(one->counts());
  return all;
}

void task::receive(std::uint32_t channel, batch_ptr records) {
  gate_.push(channel, std::move(records));
  schedule(duration::zero());
}

void task::receive(std::uint32_t channel, const marker& what) {
  gate_.push(channel, what);
  schedule(duration::zero());
}

void task::credit_returned(std::uint32_t channel, batch_ptr emptied) {
  output_channel& returned = *channels_[channel];
  const bool was_blocked = returned.is_blocked();
  returned.credit_returned(std::move(emptied));
  if (returned.is_due())
    owners_[channel].exchange->flush(owners_[channel].receiver);
  if (!was_blocked || returned.is_blocked())
    return;
  --blocked_;
  if (can_send())
    work();
}

void task::take_turn() {
  turn_scheduled_ = false;
  work();
}

void task::schedule(duration delay) {
  if (std::exchange(turn_scheduled_, true))
    return;
  environment_.schedule_turn(delay > duration::zero() ? std::max(delay, shortest_wait) : delay);
}

void task::work() {
  if (!snapshots_.empty())
    write_snapshots();
  while (can_overtake())
    snapshot_and_forward(gate_.take_overtaking());
  do_work();
  if (!snapshots_.empty() && has_unwritten())
    schedule(duration::zero());
}

void task::do_work() {
  if (!can_send())
    return;
  if (phase_ == phase::draining) {
    drain();
    return;
  }
  if (phase_ != phase::running && phase_ != phase::ended)
    return;
  if (advancing_) {
    step_advance();
  } else if (is_waking_) {
    step_wakeups();
  } else if (blueprint_.is_source) {
    if (phase_ == phase::running && !turn_scheduled_)
      run_source();
  } else if (std::optional<gate_event> event = gate_.next(most_records_)) {
    std::visit([this](auto& what) { handle(what); }, *event);
  }
  // What was left to do has come to nothing, as a marker does that others must follow.
  if (partial_since_ && !blueprint_.is_source && !has_work())
    settle_outputs(false);
  watch_clock();
  const bool is_reading = blueprint_.is_source && phase_ == phase::running;
  if (has_work() || (is_reading && can_send()))
    schedule(duration::zero());
}

/// Whether there is something to do that the task has no message for yet, besides a source's turn.
bool task::has_work() const {
  return ((advancing_ || is_waking_ || gate_.has_ready()) && can_send()) || can_overtake();
}

/// Whether there is a snapshot to take, blocked or not.
bool task::can_overtake() const {
  return gate_.is_overtaking() && !advancing_ && (phase_ == phase::running || phase_ == phase::ended);
}

void task::wake() {
  wakeup_at_.reset();
  is_waking_ = phase_ == phase::running;
  work();
}

void task::step_advance() {
  operator_base& first = *operators_.front();
  if (first.advance(*advancing_)) {
    first.forward(*advancing_);
    advancing_.reset();
  }
  flush_chain();
  settle_outputs(has_work());
}

void task::step_wakeups() {
  const event_time now = operators_.front()->context().clock->now();
  is_waking_ = false;
  for (const auto& one : operators_) {
    const auto due = one->next_wakeup();
    if (due && *due <= now && !one->wake(now))
      is_waking_ = true;
    flush_chain();
  }
  settle_outputs(has_work());
}

void task::watch_clock() {
  if (phase_ != phase::running || is_waking_)
    return;
  std::optional<event_time> due;
  for (const auto& one : operators_)
    if (const auto wanted = one->next_wakeup(); wanted && (!due || *wanted < *due))
      due = wanted;
  if (!due || (wakeup_at_ && *wakeup_at_ <= *due))
    return;
  wakeup_at_ = due;
  environment_.schedule_wakeup(operators_.front()->context().clock->until(*due));
}

void task::run_source() {
  const source_turn turn = operators_.front()->take_turn();
  flush_chain();
  settle_outputs(turn.what == source_turn::outcome::more);
  switch (turn.what) {
  case source_turn::outcome::more: schedule(duration::zero()); break;
  case source_turn::outcome::idle: schedule(turn.wait); break;
  case source_turn::outcome::ended: end_source(); break;
  }
}

void task::end_source() {
  handle(watermark_advanced{last_watermark});
  phase_ = phase::draining;
  drain();
}

void task::handle(batch_ready& event) {
  if (phase_ == phase::ended) { // what the operators of a loop have sent at the end of their input
    operators_.front()->drop_records(event.records->size());
    if (event.returns_credit)
      environment_.return_credit(event.channel, std::move(event.records));
    return;
  }
  const std::uint32_t records = event.records->size();
  // One record alone is only of interest where turns have been shortened.
  const bool is_timed = records > 1 || most_records_ != unlimited;
  const auto began = is_timed ? environment_.now() : std::chrono::steady_clock::time_point{};
  inputs_[event.channel]->receive_any(*event.records);
  flush_chain();
  if (is_timed)
    limit_turns(records, environment_.now() - began);
  if (event.returns_credit)
    environment_.return_credit(event.channel, std::move(event.records));
  settle_outputs(has_work());
}

void task::limit_turns(std::uint32_t records, duration took) {
  if (took > longest_turn)
    most_records_ = static_cast<std::uint32_t>(std::max<std::int64_t>(1, records * (longest_turn / 2) / took));
  else if (took < longest_turn / 4 && records >= most_records_)
    most_records_ = most_records_ > unlimited / 2 ? unlimited : 2 * most_records_;
}

void task::handle(const watermark_advanced& event) {
  advancing_ = event.time;
  step_advance();
}

void task::handle(const channels_idle&) {
  operators_.front()->receive_idleness();
  count_blocked();
}

void task::handle(const partition_changed& event) {
  operators_.front()->receive_partition(event.change);
  count_blocked();
}

void task::handle(const barrier_complete& event) {
  snapshot_and_forward(event.order);
}

void task::handle(const entry_ended&) {
  environment_.report_entry_end();
}

void task::handle(const probe_due& event) {
  gate_.probe_sent(event.probe);
  send_all(marker::of_loop(event.probe));
}

void task::handle(const probe_complete& event) {
  if (event.has_returned)
    environment_.report_probe(event.probe, event.was_quiet);
  else
    send_all(marker::of_loop(event.probe));
}

void task::handle(const input_ended&) {
  phase_ = phase::draining;
  drain();
}

void task::drain() {
  while (draining_ != operators_.size()) {
    if (!can_send())
      return;
    if (operators_[draining_]->drain())
      ++draining_;
    flush_chain();
    settle_outputs(true);
  }
  finish_operators();
  phase_ = phase::ended;
  send_all(marker::end());
  environment_.report_end();
  while (!postponed_.empty()) {
    snapshot_and_forward(postponed_.front());
    postponed_.pop_front();
  }
  if (gate_.has_ready())
    schedule(duration::zero());
}

void task::flush_chain() {
  for (output_port* port : ports_)
    port->flush();
}

/// Sends batches that are not full when their time has come, and notes what waits.
void task::settle_outputs(bool is_busy) {
  count_blocked();
  const bool is_partial = std::any_of(exchanges_.begin(), exchanges_.end(),
                                      [](const auto& exchange) { return exchange->has_partial(); });
  if (!is_partial) {
    partial_since_.reset();
    return;
  }
  if (is_busy && can_send()) {
    const auto now = environment_.now();
    if (!partial_since_)
      partial_since_ = now;
    if (now - *partial_since_ < config_.batch_timeout)
      return;
  }
  partial_since_.reset();
  for (const auto& exchange : exchanges_)
    exchange->flush_idle();
}

void task::count_blocked() {
  blocked_ = static_cast<std::uint32_t>(
      std::count_if(channels_.begin(), channels_.end(),
                    [](const auto& channel) { return channel->is_blocked(); }));
}

void task::send_all(const marker& what) {
  for (const auto& exchange : exchanges_)
    exchange->send_all(what);
  count_blocked();
}

void task::take_snapshot(const snapshot_order& order, bool stop) {
  if (!blueprint_.is_source) {
    // What a loop has still sent back before its end is counted first.
    while (phase_ == phase::ended && gate_.has_ready())
      if (std::optional<gate_event> event = gate_.next())
        std::visit([this](auto& what) { handle(what); }, *event);
    gate_.announce(order);
    schedule(duration::zero());
    return;
  }
  if (phase_ == phase::draining) {
    postponed_.push_back(order);
    return;
  }
  snapshot_and_forward(order);
  if (stop && phase_ == phase::running)
    phase_ = phase::stopped;
}

void task::overtake(checkpoint_id checkpoint) {
  gate_.overtake(checkpoint);
  send_on_credit(checkpoint);
  schedule(duration::zero());
}

void task::send_on_credit(checkpoint_id checkpoint) {
  for (const auto& channel : channels_)
    if (channel->holds_barrier(checkpoint))
      channel->send_on_credit();
  count_blocked();
}

void task::snapshot_and_forward(const snapshot_order& order) {
  const time_point began = environment_.now();
  finish_operators();
  if (phase_ != phase::ended)
    send_all(marker::barrier(order));
  if (order.overtakes)
    send_on_credit(order.checkpoint);
  begin_snapshot(order);
  snapshots_.at(order.checkpoint).longest_pause = environment_.now() - began;
  write_snapshots();
  if (!snapshots_.empty())
    schedule(duration::zero());
}

void task::begin_snapshot(const snapshot_order& order) {
  begun_snapshot& begun = snapshots_[order.checkpoint];
  buffers_->next_snapshot();
  for (const auto& one : operators_)
    begun.made.push_back(shared_snapshot(one->begin_snapshot(order), buffers_));
}

/// A slice of the snapshots that have been begun. Complete ones are reported.
void task::write_snapshots() {
  for (auto at = snapshots_.begin(); at != snapshots_.end();) {
    const checkpoint_id checkpoint = at->first;
    const time_point began = environment_.now();
    write_operators(at->second);
    channel_recording* const recording = gate_.recording_of(checkpoint);
    if (recording)
      recording->write_some();
    at->second.longest_pause = std::max(at->second.longest_pause, duration{environment_.now() - began});
    if (at->second.writing != operators_.size() || (recording && !recording->is_complete())) {
      ++at;
      continue;
    }
    report(checkpoint, std::move(at->second));
    at = snapshots_.erase(at);
  }
}

void task::write_operators(begun_snapshot& of) {
  for (std::size_t& i = of.writing; i != operators_.size(); ++i)
    if (!operators_[i]->write_snapshot(*of.made[i]))
      return;
}

/// The next snapshot of the operators begins when the last one is written.
void task::finish_operators() {
  for (auto& [checkpoint, begun] : snapshots_)
    while (begun.writing != operators_.size())
      write_operators(begun);
}

/// Whether snapshots wait for anything but what comes from other tasks.
bool task::has_unwritten() const {
  return std::any_of(snapshots_.begin(), snapshots_.end(), [this](const auto& one) {
    const channel_recording* const recording = gate_.recording_of(one.first);
    return one.second.writing != operators_.size() || (recording && recording->has_unwritten());
  });
}

void task::report(checkpoint_id checkpoint, begun_snapshot complete) {
  if (channel_recording* const recording = gate_.recording_of(checkpoint)) {
    for (recorded_channel& one : recording->take()) {
      channel_snapshot& channel = complete.made.front()->channels.emplace_back(blueprint_.inputs[one.channel].origin);
      channel.type = blueprint_.inputs[one.channel].codec->type();
      channel.records = one.records;
      channel.data = std::move(one.data);
    }
    gate_.end_recording(checkpoint);
  }
  for (const auto& one : complete.made)
    if (!one->failure.empty()) {
      environment_.report_failed_snapshot(checkpoint, one->failure);
      return;
    }
  environment_.report_snapshot(checkpoint, {complete.made.begin(), complete.made.end()}, complete.longest_pause);
}

void task::drain_source() {
  if (blueprint_.is_source && phase_ == phase::running)
    end_source();
}

void task::probe_loop(std::uint32_t round) {
  gate_.send_probe({blueprint_.loop, round});
  schedule(duration::zero());
}

void task::pass_last_watermark() {
  gate_.let_last_watermark_pass();
  schedule(duration::zero());
}

void task::close_loop() {
  gate_.close_loop();
  schedule(duration::zero());
}

void task::complete(checkpoint_id checkpoint) {
  for (const auto& one : operators_)
    one->checkpoint_completed(checkpoint);
  environment_.report_completion(checkpoint);
}

void task::abort(checkpoint_id checkpoint) {
  std::erase_if(postponed_, [&](const snapshot_order& one) { return one.checkpoint == checkpoint; });
  gate_.abort(checkpoint);
  if (const auto found = snapshots_.find(checkpoint);
      found != snapshots_.end() && found->second.writing == operators_.size())
    snapshots_.erase(found); // what the operators have not written yet they expect to write
  schedule(duration::zero());
}

} // namespace weir
