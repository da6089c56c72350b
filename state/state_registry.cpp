#include <weir/state/state_registry.hpp>

namespace weir {

std::size_t state_registry::add(row_column column) {
  note_name(column.schema.name);
  columns_.push_back(std::move(column));
  return columns_.size() - 1;
}

dynamic_rows state_registry::finish() {
  dynamic_rows rows(std::move(columns_));
  cursor_.offsets.clear();
  for (const row_column& column : rows.columns())
    cursor_.offsets.push_back(column.offset);
  return rows;
}

} // namespace weir
