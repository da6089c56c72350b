#pragma once

#include <optional>
#include <string>
#include <utility>

#include <weir/state/row_column.hpp>

namespace weir {

/// One value per key.
///
/// Declared with `state_registry::value` in an operator's `open`, or as value_of beside a function;
/// afterwards it always shows the value of the key of the record that is being processed. A copy
/// shows the same state.
///
/// Ownership:     a handle; the value lives in the operator's state. References to it are valid
///                until the operator's function returns.
/// Thread safety: task thread only, inside the operator's functions.
/// Errors:        used where there is no current key, it throws std::logic_error.
/// Snapshots:     part of every checkpoint, by key group.
/// Cost:          an access is an addition to the address of the key's row; the key has been looked
///                up once for all states of the operator.
template <class T>
class value_state {
 public:
  value_state() = default;
  explicit value_state(value_place<T> place) : place_(std::move(place)) {}

  bool has_value() const { return place_.read().has_value(); }
  explicit operator bool() const { return has_value(); }

  /// The value. Needs has_value().
  const T& operator*() const { return *place_.read(); }
  const T* operator->() const { return &*place_.read(); }

  /// The value, or `otherwise` where there is none.
  T value_or(T otherwise) const { return place_.read().value_or(std::move(otherwise)); }

  void update(T value) { place_.write() = std::move(value); }

  /// The value to be changed in place, made with its default where there is none.
  T& mutable_value() {
    std::optional<T>& value = place_.write();
    return value ? *value : value.emplace();
  }

  /// Removes the value. A key without any value takes no memory.
  void clear() { place_.clear(); }

 private:
  value_place<T> place_;
};

/// Declares a value_state<T>.
template <storable T>
struct value_of {
  using state = value_state<T>;
  std::string name;
  state_options options;

  template <class... Options>
  explicit value_of(std::string state_name, Options&&... more)
      : name(std::move(state_name)), options(std::forward<Options>(more)...) {}

  row_column column() const { return make_value_column<T>(name, "value", options); }
  state bind(row_cursor& cursor, std::size_t column) const {
    return state(value_place<T>(cursor, column, expiry(options.life)));
  }
};

} // namespace weir
