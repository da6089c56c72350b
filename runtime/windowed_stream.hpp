#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <weir/actors/operators/aligned_window.hpp>
#include <weir/actors/operators/session_window.hpp>
#include <weir/runtime/stream.hpp>

namespace weir {

namespace detail {

template <class T, class KeyOf, class Fold, class Windows>
struct window_operator : std::type_identity<aligned_window_operator<T, KeyOf, Fold>> {};
template <class T, class KeyOf, class Fold, class Gap>
struct window_operator<T, KeyOf, Fold, session_windows<Gap>> {
  static_assert(Fold::merges, "sessions are merged, and the aggregate cannot be: give it `void "
                              "merge(accumulator&, const accumulator&) const`");
  using type = session_window_operator<T, KeyOf, Gap, Fold>;
};

} // namespace detail

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

/// A stream divided into windows of event time. A window comes out, for each key that has records in
/// it, when the watermark passes its end.
///
///     clicks.key_by(user).window(weir::tumbling(5s)).count("clicks")
///
/// On a stream without keys all records are of one, weir::no_key, and one instance sees them.
///
/// Snapshots: everything that has not come out.
template <class Key, record T, class KeyOf, class Windows>
class windowed_stream {
 public:
  windowed_stream(stream<T> records, KeyOf key_of, Windows windows)
      : records_(std::move(records)), key_of_(std::move(key_of)), windows_(std::move(windows)) {}

  /// Keeps windows for so much event time after their end: a record that comes for one of them makes it come
  /// out again, with all its records. What comes later is late.
  windowed_stream allowed_lateness(std::chrono::milliseconds lateness) const {
    windowed_stream more = *this;
    more.lateness_ = lateness;
    return more;
  }

  /// Combines the records of each key and window into one: `T f(const T& so_far, const T& next)`. The order
  /// of records is not kept, so `f` must not depend on it.
  template <class F>
  window_results<windowed<Key, T>, T> reduce(std::string name, F f) const {
    static_assert(reduce_function<F, T>,
                  "reduce: expected a function T(const T& so_far, const T& next)");
    static_assert(storable<T>, "reduce: the record must be storable: give it a cereal serialize");
    return fold(std::move(name), reduce_fold<T, F>{std::move(f)});
  }

  /// Puts the records of each key and window into an accumulator; see weir::aggregator. For windows that
  /// overlap it needs a `merge`.
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
  window_results<windowed<Key, std::uint64_t>, T> count(std::string name) const {
    return fold(std::move(name), count_fold{});
  }

 private:
  template <class Fold>
  auto fold(std::string name, Fold how) const {
    using op = typename detail::window_operator<T, KeyOf, Fold, Windows>::type;
    using out = typename op::output_type;
    topology_graph& graph = *records_.graph();
    if constexpr (std::is_same_v<Windows, aligned_windows>)
      if (!Fold::merges && !windows_.is_tumbling())
        graph.mistakes.push_back("operator '" + name +
                                 "': windows that overlap share what they add up, and the aggregate cannot "
                                 "be merged: give it `void merge(accumulator&, const accumulator&) const`");
    if (lateness_ < std::chrono::milliseconds::zero())
      graph.mistakes.push_back("operator '" + name + "': an allowed lateness of " +
                               std::to_string(lateness_.count()) + " ms, expected 0 or more");
    operator_node node = detail::make_node<out>(
        std::move(name), "window", 1, true,
        [key_of = key_of_, how, windows = windows_, lateness = lateness_] {
          return std::make_unique<op>(key_of, how, windows, lateness);
        });
    node.outputs.push_back(type_name<T>());
    node.drops_side_outputs = true;
    constexpr bool is_divided = !std::is_same_v<Key, no_key>;
    if (!is_divided)
      node.parallelism = 1;
    const std::uint32_t added = detail::add_operator(graph, std::move(node));
    if constexpr (is_divided)
      records_.connect_by_key(added, 0, key_of_);
    else
      records_.connect_to(added, 0);
    return window_results<out, T>(records_.graph(), added);
  }

  stream<T> records_;
  KeyOf key_of_;
  Windows windows_;
  std::chrono::milliseconds lateness_{0};
};

} // namespace weir
