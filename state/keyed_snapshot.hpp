#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/codec.hpp>
#include <weir/base/error.hpp>
#include <weir/base/schema.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/row_column.hpp>
#include <weir/state/static_rows.hpp>

/// \file
/// Keyed tables to snapshots and back. A key group's data is sections: each a number of rows, their
/// keys, one after the other, then for each state of the schema the length in bytes and the cells in the
/// order of the keys, so that a state can be skipped without knowing its type.

namespace weir {

/// Compares the keyed state of `stored` with what the operator declares now. A state that is only
/// declared starts empty; one whose kind, time to live or type differs, without a migration from the
/// stored type, is an error. So is one that is only stored, unless it may be dropped.
status check_keyed_schema(const operator_snapshot& stored, const std::string& key_type,
                          const std::vector<row_column>& declared, bool may_drop);

namespace detail {

template <class Write>
void write_block(byte_writer& out, Write&& write) {
  const std::size_t at = out.size();
  out.write_raw(std::uint64_t{0});
  write();
  out.patch_raw(at, static_cast<std::uint64_t>(out.size() - at - sizeof(std::uint64_t)));
}

template <class Key>
std::vector<Key> read_keys(byte_reader& in, std::uint64_t entries) {
  if (entries > in.remaining())
    throw malformed_bytes("expected " + std::to_string(entries) + " keys in " +
                          std::to_string(in.remaining()) + " bytes");
  std::vector<Key> keys(static_cast<std::size_t>(entries));
  for (Key& key : keys)
    decode(in, key);
  return keys;
}

/// The migration that a stored state needs, or nullptr.
const migration* migration_of(const row_column& column, const state_schema& stored);

template <class Rows>
void write_cell(const Rows&, const row_column& column, byte_writer& out, const std::byte* row,
                const cell_extent& extent) {
  column.write(column, out, row + column.offset, extent);
}

/// Rows of one type are encoded in place.
template <class Row>
void write_cell(const static_rows<Row>&, const row_column&, byte_writer& out, const std::byte* row,
                const cell_extent&) {
  write_row(out, *std::launder(reinterpret_cast<const Row*>(row)));
}

/// Whether cells of these rows are as many bytes each, and as they lie in memory.
template <class Rows>
inline constexpr bool has_flat_rows = false;
template <class Row>
inline constexpr bool has_flat_rows<static_rows<Row>> = flat<Row> && !removable_row<Row>;

/// Writes `count` values as they lie in memory, one after the other. Some of them are gathered first: a call for each
/// costs more than copying it twice.
template <class T, class ValueAt>
void write_flat(byte_writer& out, std::size_t count, ValueAt&& value_at) {
  constexpr std::size_t most = std::max<std::size_t>(1024 / sizeof(T), 1);
  std::array<std::byte, most * sizeof(T)> gathered;
  for (std::size_t begin = 0; begin < count; begin += most) {
    const std::size_t size = std::min(most, count - begin);
    for (std::size_t i = 0; i < size; ++i)
      std::memcpy(gathered.data() + i * sizeof(T), value_at(begin + i), sizeof(T));
    out.write(gathered.data(), size * sizeof(T));
  }
}

template <class Key>
void write_keys(byte_writer& out, std::span<const row_at<Key>> which) {
  if constexpr (flat<Key>)
    write_flat<Key>(out, which.size(), [&](std::size_t i) { return which[i].key; });
  else
    for (const row_at<Key>& one : which)
      encode(out, *one.key);
}

template <class Key, class Rows>
void write_cells(byte_writer& out, const Rows& rows, const row_column& column, std::span<const row_at<Key>> which,
                 const cell_extent& extent) {
  if constexpr (has_flat_rows<Rows>)
    write_flat<std::array<std::byte, Rows::size()>>(out, which.size(), [&](std::size_t i) { return which[i].row; });
  else
    for (const row_at<Key>& one : which)
      if (one.row)
        write_cell(rows, column, out, one.row, extent);
      else
        column.write_empty(out);
}

} // namespace detail

/// Some rows as one section.
template <storable Key, class Rows>
void write_rows(byte_writer& out, const Rows& rows, std::span<const row_at<Key>> which, const cell_extent& extent) {
  out.write_raw(std::uint64_t{which.size()});
  detail::write_keys(out, which);
  for (const row_column& column : rows.columns())
    detail::write_block(out, [&] { detail::write_cells(out, rows, column, which, extent); });
}

template <storable Key, class Rows>
bytes write_rows(const Rows& rows, std::span<const row_at<Key>> which, const cell_extent& extent) {
  byte_writer out;
  write_rows(out, rows, which, extent);
  return std::move(out).take();
}

/// A section of rows that are added one by one, each as it is then.
///
/// Thread safety: one thread.
template <storable Key, class Rows>
class section_writer {
 public:
  void add(const Rows& rows, const Key& key, const std::byte* row, const cell_extent& extent) {
    const std::vector<row_column>& columns = rows.columns();
    cells_.resize(columns.size());
    ++rows_;
    encode(keys_, key);
    for (std::size_t i = 0; i < columns.size(); ++i)
      detail::write_cell(rows, columns[i], cells_[i], row, extent);
  }

  bool is_empty() const noexcept { return rows_ == 0; }
  /// Of what was added, in bytes.
  std::size_t size() const noexcept {
    std::size_t size = keys_.size();
    for (const byte_writer& cells : cells_)
      size += cells.size();
    return size;
  }

  /// Appends the section to `out`, and begins another.
  void take(byte_writer& out) {
    out.write_raw(std::exchange(rows_, 0));
    out.write(keys_.view().data(), keys_.size());
    keys_.clear();
    for (byte_writer& cells : cells_) {
      out.write_text(cells.view());
      cells.clear();
    }
  }

 private:
  std::uint64_t rows_ = 0;
  byte_writer keys_;
  std::vector<byte_writer> cells_; // by column
};

/// Applies the sections of a stored key group. The schema has been checked.
template <storable Key, class Rows>
void read_group(keyed_table<Key, Rows>& table, const operator_snapshot& stored,
                const key_group_snapshot& group) {
  std::vector<std::uint64_t> hashes;
  if (group.entries != 0)
    table.reserve(group.group, std::min<std::uint64_t>(group.entries, group.data.size()));
  for (byte_reader in(group.data); !in.at_end();) {
    const auto entries = in.read_raw<std::uint64_t>();
    const std::vector<Key> keys = detail::read_keys<Key>(in, entries);
    hashes.clear();
    for (const Key& key : keys) {
      hashes.push_back(hash_of(key));
      if (key_group_of(hashes.back(), table.groups()) != group.group)
        throw std::runtime_error("a key of the checkpoint has another hash now: the hash of the key type must "
                                 "not change; restore the old one");
    }
    for (const state_schema& schema : stored.keyed_states) {
      byte_reader cells(in.read_text());
      for (const row_column& column : table.rows().columns()) {
        if (column.schema.name != schema.name)
          continue;
        const migration* from = detail::migration_of(column, schema);
        for (std::size_t i = 0; i < keys.size(); ++i)
          column.read(column, cells, table.find_or_create(hashes[i], keys[i]).row + column.offset, from);
      }
    }
  }
}

} // namespace weir
