#pragma once

#include <string>
#include <utility>
#include <vector>

#include <weir/state/aggregating_state.hpp>
#include <weir/state/dynamic_rows.hpp>
#include <weir/state/folding_state.hpp>
#include <weir/state/list_state.hpp>
#include <weir/state/map_state.hpp>
#include <weir/state/operator_state.hpp>
#include <weir/state/reducing_state.hpp>
#include <weir/state/value_state.hpp>

namespace weir {

/// What an operator on a keyed stream declares its states with, once, before its first record:
///
///     void open(weir::state_registry& states) {
///       last_ = states.value<std::string>("last city", weir::time_to_live{.after = 24h});
///       visits_ = states.map<std::string, int>("visits");
///     }
///
/// A state is known by its name in checkpoints: renaming it is removing it and adding another. After
/// the name come state_options: a time to live, functions that migrate values of older types. Operator
/// state, of the instance and not of a key, is declared with the functions of the base class.
///
/// Errors: declaring a name twice throws std::invalid_argument, which fails the job's start.
class state_registry : public operator_state_registry {
 public:
  state_registry(row_cursor& cursor, operator_states& instance, bool is_first = true)
      : operator_state_registry(instance, is_first), cursor_(cursor) {}

  template <storable T, class... Options>
  value_state<T> value(std::string name, Options&&... options) {
    return declare(value_of<T>(std::move(name), std::forward<Options>(options)...));
  }
  template <storable T, class... Options>
  list_state<T> list(std::string name, Options&&... options) {
    return declare(list_of<T>(std::move(name), std::forward<Options>(options)...));
  }
  template <storable Key, storable Value, class... Options>
  map_state<Key, Value> map(std::string name, Options&&... options) {
    return declare(map_of<Key, Value>(std::move(name), std::forward<Options>(options)...));
  }
  /// `T f(const T& so_far, const T& next)`
  template <storable T, class F, class... Options>
  reducing_state<T> reducing(std::string name, F f, Options&&... options) {
    return declare(reducing_of<T>(std::move(name), std::move(f), std::forward<Options>(options)...));
  }
  /// `how`: an aggregator of values of type In
  template <class In, aggregator<In> A, class... Options>
  typename aggregating_of<In, A>::state aggregating(std::string name, A how, Options&&... options) {
    return declare(
        aggregating_of<In, A>(std::move(name), std::move(how), std::forward<Options>(options)...));
  }
  /// `Acc f(Acc so_far, const In& next)`
  template <class In, storable Acc, class F, class... Options>
  folding_state<In, Acc> folding(std::string name, Acc initial, F f, Options&&... options) {
    return declare(folding_of<In, Acc>(std::move(name), std::move(initial), std::move(f),
                                       std::forward<Options>(options)...));
  }

  /// A state as value_of, list_of, map_of, reducing_of, aggregating_of and folding_of describe it.
  template <class Declaration>
  typename Declaration::state declare(const Declaration& what) {
    return what.bind(cursor_, add(what.column()));
  }

  /// The same for a state of Weir's own, whose name may begin with "weir.".
  template <class Declaration>
  typename Declaration::state declare_own(const Declaration& what) {
    columns_.push_back(what.column());
    return what.bind(cursor_, columns_.size() - 1);
  }

  /// The layout of all declared states, with which the operator makes its rows. Also tells the
  /// states where they lie in them.
  dynamic_rows finish();

 private:
  std::size_t add(row_column column);

  row_cursor& cursor_;
  std::vector<row_column> columns_;
};

} // namespace weir
