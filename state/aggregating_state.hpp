#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <weir/state/row_column.hpp>

namespace weir {

/// How values become an aggregate:
///
///     struct mean {
///       struct accumulator { double sum = 0; std::uint64_t count = 0; };
///       void add(accumulator& acc, double value) const { acc.sum += value; ++acc.count; }
///       double result(const accumulator& acc) const { return acc.sum / acc.count; }
///       void merge(accumulator& acc, const accumulator& other) const {      // optional
///         acc.sum += other.sum; acc.count += other.count;
///       }
///     };
///
/// An accumulator starts as its default value. `result` may also take the key first, on keyed streams.
template <class A, class In>
concept aggregator = requires(const A& a, typename A::accumulator& acc, const In& in) {
  requires std::default_initializable<typename A::accumulator>;
  a.add(acc, in);
};

/// An aggregator whose accumulators can be merged, which operators that combine keys or windows need.
template <class A>
concept mergeable_aggregator =
    requires(const A& a, typename A::accumulator& acc, const typename A::accumulator& other) {
      a.merge(acc, other);
    };

/// One accumulator per key: values go in one by one, the aggregate comes out.
///
/// Declared with `state_registry::aggregating`, or as aggregating_of. Ownership, threads, errors and
/// snapshots as value_state.
template <class In, class Acc, class Out>
class aggregating_state {
 public:
  /// What is done with accumulators.
  struct rules {
    std::function<void(Acc&, const In&)> add;
    std::function<Out(const Acc&)> result;
    std::function<void(Acc&, const Acc&)> merge; ///< empty where the aggregator has none
  };

  aggregating_state() = default;
  aggregating_state(value_place<Acc> place, rules how)
      : place_(std::move(place)), how_(std::move(how)) {}

  bool has_value() const { return place_.read().has_value(); }
  explicit operator bool() const { return has_value(); }

  void add(const In& value) { how_.add(accumulator(), value); }

  /// Adds all that went into another accumulator. Needs an aggregator with `merge`.
  void merge(const Acc& other) { how_.merge(accumulator(), other); }

  /// The aggregate of what was added; nothing where nothing was.
  std::optional<Out> result() const {
    const std::optional<Acc>& acc = place_.read();
    return acc ? std::optional<Out>(how_.result(*acc)) : std::nullopt;
  }

  void clear() { place_.clear(); }

 private:
  Acc& accumulator() const {
    std::optional<Acc>& acc = place_.write();
    return acc ? *acc : acc.emplace();
  }

  value_place<Acc> place_;
  rules how_;
};

/// Declares an aggregating_state whose values are of type In, combined by the aggregator A.
template <class In, aggregator<In> A>
struct aggregating_of {
  using accumulator = typename A::accumulator;
  using output = std::remove_cvref_t<decltype(std::declval<const A&>().result(
      std::declval<const accumulator&>()))>;
  using state = aggregating_state<In, accumulator, output>;
  std::string name;
  A how;
  state_options options;

  template <class... Options>
  aggregating_of(std::string state_name, A rules, Options&&... more)
      : name(std::move(state_name)), how(std::move(rules)), options(std::forward<Options>(more)...) {}

  row_column column() const { return make_value_column<accumulator>(name, "aggregating", options); }
  state bind(row_cursor& cursor, std::size_t column) const {
    typename state::rules rules;
    rules.add = [how = how](accumulator& acc, const In& in) { how.add(acc, in); };
    rules.result = [how = how](const accumulator& acc) -> output { return how.result(acc); };
    if constexpr (mergeable_aggregator<A>)
      rules.merge = [how = how](accumulator& acc, const accumulator& other) { how.merge(acc, other); };
    return state(value_place<accumulator>(cursor, column, expiry(options.life)), std::move(rules));
  }
};

} // namespace weir
