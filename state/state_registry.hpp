#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/state/aggregating_state.hpp>
#include <weir/state/dynamic_rows.hpp>
#include <weir/state/value_state.hpp>

namespace weir {

/// What an operator declares its keyed states with, once, before its first record:
///
///     void open(weir::state_registry& states) { last_ = states.value<std::string>("last city"); }
///
/// A state is known by its name in checkpoints: renaming it is removing it and adding another.
///
/// Errors: declaring a name twice throws std::invalid_argument, which fails the job's start.
class state_registry {
 public:
  explicit state_registry(row_cursor& cursor) : cursor_(cursor) {}

  template <storable T>
  value_state<T> value(std::string name) {
    return {cursor_, add(make_column<T>(std::move(name), "value"))};
  }

  template <class In, storable Acc, class Out, class A>
  aggregating_state<In, Acc, Out> aggregating(std::string name, A how) {
    return {cursor_, add(make_column<Acc>(std::move(name), "aggregating")), std::move(how)};
  }

  /// The layout of all declared states, with which the operator makes its table. Also tells the
  /// states where they lie in it.
  dynamic_rows finish();

 private:
  std::size_t add(row_column column);

  row_cursor& cursor_;
  std::vector<row_column> columns_;
};

} // namespace weir
