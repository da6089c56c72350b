#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/actors/record.hpp>
#include <weir/actors/watermarks.hpp>

namespace weir {

/// `event_time f(const T&)`
template <class F, class T>
concept time_function = std::copy_constructible<F> && std::is_invocable_r_v<event_time, F&, const T&>;

/// Gives each record the time at which it passes.
struct ingestion_time {};

/// The open partitions of one instance, and how far event time has come in all of them together.
///
/// Plain data: time is passed in.
template <class W>
class partition_watermarks {
 public:
  partition_watermarks(W how, std::chrono::milliseconds idle_after)
      : how_(std::move(how)), idle_after_(idle_after) {}

  /// Where no partition was ever named, all records are of one.
  W& current(event_time now) {
    if (replayed_) {
      replayed_->seen = now;
      return replayed_->generator;
    }
    if (!current_)
      current_ = &open(0, now);
    current_->seen = now;
    current_->is_idle = false;
    return current_->generator;
  }

  void change(const partition_change& what, event_time now) {
    switch (what.what) {
    case partition_change::kind::opened: open(what.partition, now); break;
    case partition_change::kind::current:
      current_ = &open(what.partition, now);
      replayed_.reset();
      break;
    case partition_change::kind::replayed: replayed_.emplace(partition{how_, now}); break;
    case partition_change::kind::ended:
      if (const auto found = open_.find(what.partition); found != open_.end()) {
        if (current_ == &found->second)
          current_ = nullptr;
        open_.erase(found);
      }
      break;
    }
  }

  /// The smallest of those that are not idle; nothing where there is none.
  std::optional<event_time> watermark() const {
    if (replayed_)
      return no_watermark;
    std::optional<event_time> smallest;
    for (const auto& [number, one] : open_)
      if (!one.is_idle) {
        event_time own = one.generator.watermark();
        if (own < earliest_event_time)
          own = no_watermark;
        smallest = smallest ? std::min(*smallest, own) : own;
      }
    return smallest;
  }

  /// Notes which are idle now. Returns whether all are, and there are any.
  bool find_idle(event_time now) {
    if (idle_after_ == std::chrono::milliseconds::zero())
      return false;
    if (replayed_ && now - replayed_->seen >= idle_after_)
      replayed_.reset();
    bool all = !open_.empty() && !replayed_;
    for (auto& [number, one] : open_) {
      one.is_idle = one.is_idle || now - one.seen >= idle_after_;
      all = all && one.is_idle;
    }
    return all;
  }

  /// When the next one will be idle, if nothing comes.
  std::optional<event_time> next_idle() const {
    std::optional<event_time> next;
    if (idle_after_ != std::chrono::milliseconds::zero() && replayed_)
      next = replayed_->seen + idle_after_;
    if (idle_after_ != std::chrono::milliseconds::zero())
      for (const auto& [number, one] : open_)
        if (!one.is_idle)
          next = next ? std::min(*next, one.seen + idle_after_) : one.seen + idle_after_;
    return next;
  }

 private:
  struct partition {
    W generator;
    event_time seen; // the last record, or its opening
    bool is_idle = false;
  };

  partition& open(std::uint64_t number, event_time now) {
    return open_.try_emplace(number, partition{how_, now}).first->second;
  }

  W how_;
  std::chrono::milliseconds idle_after_;
  std::map<std::uint64_t, partition> open_;
  partition* current_ = nullptr;
  std::optional<partition> replayed_; // what comes is of no partition that is open
};

/// Gives records their event times, and says how far event time has come. Watermarks from before it are of
/// no account, but for the last.
template <record T, class TimeOf, watermark_generator<T> W>
class assign_times_operator final : public operator_base, public collector<T> {
 public:
  assign_times_operator(TimeOf time_of, W how, watermark_options options)
      : time_of_(std::move(time_of)), options_(options), partitions_(std::move(how), options.idle_after) {}

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_}; }

  void receive(batch<T>& records) override {
    if (records.is_empty())
      return;
    const event_time now = context().clock->now();
    if (std::exchange(is_idle_, false) && watermark() != no_watermark)
      send_watermark(watermark()); // to be waited for again
    W& generator = partitions_.current(now);
    if constexpr (sends_at_once)
      receive_one_by_one(records, generator, now);
    else
      receive_batch(records, generator, now);
    send_if_due(now);
  }

  void receive_partition(const partition_change& change) override {
    const event_time now = context().clock->now();
    partitions_.change(change, now);
    send_if_due(now);
  }

  /// What is before it is idle: so is this, until the next record.
  void receive_idleness() override {
    if (!std::exchange(is_idle_, true))
      operator_base::receive_idleness();
  }

  std::optional<event_time> next_wakeup() const override {
    std::optional<event_time> next = partitions_.next_idle();
    if (is_waiting_)
      next = next ? std::min(*next, sent_at_ + options_.interval) : sent_at_ + options_.interval;
    return next;
  }

 private:
  static constexpr bool sends_at_once =
      requires(W w, const T& in) { { w.on_record(in, event_time{}) } -> std::same_as<bool>; };

  event_time time_for(const T& in, [[maybe_unused]] event_time now) {
    if constexpr (std::is_same_v<TimeOf, ingestion_time>)
      return std::max(now, watermark()); // the clock may have been set back
    else {
      const event_time time = time_of_(in);
      operator_base::check_event_time(time);
      return time;
    }
  }

  void receive_batch(batch<T>& records, W& generator, event_time now) {
    event_time* const times = records.enable_times(true);
    this->for_each_record(records, [&](T& in, std::uint32_t i) {
      times[i] = time_for(std::as_const(in), now);
      generator.on_record(std::as_const(in), times[i]);
    });
    out_.pass(records);
  }

  void receive_one_by_one(batch<T>& records, W& generator, event_time now) {
    out_.set_timed(true);
    this->for_each_record(records, [&](T& in, std::uint32_t) {
      const event_time time = time_for(std::as_const(in), now);
      const bool at_once = generator.on_record(std::as_const(in), time);
      out_.set_time(time);
      out_(std::move(in));
      if (at_once)
        send(now);
    });
  }

  void send(event_time now) {
    const auto reached = partitions_.watermark();
    if (reached && *reached > watermark()) {
      sent_at_ = now;
      send_watermark(*reached);
    }
  }

  void send_if_due(event_time now) {
    const auto reached = partitions_.watermark();
    is_waiting_ = reached && *reached > watermark() && now - sent_at_ < options_.interval && now >= sent_at_;
    if (!is_waiting_)
      send(now);
  }

  bool on_wakeup(event_time now) override {
    send(now); // as long as all are waited for that were until now
    is_waiting_ = false;
    if (partitions_.find_idle(now))
      receive_idleness();
    else
      send(now);
    return true;
  }

  bool follows_watermarks() const override { return false; }

  TimeOf time_of_;
  watermark_options options_;
  partition_watermarks<W> partitions_;
  event_time sent_at_{};    // the last watermark, in processing time
  bool is_waiting_ = false; // a watermark waits for the interval to pass
  bool is_idle_ = false;    // receivers have been told so
  emitter<T> out_;
};

} // namespace weir
