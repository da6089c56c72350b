#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <weir/base/codec.hpp>
#include <weir/base/error.hpp>
#include <weir/base/schema.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/row_column.hpp>
#include <weir/state/static_rows.hpp>

/// \file
/// Keyed tables to snapshots and back. A key group's data is the keys, one after the other, then for
/// each state of the schema the length in bytes and the cells in the order of the keys, so that a
/// state can be skipped without knowing its type.

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

} // namespace detail

/// Everything in one key group, without what has expired at `now` and is to be left out.
template <storable Key, class Rows>
key_group_snapshot write_group(const keyed_table<Key, Rows>& table, key_group group, std::int64_t now) {
  key_group_snapshot snapshot{group, table.size(group), {}, nullptr};
  byte_writer out;
  out.reserve(table.size(group) * (sizeof(Key) + table.rows().size()) + sizeof(std::uint64_t));
  table.for_each(group, [&](const Key& key, std::byte*) { encode(out, key); });
  for (const row_column& column : table.rows().columns())
    detail::write_block(out, [&] {
      table.for_each(group, [&](const Key&, std::byte* row) {
        column.write(column, out, row + column.offset, now);
      });
    });
  snapshot.data = std::move(out).take();
  return snapshot;
}

/// The same for rows of one type, which are encoded in place.
template <storable Key, storable Row>
key_group_snapshot write_group(const keyed_table<Key, static_rows<Row>>& table, key_group group,
                               std::int64_t) {
  key_group_snapshot snapshot{group, table.size(group), {}, nullptr};
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

/// Adds what write_group has written. The schema has been checked.
template <storable Key, class Rows>
void read_group(keyed_table<Key, Rows>& table, const operator_snapshot& stored,
                const key_group_snapshot& group) {
  byte_reader in(group.data);
  const std::vector<Key> keys = detail::read_keys<Key>(in, group.entries);
  std::vector<std::uint64_t> hashes;
  hashes.reserve(keys.size());
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

} // namespace weir
