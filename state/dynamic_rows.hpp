#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <weir/state/row_column.hpp>

namespace weir {

/// Rows whose cells are declared at run time: one cell for each state of a process function. One
/// look-up of the key gives access to all its states.
class dynamic_rows {
 public:
  dynamic_rows() = default;
  explicit dynamic_rows(std::vector<row_column> columns);

  std::size_t size() const noexcept { return size_; }
  std::size_t alignment() const noexcept { return alignment_; }
  bool is_flat() const noexcept { return is_flat_; }
  const std::vector<row_column>& columns() const noexcept { return columns_; }

  void construct(std::byte* row) const;
  void destroy(std::byte* row) const noexcept;
  void relocate(std::byte* to, std::byte* from) const noexcept;
  bool is_empty(const std::byte* row) const;

  /// Removes what has expired of the states that are cleaned in memory, or on disk if that is given.
  /// Returns whether there was anything.
  bool expire(std::byte* row, const change_time& at, row_entries* on_disk) const;

  /// Whether any state is to be cleaned on disk.
  bool expires_on_disk() const noexcept { return expires_on_disk_; }

  /// How many keys are looked at for expired values with every record.
  std::uint32_t clean_per_record() const noexcept { return clean_per_record_; }

  /// Whether there are lists or maps.
  bool has_entries() const noexcept { return has_entries_; }

 private:
  std::vector<row_column> columns_;
  std::size_t size_ = 0;
  std::size_t alignment_ = 1;
  bool is_flat_ = true;
  bool has_entries_ = false;
  bool expires_on_disk_ = false;
  std::uint32_t clean_per_record_ = 0;
};

} // namespace weir
