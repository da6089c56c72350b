#include <weir/state/dynamic_rows.hpp>

#include <algorithm>
#include <cstring>

namespace weir {

dynamic_rows::dynamic_rows(std::vector<row_column> columns) : columns_(std::move(columns)) {
  for (row_column& column : columns_) {
    column.offset = (size_ + column.alignment - 1) / column.alignment * column.alignment;
    size_ = column.offset + column.size;
    alignment_ = std::max(alignment_, column.alignment);
    is_flat_ = is_flat_ && column.is_flat;
    has_entries_ = has_entries_ || column.has_entries;
    if (!column.life.is_set())
      continue;
    expires_on_disk_ = expires_on_disk_ || column.life.how().clean_on_disk;
    if (column.life.how().clean_with_every_record)
      clean_per_record_ = std::max(clean_per_record_, column.life.how().clean_per_access);
  }
}

void dynamic_rows::construct(std::byte* row) const {
  for (const row_column& column : columns_)
    column.construct(row + column.offset);
}

void dynamic_rows::destroy(std::byte* row) const noexcept {
  if (!is_flat_)
    for (const row_column& column : columns_)
      column.destroy(row + column.offset);
}

void dynamic_rows::relocate(std::byte* to, std::byte* from) const noexcept {
  if (is_flat_) {
    std::memcpy(to, from, size_);
    return;
  }
  for (const row_column& column : columns_)
    column.relocate(to + column.offset, from + column.offset);
}

bool dynamic_rows::is_empty(const std::byte* row) const {
  return std::all_of(columns_.begin(), columns_.end(), [&](const row_column& column) {
    return column.is_empty(row + column.offset);
  });
}

bool dynamic_rows::expire(std::byte* row, const change_time& at, row_entries* on_disk) const {
  bool any = false;
  for (std::uint32_t i = 0; i < columns_.size(); ++i)
    if (on_disk ? columns_[i].life.how().clean_on_disk : columns_[i].life.how().clean_per_access != 0)
      any = columns_[i].expire(columns_[i], i, row + columns_[i].offset, at, on_disk) || any;
  return any;
}

} // namespace weir
