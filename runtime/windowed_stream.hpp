#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <weir/actors/operators/aligned_window.hpp>
#include <weir/actors/operators/count_window.hpp>
#include <weir/actors/operators/triggered_window.hpp>
#include <weir/actors/triggers.hpp>
#include <weir/runtime/stream.hpp>

namespace weir {

/// What comes out of windows, and beside it the records that came too late for all of theirs.
template <record Out, record In>
class window_results : public stream<Out> {
 public:
  window_results(std::shared_ptr<topology_graph> graph, std::uint32_t node)
      : stream<Out>(graph, node, 0), late_(graph, node, 1) {}

  /// The late records, with their event times. If nobody reads them, they are dropped.
  const stream<In>& late() const { return late_; }

 private:
  stream<In> late_;
};

/// A stream divided into windows. A window comes out, for each key that has records in it, when the watermark
/// passes its end, or when the trigger says so.
///
///     clicks.key_by(user).window(weir::tumbling(5s)).count("clicks")
///
/// On a stream without keys all records are of one, weir::no_key, and one instance sees them.
///
/// Snapshots: everything that has not come out.
template <class Key, record T, class KeyOf, class Windows, class Trigger = triggers::on_time>
class windowed_stream {
 public:
  windowed_stream(stream<T> records, KeyOf key_of, Windows windows, firing_rules<Trigger> rules = {})
      : records_(std::move(records)), key_of_(std::move(key_of)), windows_(std::move(windows)),
        rules_(std::move(rules)) {}

  /// Keeps windows for so much event time after their end: a record that comes for one of them makes it come
  /// out again, with all its records. What comes later is late.
  windowed_stream allowed_lateness(std::chrono::milliseconds lateness) const {
    static_assert(!is_counted, "windows of so many records have no late ones");
    windowed_stream more = *this;
    more.rules_.lateness = lateness;
    return more;
  }

  /// Says when windows come out; see weir::triggers. What has not come out when a window is over, its allowed
  /// lateness included, does so then. A record costs as much as the number of windows that it is in.
  template <class T2>
  windowed_stream<Key, T, KeyOf, Windows, T2> trigger(T2 how) const {
    static_assert(weir::trigger<T2, T>, "trigger: expected one of weir::triggers, or a class as weir::trigger "
                                        "describes it; a punctuation takes a function bool(const T&)");
    static_assert(!is_counted, "windows of so many records come out when they are full: for triggers take "
                               "weir::global()");
    return {records_, key_of_, windows_, {std::move(how), rules_.lateness, rules_.discards, rules_.in_processing_time}};
  }

  /// Whenever a window comes out, that is with the records since the last time. Without this it is with all of them.
  /// A record costs as much as the number of windows that it is in.
  auto discarding() const {
    auto more = with_trigger();
    more.rules_.discards = true;
    return more;
  }

  /// Records are of the time at which they come, on the job's clock, whatever their event times: a window comes out
  /// when the clock passes its end, and what is left when the input ends. A record costs as much as the number of
  /// windows that it is in.
  auto in_processing_time() const {
    static_assert(std::is_same_v<Windows, aligned_windows> || is_session, "in_processing_time: expected windows of time");
    auto more = with_trigger();
    more.rules_.in_processing_time = true;
    return more;
  }

  /// Combines the records of each key and window into one: `T f(const T& so_far, const T& next)`. The order
  /// of records is not kept, so `f` must not depend on it.
  template <class F>
  auto reduce(std::string name, F f) const {
    static_assert(reduce_function<F, T>,
                  "reduce: expected a function T(const T& so_far, const T& next)");
    static_assert(storable<T>, "reduce: the record must be storable: give it a cereal serialize");
    return fold(std::move(name), reduce_fold<T, F>{std::move(f)});
  }

  /// Puts the records of each key and window into an accumulator; see weir::aggregator. For windows that
  /// overlap or merge it needs a `merge`. Nothing may depend on the order in which records are added and
  /// accumulators merged.
  template <class A>
  auto aggregate(std::string name, A how) const {
    static_assert(aggregator<A, T>,
                  "aggregate: expected a class with a default-constructible `accumulator`, `void "
                  "add(accumulator&, const T&) const` and `Out result(const accumulator&) const`");
    static_assert(storable<typename A::accumulator>,
                  "aggregate: the accumulator must be storable: give it a cereal serialize");
    return fold(std::move(name), aggregate_fold<A>{std::move(how)});
  }

  /// Counts the records of each key and window.
  auto count(std::string name) const { return fold(std::move(name), count_fold{}); }

  /// All records of each key and window, as a std::vector<T>: for functions of a whole window.
  ///
  ///     .collect("all").map("median", [](const weir::windowed<user_id, std::vector<click>>& in) { ... })
  ///
  /// They are in the order in which they came; of windows that overlap slice by slice, of sessions that have become
  /// one session by session. Each is kept until its windows are over, once, however many overlap.
  auto collect(std::string name) const {
    static_assert(storable<T>, "collect: the record must be storable: give it a cereal serialize");
    return fold(std::move(name), collect_fold<T>{});
  }

 private:
  template <class, record, class, class, class>
  friend class windowed_stream;

  static constexpr bool is_counted = std::is_same_v<Windows, count_windows>;
  static constexpr bool is_session = is_session_windows<Windows>;
  static constexpr bool has_trigger = !std::is_same_v<Trigger, triggers::on_time>;

  /// The same with the trigger that there is without one.
  auto with_trigger() const {
    if constexpr (has_trigger)
      return *this;
    else
      return trigger(triggers::event_time());
  }

  template <class Fold>
  auto fold(std::string name, Fold how) const {
    static_assert(Fold::merges || !is_session, "sessions are merged, and the aggregate cannot be: give it `void "
                                               "merge(accumulator&, const accumulator&) const`");
    check(name, Fold::merges);
    if constexpr (is_counted) {
      using function = count_window_function<T, Key, Fold>;
      using op = keyed_process_operator<T, KeyOf, function>;
      using out = typename function::output;
      const std::uint32_t added = add(detail::make_node<out>(
          std::move(name), "window", 1, true,
          [key_of = key_of_, function = function(windows_, how)] { return std::make_unique<op>(key_of, function); }));
      return stream<out>(records_.graph(), added, 0);
    } else if constexpr (std::is_same_v<Windows, aligned_windows> && !has_trigger && !keeps_records<Fold>) {
      using op = aligned_window_operator<T, KeyOf, Fold>;
      return add_timed<op>(std::move(name), [key_of = key_of_, how, windows = windows_, lateness = rules_.lateness] {
        return std::make_unique<op>(key_of, how, windows, lateness);
      });
    } else if constexpr (!has_trigger) {
      return with_trigger().fold(std::move(name), std::move(how));
    } else {
      using op = triggered_window_operator<T, KeyOf, Windows, Fold, Trigger>;
      return add_timed<op>(std::move(name), [key_of = key_of_, how, windows = windows_, rules = rules_] {
        return std::make_unique<op>(key_of, how, windows, rules);
      });
    }
  }

  void check(const std::string& name, bool merges) const {
    const auto mistake = [&](const std::string& what) {
      records_.graph()->mistakes.push_back("operator '" + name + "': " + what);
    };
    if (rules_.lateness < std::chrono::milliseconds::zero())
      mistake("an allowed lateness of " + std::to_string(rules_.lateness.count()) + " ms, expected 0 or more");
    if (rules_.in_processing_time && rules_.lateness != std::chrono::milliseconds::zero())
      mistake("an allowed lateness of " + std::to_string(rules_.lateness.count()) +
              " ms, but in processing time nothing is late: leave it out");
    if constexpr ((std::is_same_v<Windows, aligned_windows> && !has_trigger) || is_counted)
      if (!merges && !windows_.is_tumbling())
        mistake("windows that overlap share what they add up, and the aggregate cannot be merged: give it `void "
                "merge(accumulator&, const accumulator&) const`");
  }

  template <class Op, class Make>
  auto add_timed(std::string name, Make make) const {
    using out = typename Op::output_type;
    operator_node node = detail::make_node<out>(std::move(name), "window", 1, true, std::move(make));
    node.outputs.push_back(type_name<T>());
    node.drops_side_outputs = true;
    return window_results<out, T>(records_.graph(), add(std::move(node)));
  }

  std::uint32_t add(operator_node node) const {
    constexpr bool is_divided = !std::is_same_v<Key, no_key>;
    if (!is_divided)
      node.parallelism = 1;
    const std::uint32_t added = detail::add_operator(*records_.graph(), std::move(node));
    if constexpr (is_divided)
      records_.connect_by_key(added, 0, key_of_);
    else
      records_.connect_to(added, 0);
    return added;
  }

  stream<T> records_;
  KeyOf key_of_;
  Windows windows_;
  firing_rules<Trigger> rules_;
};

} // namespace weir
