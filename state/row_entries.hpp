#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace weir {

/// The entries of lists and maps that one row has on disk.
///
/// An entry is bytes at a place: the index of a list's element, the hash of a map's key. Several map
/// keys may have one hash, so the caller says which of the entries at a place it means.
///
/// Ownership:     what is passed to a function holds until that returns.
/// Thread safety: task thread only.
/// Errors:        throws std::runtime_error when the disk fails.
class row_entries {
 public:
  /// Returns whether the entry is the one that is meant, or whether to go on.
  using visit = std::function<bool(std::string_view entry)>;

  virtual ~row_entries() = default;

  /// Calls is_it for the entries at a place until it returns true; whether it did.
  virtual bool find(std::uint32_t column, std::uint64_t place, const visit& is_it) = 0;

  /// Calls `use` for all entries, in the order of their places, until it returns false.
  virtual void scan(std::uint32_t column, const visit& use) = 0;

  // Only while the row is written back:

  /// Replaces the entry for which is_it returns true, or adds one.
  virtual void put(std::uint32_t column, std::uint64_t place, std::string_view entry,
                   const visit& is_it) = 0;
  virtual void erase(std::uint32_t column, std::uint64_t place, const visit& is_it) = 0;
  virtual void erase_all(std::uint32_t column) = 0;
};

} // namespace weir
