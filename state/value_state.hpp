#pragma once

#include <optional>
#include <utility>

#include <weir/state/row_cursor.hpp>

namespace weir {

/// One value per key.
///
/// Declared with `state_registry::value` in an operator's `open`; afterwards it always shows the
/// value of the key of the record that is being processed. A copy shows the same state.
///
/// Ownership:     a handle; the value lives in the operator's state. References to it are valid
///                until the operator's function returns.
/// Thread safety: task thread only, inside the operator's functions.
/// Snapshots:     part of every checkpoint, by key group.
/// Cost:          an access is an addition to the address of the key's row; the key has been looked
///                up once for all states of the operator.
template <class T>
class value_state {
 public:
  value_state() = default;
  value_state(row_cursor& cursor, std::size_t column) : cell_(cursor, column) {}

  bool has_value() const { return cell().has_value(); }
  explicit operator bool() const { return has_value(); }

  /// The value. Needs has_value().
  const T& operator*() const { return *cell(); }
  const T* operator->() const { return &*cell(); }

  /// The value, or `otherwise` where there is none.
  T value_or(T otherwise) const { return cell().value_or(std::move(otherwise)); }

  void update(T value) { cell() = std::move(value); }

  /// The value to be changed in place, made with its default where there is none.
  T& mutable_value() {
    std::optional<T>& value = cell();
    return value ? *value : value.emplace();
  }

  /// Removes the value. A key without any value takes no memory.
  void clear() {
    cell().reset();
    cell_.note_removal();
  }

 private:
  std::optional<T>& cell() const { return cell_.template get<std::optional<T>>(); }

  row_cell cell_;
};

} // namespace weir
