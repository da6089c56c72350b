#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace weir {

class row_entries;

/// When cells are read and changed, and how their changes are told apart: an entry of a list or map
/// keeps the version in which it was last changed, so that those can be found that changed after one.
struct change_time {
  std::int64_t now = 0;      ///< processing time in milliseconds, as of the current batch
  std::uint32_t version = 0; ///< grows; 0: nobody will ask what has changed
  std::uint32_t oldest = 0;  ///< nobody will ask for changes after an older version than this
  bool on_disk = false;      ///< who will ask is the disk, when the row is written back
};

/// The version of what a restore has brought.
inline constexpr std::uint32_t restored_version = 1;

/// Where the states of an operator find the row of the current key. The operator moves it from
/// record to record; the states read through it and note what they did.
struct row_cursor {
  std::byte* row = nullptr; ///< null: there is no current key
  bool changed = false;     ///< a state wrote to the row
  bool removed = false;     ///< a state was cleared: the row may be empty now
  std::uint32_t to_clean = 0;  ///< keys to be looked at for expired entries
  change_time at;
  std::size_t entry_bytes = 0; ///< about how much memory new entries of lists and maps take
  row_entries* entries = nullptr; ///< what of the row's lists and maps is on disk; null in memory

  /// Offset of each declared state in the row. Filled in once all states are declared.
  std::vector<std::size_t> offsets;
};

namespace detail {
[[noreturn]] void fail_without_key();
}

/// One state's place in the current row.
class row_cell {
 public:
  row_cell() = default;
  row_cell(row_cursor& cursor, std::size_t column) : cursor_(&cursor), column_(column) {}

  template <class T>
  T& get() const {
    if (!cursor_ || !cursor_->row) [[unlikely]]
      detail::fail_without_key();
    return *std::launder(reinterpret_cast<T*>(cursor_->row + cursor_->offsets[column_]));
  }
  void note_change() const { cursor_->changed = true; }
  void note_removal() const { cursor_->changed = cursor_->removed = true; }

  void note_entry(std::size_t size) const { cursor_->entry_bytes += size; }

  row_cursor& cursor() const { return *cursor_; }
  std::uint32_t column() const { return static_cast<std::uint32_t>(column_); }

 private:
  row_cursor* cursor_ = nullptr;
  std::size_t column_ = 0;
};

} // namespace weir
