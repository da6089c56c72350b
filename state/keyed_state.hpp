#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/base/hash.hpp>
#include <weir/state/disk_state.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/restored_state.hpp>
#include <weir/state/state_config.hpp>

namespace weir {

/// How far ahead in a batch slots are prefetched.
inline constexpr std::uint32_t prefetch_distance = 16;

/// The size in bytes from which a table is expected outside the caches.
inline constexpr std::size_t prefetch_threshold = std::size_t{256} << 10;

/// Which key groups a keyed_state holds, and where.
struct keyed_state_setup {
  key_group_range range;
  std::uint32_t groups = 1; ///< of the job
  state_config config;      ///< `cache_size` is this instance's own
  bool may_drop = false;    ///< whether stored state that is not declared is passed over on restore
};

/// The keyed state of one operator instance: the rows of the key groups it owns, and their way into
/// snapshots and back.
///
/// In memory the rows are a keyed_table. With state on disk the table is a cache of rows that are
/// read when their key comes, and written back, a key group at a time, when the cache is full and at
/// each barrier.
///
/// Thread safety: task thread only; key groups of a snapshot may be read on another thread.
/// Errors:        restore throws std::runtime_error when the checkpoint's state does not fit; with
///                state on disk everything may throw it.
/// Snapshots:     write() copies the state out, or with state on disk keeps a view of it.
template <storable Key, class Rows>
class keyed_state {
 public:
  using table_type = keyed_table<Key, Rows>;
  using located = typename table_type::located;

  keyed_state(const keyed_state_setup& setup, Rows rows)
      : setup_(setup), table_(setup.range, setup.groups, std::move(rows)) {
    if (setup.config.backend != state_backend::lmdb)
      return;
    auto opened = disk_state::open(setup.config.directory, setup.config.map_size);
    if (!opened)
      throw std::runtime_error(opened.failure().message);
    disk_ = std::move(*opened);
    next_to_evict_ = setup.range.first;
  }

  /// What is in memory: everything, or the cache.
  const table_type& table() const noexcept { return table_; }
  bool is_on_disk() const noexcept { return disk_ != nullptr; }

  /// The row of `key`, made where there is none: `created` tells.
  located find_or_create(std::uint64_t hash, const Key& key) {
    located found = table_.find_or_create(hash, key);
    if (found.created && disk_) [[unlikely]]
      found.created = !load(hash, key, found.row);
    return found;
  }

  /// Removes a key with an empty row. With state on disk that happens when it is written back.
  void erase(std::uint64_t hash, const Key& key) {
    if (!disk_)
      table_.erase(hash, key);
  }

  /// What the row's lists and maps have on disk; null in memory. Borrows the key.
  row_entries* entries_of(std::uint64_t hash, const Key& key) {
    if (!disk_)
      return nullptr;
    select(hash, key);
    return disk_.get();
  }

  void set_changed(std::byte* row) { table_.rows().set_changed(row, true); }

  /// Entries of lists and maps have been added to the cache.
  void note_entries(std::size_t size) { entry_bytes_ += size; }

  /// Between two batches: keeps the cache within its size, and cleans a part of what is on disk.
  void settle(std::int64_t now) {
    if (!disk_) [[likely]]
      return;
    if (cached_bytes() > setup_.config.cache_size)
      evict();
    if (table_.rows().expires_on_disk())
      clean_on_disk(now);
  }

  /// Looks at the next `count` keys in memory for expired values.
  void clean(std::uint32_t count, std::int64_t now) {
    const Rows& rows = table_.rows();
    table_.sweep(next_to_clean_, count, [&](const Key&, std::byte* row) {
      if (!rows.expire(row, now, nullptr))
        return false;
      rows.set_changed(row, true);
      return !disk_ && rows.is_empty(row);
    });
  }

  /// Calls visit(key, row) for all keys of one group, and then removes them.
  template <class Visit>
  void drain(key_group group, Visit&& visit) {
    if (disk_)
      disk_->for_each(group, [&](std::uint64_t hash, std::string_view key, std::string_view heads) {
        const Key decoded_key = decoded<Key>(key);
        const located found = table_.find_or_create(hash, decoded_key);
        if (found.created)
          read_heads(heads, found.row);
      });
    table_.for_each(group, visit);
    table_.clear(group);
    if (disk_) {
      disk_->begin_write();
      disk_->erase(group);
      disk_->commit();
    }
  }

  void restore(const restored_state& restored) {
    for (const restored_groups& part : restored.keyed) {
      if (const status fits = check_keyed_schema(*part.stored, schema_of<Key>(), table_.rows().columns(),
                                                 setup_.may_drop);
          !fits)
        throw std::runtime_error(fits.failure().message);
      for (const key_group_snapshot* group : part.groups) {
        read_group(table_, *part.stored, *group);
        erase_empty(group->group);
        if (disk_) {
          table_.for_each(group->group, [&](const Key&, std::byte* row) { set_changed(row); });
          write_back(group->group, true);
        }
      }
    }
  }

  void write(operator_snapshot& made, std::int64_t now) {
    made.key_type = schema_of<Key>();
    for (const row_column& column : table_.rows().columns())
      made.keyed_states.push_back(column.schema);
    const key_group_range range = table_.range();
    for (std::uint32_t group = range.first; group < range.last; ++group)
      if (table_.size(key_group{group}) != 0) {
        if (disk_)
          write_back(key_group{group}, false);
        else
          made.key_groups.push_back(write_group(table_, key_group{group}, now));
      }
    if (disk_)
      made.key_groups = disk_->snapshot(range, table_.rows().columns(), now);
  }

 private:
  static constexpr std::uint32_t rows_per_slice = 64;

  /// Rows of which nothing was left in the snapshot.
  void erase_empty(key_group group) {
    std::vector<Key> empty;
    table_.for_each(group, [&](const Key& key, std::byte* row) {
      if (table_.rows().is_empty(row))
        empty.push_back(key);
    });
    for (const Key& key : empty)
      table_.erase(hash_of(key), key);
  }

  void select(std::uint64_t hash, const Key& key) {
    key_bytes_.clear();
    encode(key_bytes_, key);
    const key_group group = key_group_of(hash, setup_.groups);
    if constexpr (std::has_unique_object_representations_v<Key> || std::is_same_v<Key, std::string>)
      disk_->select(group, hash, key_bytes_.view());
    else
      disk_->select(
          group, hash, key_bytes_.view(),
          [](std::string_view stored, const void* wanted) {
            return decoded<Key>(stored) == *static_cast<const Key*>(wanted);
          },
          &key);
  }

  [[gnu::noinline]] bool load(std::uint64_t hash, const Key& key, std::byte* row) {
    select(hash, key);
    const auto heads = disk_->read();
    if (heads)
      read_heads(*heads, row);
    return heads.has_value();
  }

  void read_heads(std::string_view heads, std::byte* row) {
    byte_reader in(heads);
    for (const row_column& column : table_.rows().columns()) {
      byte_reader head(in.read_text());
      column.read_head(column, head, row + column.offset);
    }
  }

  /// Writes the selected row, or erases it where it is empty.
  void write_row(std::byte* row) {
    const Rows& rows = table_.rows();
    rows.set_changed(row, false);
    if (rows.is_empty(row)) {
      disk_->erase();
      return;
    }
    const std::vector<row_column>& columns = rows.columns();
    heads_.clear();
    for (std::uint32_t i = 0; i < columns.size(); ++i) {
      const row_column& column = columns[i];
      std::byte* cell = row + column.offset;
      if (column.store_entries)
        column.store_entries(column, i, cell, *disk_);
      detail::write_block(heads_, [&] { column.write_head(column, heads_, cell); });
    }
    disk_->write(heads_.view());
  }

  /// Brings one key group on disk up to date, in the order in which it lies there.
  void write_back(key_group group, bool clear) {
    struct changed_row {
      std::uint64_t hash;
      const Key* key;
      std::byte* row;
    };
    std::vector<changed_row> changed;
    const Rows& rows = table_.rows();
    table_.for_each(group, [&](const Key& key, std::byte* row) {
      if (rows.is_changed(row))
        changed.push_back({hash_of(key), &key, row});
    });
    std::sort(changed.begin(), changed.end(),
              [](const changed_row& a, const changed_row& b) { return a.hash < b.hash; });
    if (!changed.empty()) {
      disk_->begin_write();
      std::size_t bytes_written = 0;
      for (const changed_row& one : changed) {
        select(one.hash, *one.key);
        write_row(one.row);
        bytes_written += heads_.size() + key_bytes_.size();
      }
      disk_->commit();
      heap_per_row_ = bytes_written / changed.size();
    }
    if (clear && table_.size() != 0) {
      entry_bytes_ -= entry_bytes_ / table_.size() * table_.size(group);
      table_.clear(group);
    }
  }

  /// Keys and rows that are more than their slots are counted with what the last ones took on disk.
  std::size_t cached_bytes() {
    if (flat<Key> && table_.rows().is_flat())
      return table_.memory();
    if (heap_per_row_ == 0 && table_.size() >= 1024)
      write_back(key_group{next_to_evict_}, false);
    return table_.memory() + table_.size() * heap_per_row_ + entry_bytes_;
  }

  [[gnu::noinline]] void evict() {
    const key_group_range range = table_.range();
    for (std::uint32_t n = 0; n < range.size() && cached_bytes() > setup_.config.cache_size / 8 * 7; ++n) {
      write_back(key_group{next_to_evict_}, true);
      if (++next_to_evict_ == range.last)
        next_to_evict_ = range.first;
    }
  }

  [[gnu::noinline]] void clean_on_disk(std::int64_t now) {
    struct row_on_disk {
      std::uint64_t hash;
      bytes key, heads;
    };
    std::vector<row_on_disk> slice;
    disk_->walk(next_on_disk_, rows_per_slice,
                [&](key_group, std::uint64_t hash, std::string_view key, std::string_view heads) {
                  slice.push_back({hash, bytes(key), bytes(heads)});
                });
    const Rows& rows = table_.rows();
    std::vector<std::max_align_t> memory(rows.size() / sizeof(std::max_align_t) + 1);
    auto* const place = reinterpret_cast<std::byte*>(memory.data());
    bool is_writing = false;
    for (const row_on_disk& one : slice) {
      const Key key = decoded<Key>(one.key);
      select(one.hash, key);
      if (std::byte* cached = table_.find(one.hash, key)) {
        if (rows.expire(cached, now, disk_.get()))
          rows.set_changed(cached, true);
        continue;
      }
      rows.construct(place);
      read_heads(one.heads, place);
      if (rows.expire(place, now, disk_.get())) {
        if (!std::exchange(is_writing, true))
          disk_->begin_write();
        select(one.hash, key);
        write_row(place);
      }
      rows.destroy(place);
    }
    if (is_writing)
      disk_->commit();
  }

  keyed_state_setup setup_;
  table_type table_;
  std::unique_ptr<disk_state> disk_;
  byte_writer key_bytes_;
  byte_writer heads_;
  std::size_t heap_per_row_ = 0;
  std::uint32_t next_to_evict_ = 0;
  std::size_t entry_bytes_ = 0;
  typename table_type::sweep_position next_to_clean_;
  disk_state::position next_on_disk_;
};

} // namespace weir
