#include <weir/state/dynamic_rows.hpp>

#include <algorithm>

namespace weir {

std::vector<row_column> dynamic_rows::placed(std::vector<row_column> columns) {
  std::size_t end = 0;
  for (row_column& column : columns) {
    column.offset = (end + column.alignment - 1) / column.alignment * column.alignment;
    end = column.offset + column.size;
  }
  return columns;
}

dynamic_rows::dynamic_rows(std::vector<row_column> columns)
    : columns_(placed(std::move(columns))) {
  for (const row_column& column : columns_) {
    size_ = column.offset + column.size;
    alignment_ = std::max(alignment_, column.alignment);
  }
}

void dynamic_rows::construct(std::byte* row) const {
  for (const row_column& column : columns_)
    column.construct(row + column.offset);
}

void dynamic_rows::destroy(std::byte* row) const noexcept {
  for (const row_column& column : columns_)
    column.destroy(row + column.offset);
}

void dynamic_rows::relocate(std::byte* to, std::byte* from) const noexcept {
  for (const row_column& column : columns_)
    column.relocate(to + column.offset, from + column.offset);
}

bool dynamic_rows::is_empty(const std::byte* row) const {
  return std::all_of(columns_.begin(), columns_.end(), [&](const row_column& column) {
    return column.is_empty(row + column.offset);
  });
}

} // namespace weir
