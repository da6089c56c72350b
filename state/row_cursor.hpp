#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace weir {

/// Where the states of an operator find the row of the current key. The operator moves it from
/// record to record; the states read through it.
struct row_cursor {
  std::byte* row = nullptr;
  bool removed = false; ///< a state was cleared: the row may be empty now

  /// Offset of each declared state in the row. Filled in once all states are declared.
  std::vector<std::size_t> offsets;
};

/// One state's place in the current row.
class row_cell {
 public:
  row_cell() = default;
  row_cell(row_cursor& cursor, std::size_t column) : cursor_(&cursor), column_(column) {}

  template <class T>
  T& get() const {
    return *std::launder(reinterpret_cast<T*>(cursor_->row + cursor_->offsets[column_]));
  }
  void note_removal() const { cursor_->removed = true; }

 private:
  row_cursor* cursor_ = nullptr;
  std::size_t column_ = 0;
};

} // namespace weir
