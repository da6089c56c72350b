#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/codec.hpp>
#include <weir/base/error.hpp>
#include <weir/base/type_name.hpp>
#include <weir/state/dynamic_rows.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>

/// \file
/// Keyed tables to snapshots and back. A key group's data is the keys, one after the other, then for
/// each state of the schema the length in bytes and the cells in the order of the keys, so that a
/// state can be skipped without knowing its type.

namespace weir {

/// The stored description of a key or accumulator type.
template <class T>
std::string stored_type() {
  return type_name<T>() + " (" + std::to_string(sizeof(T)) + " bytes)";
}

/// Compares the keyed state of `stored` with what the operator declares now. A state that is only
/// declared starts empty; one that is only stored, or whose type or kind differs, is an error.
status check_keyed_schema(const operator_snapshot& stored, const std::string& key_type,
                          const std::vector<state_schema>& declared);

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

} // namespace detail

template <storable Key, storable Row>
key_group_snapshot write_group(const keyed_table<Key, static_rows<Row>>& table, key_group group) {
  key_group_snapshot snapshot{group, table.size(group), {}};
  byte_writer out;
  out.reserve(table.size(group) * (sizeof(Key) + sizeof(Row)) + sizeof(std::uint64_t));
  table.for_each(group, [&](const Key& key, std::byte*) { encode(out, key); });
  detail::write_block(out, [&] {
    table.for_each(group, [&](const Key&, std::byte* row) {
      encode(out, *std::launder(reinterpret_cast<const Row*>(row)));
    });
  });
  snapshot.data = std::move(out).take();
  return snapshot;
}

template <storable Key, storable Row>
void read_group(keyed_table<Key, static_rows<Row>>& table, const operator_snapshot&,
                const key_group_snapshot& group) {
  byte_reader in(group.data);
  const std::vector<Key> keys = detail::read_keys<Key>(in, group.entries);
  in.read_size();
  for (const Key& key : keys)
    decode(in, *std::launder(reinterpret_cast<Row*>(table.find_or_create(hash_of(key), key).row)));
}

template <storable Key>
key_group_snapshot write_group(const keyed_table<Key, dynamic_rows>& table, key_group group) {
  key_group_snapshot snapshot{group, table.size(group), {}};
  byte_writer out;
  table.for_each(group, [&](const Key& key, std::byte*) { encode(out, key); });
  for (const row_column& column : table.rows().columns())
    detail::write_block(out, [&] {
      table.for_each(group, [&](const Key&, std::byte* row) {
        column.write(out, row + column.offset);
      });
    });
  snapshot.data = std::move(out).take();
  return snapshot;
}

template <storable Key>
void read_group(keyed_table<Key, dynamic_rows>& table, const operator_snapshot& stored,
                const key_group_snapshot& group) {
  byte_reader in(group.data);
  const std::vector<Key> keys = detail::read_keys<Key>(in, group.entries);
  for (const state_schema& schema : stored.keyed_states) {
    byte_reader cells(in.read_text());
    for (const row_column& column : table.rows().columns()) {
      if (column.schema != schema)
        continue;
      for (const Key& key : keys)
        column.read(cells, table.find_or_create(hash_of(key), key).row + column.offset);
    }
  }
}

} // namespace weir
