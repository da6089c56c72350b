#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/types/vector.hpp>

#include <weir/actors/emitter.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/actors/window.hpp>
#include <weir/state/state_registry.hpp>

/// \file
/// Joins of two keyed streams in event time, as process functions of connected streams.

namespace weir {

/// `Out f(const First&, const Second&)`
template <class F, class First, class Second>
concept join_function =
    std::copy_constructible<F> && std::invocable<F&, const First&, const Second&> &&
    record<std::remove_cvref_t<std::invoke_result_t<F&, const First&, const Second&>>>;

/// `void f(const Key&, const time_window&, const std::vector<First>&, const std::vector<Second>&,
/// emitter<Out>&)`
template <class F, class Key, class First, class Second, class Out>
concept cogroup_function =
    std::copy_constructible<F> &&
    std::invocable<F&, const Key&, const time_window&, const std::vector<First>&,
                   const std::vector<Second>&, emitter<Out>&>;

namespace detail {

inline event_time time_of_record(const process_context& context) {
  const auto time = context.time();
  if (!time)
    throw std::runtime_error("a record without an event time: put assign_times before the join");
  return *time;
}

} // namespace detail

/// A record that waits for those of the other side.
template <class T>
struct waiting_record {
  std::int64_t time = 0; ///< Unix milliseconds
  T content{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(time, content);
  }
};

/// Every pair of records of one key where the second's time is from `lower` to `upper` after the first's, both
/// included. A pair comes out as soon as both are there, with the later of their times. A record is kept until
/// the watermark says that no partner can come; one that comes after the watermark has passed it is dropped.
template <class Key, record First, record Second, class F>
class interval_join {
 public:
  using output = std::remove_cvref_t<std::invoke_result_t<F&, const First&, const Second&>>;

  interval_join(std::chrono::milliseconds lower, std::chrono::milliseconds upper, F join)
      : lower_(lower), upper_(upper), join_(std::move(join)) {
    if (upper < lower)
      throw std::invalid_argument("an interval from " + std::to_string(lower.count()) + " to " +
                                  std::to_string(upper.count()) + " ms: expected it the other way round");
  }

  void open(state_registry& states) {
    first_ = states.value<std::vector<waiting_record<First>>>("first");
    second_ = states.value<std::vector<waiting_record<Second>>>("second");
  }

  void process_first(const First& in, keyed_context<Key>& context, emitter<output>& out) {
    const event_time time = detail::time_of_record(context);
    if (time < context.watermark())
      return;
    for_each_between(second_, time + lower_, time + upper_, [&](const waiting_record<Second>& other) {
      emit(out, time, other.time, in, other.content);
    });
    keep(first_, time, in, time + upper_, context);
  }

  void process_second(const Second& in, keyed_context<Key>& context, emitter<output>& out) {
    const event_time time = detail::time_of_record(context);
    if (time < context.watermark())
      return;
    for_each_between(first_, time - upper_, time - lower_, [&](const waiting_record<First>& other) {
      emit(out, time, other.time, other.content, in);
    });
    keep(second_, time, in, time - lower_, context);
  }

  void on_timer(const timer& due, keyed_context<Key>&, emitter<output>&) {
    // Whose last partner's time is before this has none to come.
    drop_before(first_, due.time - upper_);
    drop_before(second_, due.time + lower_);
  }

 private:
  template <class T>
  using buffer = value_state<std::vector<waiting_record<T>>>;

  static std::int64_t ms(event_time time) { return time.time_since_epoch().count(); }

  template <class T>
  static auto lower_bound(const std::vector<waiting_record<T>>& all, std::int64_t time) {
    return std::lower_bound(all.begin(), all.end(), time,
                            [](const waiting_record<T>& one, std::int64_t wanted) { return one.time < wanted; });
  }

  template <class T, class Use>
  static void for_each_between(const buffer<T>& where, event_time from, event_time to, Use&& use) {
    if (!where.has_value())
      return;
    for (auto one = lower_bound(*where, ms(from)); one != where->end() && one->time <= ms(to); ++one)
      use(*one);
  }

  void emit(emitter<output>& out, event_time time, std::int64_t other, const First& first, const Second& second) {
    out.set_time(std::max(time, event_time{std::chrono::milliseconds{other}}));
    out(join_(first, second));
  }

  template <class T>
  void keep(buffer<T>& where, event_time time, const T& in, event_time last_partner,
            keyed_context<Key>& context) {
    std::vector<waiting_record<T>>& all = where.mutable_value();
    const auto at = std::upper_bound(all.begin(), all.end(), ms(time),
                                     [](std::int64_t wanted, const waiting_record<T>& one) { return wanted < one.time; });
    all.insert(at, {ms(time), in});
    // Timers are for cleaning only: a few for each interval are enough.
    const std::int64_t step = std::max<std::int64_t>(1, (upper_ - lower_).count() / 4);
    const std::int64_t due = ms(std::max(last_partner, time)) + 1;
    context.set_timer(event_time{std::chrono::milliseconds{(due / step + 1) * step}});
  }

  template <class T>
  static void drop_before(buffer<T>& where, event_time time) {
    if (!where.has_value() || where->empty() || where->front().time >= ms(time))
      return;
    std::vector<waiting_record<T>>& all = where.mutable_value();
    all.erase(all.begin(), lower_bound(all, ms(time)));
    if (all.empty())
      where.clear();
  }

  std::chrono::milliseconds lower_;
  std::chrono::milliseconds upper_;
  F join_;
  buffer<First> first_;
  buffer<Second> second_;
};

/// The records of both streams of one key and window together, when the watermark passes its end. A record that
/// comes later is dropped.
template <class Key, record First, record Second, record Out, class F>
class window_cogroup {
 public:
  using output = Out;

  window_cogroup(aligned_windows windows, F group) : windows_(windows), group_(std::move(group)) {}

  void open(state_registry& states) {
    first_ = states.map<std::int64_t, std::vector<First>>("first");
    second_ = states.map<std::int64_t, std::vector<Second>>("second");
  }

  void process_first(const First& in, keyed_context<Key>& context, emitter<output>&) { keep(first_, in, context); }
  void process_second(const Second& in, keyed_context<Key>& context, emitter<output>&) {
    keep(second_, in, context);
  }

  void on_timer(const timer& due, keyed_context<Key>& context, emitter<output>& out) {
    const time_window window{due.time - std::chrono::milliseconds{windows_.size()}, due.time};
    const std::int64_t start = window.start.time_since_epoch().count();
    out.set_time(window.last());
    group_(context.key(), window, first_.value_or(start, {}), second_.value_or(start, {}), out);
    first_.erase(start);
    second_.erase(start);
  }

 private:
  template <class T>
  void keep(map_state<std::int64_t, std::vector<T>>& where, const T& in, keyed_context<Key>& context) {
    const std::int64_t time = detail::time_of_record(context).time_since_epoch().count();
    for (std::int64_t start = windows_.last_start(time); start + windows_.size() > time;
         start -= windows_.slide()) {
      const event_time end{std::chrono::milliseconds{start + windows_.size()}};
      if (end <= context.watermark())
        continue;
      where[start].push_back(in);
      context.set_timer(end);
    }
  }

  aligned_windows windows_;
  F group_;
  map_state<std::int64_t, std::vector<First>> first_;
  map_state<std::int64_t, std::vector<Second>> second_;
};

} // namespace weir
