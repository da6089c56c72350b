#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/state/row_column.hpp>

namespace weir {

/// Rows of one C++ type, known at compile time: what reduce, aggregate and count keep per key.
template <class Row>
class static_rows {
 public:
  static_rows() = default;

  /// `kind`: what keeps the rows, such as "count".
  explicit static_rows(std::string kind)
    requires storable<Row>
      : columns_{make_row_column<Row>("accumulator", std::move(kind))} {}

  static constexpr std::size_t size() noexcept { return sizeof(Row); }
  static constexpr std::size_t alignment() noexcept { return alignof(Row); }
  static constexpr bool is_flat() noexcept { return std::is_trivially_copyable_v<Row>; }
  const std::vector<row_column>& columns() const noexcept { return columns_; }

  static void construct(std::byte* row) { ::new (row) Row{}; }
  static void destroy(std::byte* row) noexcept {
    std::destroy_at(std::launder(reinterpret_cast<Row*>(row)));
  }
  static void relocate(std::byte* to, std::byte* from) noexcept {
    if constexpr (std::is_trivially_copyable_v<Row>) {
      std::memcpy(to, from, sizeof(Row));
    } else {
      Row* source = std::launder(reinterpret_cast<Row*>(from));
      ::new (to) Row(std::move(*source));
      std::destroy_at(source);
    }
  }

  static bool is_empty([[maybe_unused]] const std::byte* row) noexcept {
    if constexpr (removable_row<Row>)
      return std::launder(reinterpret_cast<const Row*>(row))->is_empty();
    else
      return false;
  }
  static bool expire(std::byte*, const change_time&, row_entries*) noexcept { return false; }
  static constexpr bool expires_on_disk() noexcept { return false; }
  static constexpr bool has_entries() noexcept { return false; }

 private:
  std::vector<row_column> columns_;
};

} // namespace weir
