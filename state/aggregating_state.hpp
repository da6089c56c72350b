#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <weir/state/row_cursor.hpp>

namespace weir {

/// How values become an aggregate:
///
///     struct mean {
///       struct accumulator { double sum = 0; std::uint64_t count = 0; };
///       void add(accumulator& acc, double value) const { acc.sum += value; ++acc.count; }
///       double result(const accumulator& acc) const { return acc.sum / acc.count; }
///     };
///
/// An accumulator starts as its default value. `result` may also take the key first.
template <class A, class In>
concept aggregator = requires(const A& a, typename A::accumulator& acc, const In& in) {
  requires std::default_initializable<typename A::accumulator>;
  a.add(acc, in);
};

/// One accumulator per key: values go in one by one, the aggregate comes out.
///
/// Declared with `state_registry::aggregating`. Ownership, threads and snapshots as value_state.
template <class In, class Acc, class Out>
class aggregating_state {
 public:
  aggregating_state() = default;

  template <class A>
    requires aggregator<A, In> && std::same_as<typename A::accumulator, Acc>
  aggregating_state(row_cursor& cursor, std::size_t column, A how)
      : cell_(cursor, column),
        add_([how](Acc& acc, const In& in) { how.add(acc, in); }),
        result_([how](const Acc& acc) -> Out { return how.result(acc); }) {}

  bool has_value() const { return cell().has_value(); }

  void add(const In& value) {
    std::optional<Acc>& acc = cell();
    add_(acc ? *acc : acc.emplace(), value);
  }

  /// The aggregate of what was added; nothing where nothing was.
  std::optional<Out> result() const {
    if (!has_value())
      return std::nullopt;
    return result_(*cell());
  }

  void clear() {
    cell().reset();
    cell_.note_removal();
  }

 private:
  std::optional<Acc>& cell() const { return cell_.template get<std::optional<Acc>>(); }

  row_cell cell_;
  std::function<void(Acc&, const In&)> add_;
  std::function<Out(const Acc&)> result_;
};

} // namespace weir
