#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/codec.hpp>
#include <weir/base/type_name.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// One state of a row: where it lies, and what can be done with it. A cell holds std::optional<T>;
/// an empty one means that the key has no value in this state.
struct row_column {
  state_schema schema;
  std::size_t offset = 0;
  std::size_t size = 0;
  std::size_t alignment = 0;
  void (*construct)(std::byte*) = nullptr;
  void (*destroy)(std::byte*) noexcept = nullptr;
  void (*relocate)(std::byte* to, std::byte* from) noexcept = nullptr;
  bool (*is_empty)(const std::byte*) = nullptr;
  void (*write)(byte_writer&, const std::byte*) = nullptr;
  void (*read)(byte_reader&, std::byte*) = nullptr;
};

/// The column of a state whose values are of type T.
template <storable T>
row_column make_column(std::string name, std::string kind) {
  using cell = std::optional<T>;
  static constexpr auto at = [](std::byte* place) -> cell& {
    return *std::launder(reinterpret_cast<cell*>(place));
  };
  static constexpr auto in = [](const std::byte* place) -> const cell& {
    return *std::launder(reinterpret_cast<const cell*>(place));
  };
  row_column column;
  column.schema = {std::move(name), std::move(kind),
                   type_name<T>() + " (" + std::to_string(sizeof(T)) + " bytes)"};
  column.size = sizeof(cell);
  column.alignment = alignof(cell);
  column.construct = [](std::byte* place) { ::new (static_cast<void*>(place)) cell{}; };
  column.destroy = [](std::byte* place) noexcept { std::destroy_at(&at(place)); };
  column.relocate = [](std::byte* to, std::byte* from) noexcept {
    ::new (static_cast<void*>(to)) cell(std::move(at(from)));
    std::destroy_at(&at(from));
  };
  column.is_empty = [](const std::byte* place) { return !in(place).has_value(); };
  column.write = [](byte_writer& out, const std::byte* place) {
    out.write_raw(static_cast<std::uint8_t>(in(place).has_value()));
    if (in(place))
      encode(out, *in(place));
  };
  column.read = [](byte_reader& from, std::byte* place) {
    if (from.read_raw<std::uint8_t>() != 0)
      decode(from, at(place).emplace());
    else
      at(place).reset();
  };
  return column;
}

/// Rows whose cells are declared at run time: one cell for each state of a process function. One
/// look-up of the key gives access to all its states.
class dynamic_rows {
 public:
  dynamic_rows() = default;
  explicit dynamic_rows(std::vector<row_column> columns);

  /// Places `columns` one after the other, each aligned, and fills in their offsets.
  static std::vector<row_column> placed(std::vector<row_column> columns);

  std::size_t size() const noexcept { return size_; }
  std::size_t alignment() const noexcept { return alignment_; }
  bool is_flat() const noexcept { return columns_.empty(); }
  const std::vector<row_column>& columns() const noexcept { return columns_; }

  void construct(std::byte* row) const;
  void destroy(std::byte* row) const noexcept;
  void relocate(std::byte* to, std::byte* from) const noexcept;
  bool is_empty(const std::byte* row) const;

 private:
  std::vector<row_column> columns_;
  std::size_t size_ = 0;
  std::size_t alignment_ = 1;
};

} // namespace weir
