#include <weir/state/state_registry.hpp>

#include <algorithm>
#include <stdexcept>

namespace weir {

std::size_t state_registry::add(row_column column) {
  const bool is_known = std::any_of(columns_.begin(), columns_.end(), [&](const row_column& other) {
    return other.schema.name == column.schema.name;
  });
  if (is_known)
    throw std::invalid_argument("the state '" + column.schema.name +
                                "' is declared twice: give each state of an operator its own name");
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
