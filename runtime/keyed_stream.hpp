#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <weir/actors/operators/keyed_fold.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/actors/operators/stateful.hpp>
#include <weir/runtime/connected_stream.hpp>
#include <weir/runtime/stream.hpp>
#include <weir/runtime/windowed_stream.hpp>

namespace weir {

/// A stream divided by key: operators on it keep state for each key.
template <class Key, record T, class KeyOf>
class keyed_stream {
 public:
  using key_type = Key;

  keyed_stream(stream<T> records, KeyOf key_of)
      : records_(std::move(records)), key_of_(std::move(key_of)) {}

  /// Combines the records of each key into one: `T f(const T& so_far, const T& next)`.
  template <class F>
  auto reduce(std::string name, F f, emit when = emit::updates) const {
    static_assert(reduce_function<F, T>,
                  "reduce: expected a function T(const T& so_far, const T& next)");
    static_assert(storable<T>, "reduce: the record must be storable: give it a cereal serialize");
    return fold(std::move(name), reduce_fold<T, F>{std::move(f)}, when);
  }

  /// Puts the records of each key into an accumulator; see weir::aggregator.
  template <class A>
  auto aggregate(std::string name, A how, emit when = emit::updates) const {
    static_assert(aggregator<A, T>,
                  "aggregate: expected a class with a default-constructible `accumulator`, `void "
                  "add(accumulator&, const T&) const` and `Out result(const accumulator&) const`");
    static_assert(storable<typename A::accumulator>,
                  "aggregate: the accumulator must be storable: give it a cereal serialize");
    return fold(std::move(name), aggregate_fold<A>{std::move(how)}, when);
  }

  /// Counts the records of each key.
  stream<counted<Key>> count(std::string name, emit when = emit::updates) const {
    return fold(std::move(name), count_fold{}, when);
  }

  /// One record for each, with state of the record's key: `Out f(const T&, State&...)`, and then the
  /// declarations of the states:
  ///
  ///     readings.key_by(sensor).map("change", [](const reading& in, weir::value_state<double>& last) {
  ///       const double change = in.value - last.value_or(in.value);
  ///       last.update(in.value);
  ///       return change;
  ///     }, weir::value_of<double>("last"));
  template <class F, state_declaration... Ds>
  auto map(std::string name, F f, Ds... states) const {
    static_assert(stateful_map_function<F, T, Ds...>,
                  "map on a keyed stream: expected a function Out(const T&, State&...) that returns a "
                  "record, with one State for each declaration");
    using out = std::remove_cvref_t<std::invoke_result_t<F&, const T&, typename Ds::state&...>>;
    return add_stateful<out>(
        std::move(name), "map",
        [f](const T& in, emitter<out>& to, typename Ds::state&... own) mutable { to(f(in, own...)); },
        std::move(states)...);
  }

  /// Some of the records: `bool f(const T&, State&...)`.
  template <class F, state_declaration... Ds>
  stream<T> filter(std::string name, F f, Ds... states) const {
    static_assert(stateful_filter_function<F, T, Ds...>,
                  "filter on a keyed stream: expected a function bool(const T&, State&...), with one "
                  "State for each declaration");
    return add_stateful<T>(
        std::move(name), "filter",
        [f](const T& in, emitter<T>& to, typename Ds::state&... own) mutable {
          if (f(in, own...))
            to(in);
        },
        std::move(states)...);
  }

  /// Any number of records for each: `void f(const T&, State&..., weir::emitter<Out>&)`.
  template <class F, state_declaration... Ds>
  auto flat_map(std::string name, F f, Ds... states) const {
    static_assert(stateful_flat_map_function<F, T, Ds...>,
                  "flat_map on a keyed stream: expected a function void(const T&, State&..., "
                  "weir::emitter<Out>&), with one State for each declaration, where Out is not a template "
                  "parameter");
    using out = stateful_output_t<F>;
    return add_stateful<out>(
        std::move(name), "flat_map",
        [f](const T& in, emitter<out>& to, typename Ds::state&... own) mutable { f(in, own..., to); },
        std::move(states)...);
  }

  /// A class with state for each key; see weir::process_function.
  template <class P>
  auto process(std::string name, P how) const {
    static_assert(process_function<P, T, keyed_context<Key>>,
                  "process: expected a class with `using output = ...` and `void process(const T&, "
                  "weir::keyed_context<Key>&, weir::emitter<output>&)`");
    using op = keyed_process_operator<T, KeyOf, P>;
    return add<typename P::output>(
        std::move(name), "process",
        [key_of = key_of_, how] { return std::make_unique<op>(key_of, how); });
  }

  /// Divides the records of each key into windows: of event time, see tumbling, sliding and sessions; of so many
  /// records, see tumbling_count and sliding_count; or one of all, weir::global().
  template <class Windows>
  windowed_stream<Key, T, KeyOf, Windows, triggers::on_time> window(Windows windows) const {
    return {records_, key_of_, std::move(windows)};
  }

  /// This stream and another one with the same kind of key, for an operator with two inputs and
  /// state that both share.
  template <record U, class KeyOfU>
  connected_keyed_stream<Key, T, KeyOf, U, KeyOfU>
  connect(const keyed_stream<Key, U, KeyOfU>& other) const {
    return {*this, other};
  }

  /// This stream and a broadcast one, for an operator with keyed state that all its instances see the
  /// records of the other in; see weir::broadcast_process_function.
  template <record U>
  keyed_broadcast_stream<Key, T, KeyOf, U> connect(const broadcast_stream<U>& other) const {
    return {*this, other};
  }

  const stream<T>& records() const { return records_; }
  const KeyOf& key_of() const { return key_of_; }

 private:
  template <class Fold>
  auto fold(std::string name, Fold how, emit when) const {
    using op = keyed_fold_operator<T, KeyOf, Fold>;
    return add<typename op::output_type>(
        std::move(name), Fold::kind,
        [key_of = key_of_, how, when] { return std::make_unique<op>(key_of, how, when); });
  }

  template <record Out, class Make>
  stream<Out> add(std::string name, const char* kind, Make make) const {
    const std::uint32_t added = detail::add_operator(
        *records_.graph(), detail::make_node<Out>(std::move(name), kind, 1, true, std::move(make)));
    records_.connect_by_key(added, 0, key_of_);
    return stream<Out>(records_.graph(), added, 0);
  }

  /// A function with declared states, as a process function.
  template <record Out, class Call, class... Ds>
  stream<Out> add_stateful(std::string name, const char* kind, Call call, Ds... states) const {
    using function = stateful_function<Out, Call, Ds...>;
    using op = keyed_process_operator<T, KeyOf, function>;
    return add<Out>(std::move(name), kind,
                    [key_of = key_of_, how = function(std::move(call), std::move(states)...)] {
                      return std::make_unique<op>(key_of, how);
                    });
  }

  stream<T> records_;
  KeyOf key_of_;
};

} // namespace weir
