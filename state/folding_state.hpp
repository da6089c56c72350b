#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <weir/state/row_column.hpp>

namespace weir {

/// One accumulator per key, into which values of another type are folded from an initial value on:
/// `Acc f(Acc so_far, const In& next)`.
///
/// Declared with `state_registry::folding`, or as folding_of. Ownership, threads, errors and snapshots
/// as value_state.
template <class In, class Acc>
class folding_state {
 public:
  folding_state() = default;
  folding_state(value_place<Acc> place, Acc initial, std::function<Acc(Acc, const In&)> f)
      : place_(std::move(place)), initial_(std::move(initial)), f_(std::move(f)) {}

  bool has_value() const { return place_.read().has_value(); }
  explicit operator bool() const { return has_value(); }

  void add(const In& value) {
    std::optional<Acc>& so_far = place_.write();
    so_far = f_(so_far ? std::move(*so_far) : initial_, value);
  }

  /// What has been folded; nothing where nothing was added.
  std::optional<Acc> result() const { return place_.read(); }

  void clear() { place_.clear(); }

 private:
  value_place<Acc> place_;
  Acc initial_{};
  std::function<Acc(Acc, const In&)> f_;
};

/// Declares a folding_state.
template <class In, storable Acc>
struct folding_of {
  using state = folding_state<In, Acc>;
  std::string name;
  Acc initial;
  std::function<Acc(Acc, const In&)> f;
  state_options options;

  template <class F, class... Options>
    requires std::is_invocable_r_v<Acc, F&, Acc, const In&>
  folding_of(std::string state_name, Acc from, F combine, Options&&... more)
      : name(std::move(state_name)), initial(std::move(from)), f(std::move(combine)),
        options(std::forward<Options>(more)...) {}

  row_column column() const { return make_value_column<Acc>(name, "folding", options); }
  state bind(row_cursor& cursor, std::size_t column) const {
    return state(value_place<Acc>(cursor, column, expiry(options.life)), initial, f);
  }
};

} // namespace weir
