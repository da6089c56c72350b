#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/base/hash.hpp>
#include <weir/state/disk_state.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/restored_state.hpp>
#include <weir/state/snapshot_order.hpp>
#include <weir/state/snapshot_slices.hpp>
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
  bool tracks_changes = true; ///< whether a snapshot may be asked to add to an older one
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
/// Snapshots:     what has changed since the checkpoint that a snapshot adds to, or everything, is copied out in
///                slices, and as it was when the snapshot began; with state on disk it is written back then, and
///                the snapshot keeps a view of it. A key group is written whole again when its deltas cost a restore
///                as much as half of it.
template <storable Key, class Rows>
class keyed_state {
 public:
  using table_type = keyed_table<Key, Rows>;
  using located = typename table_type::located;

  keyed_state(const keyed_state_setup& setup, Rows rows)
      : setup_(setup), table_(setup.range, setup.groups, std::move(rows)), groups_(setup.range.size()) {
    table_.next_version();
    if (setup.config.backend != state_backend::lmdb)
      return;
    auto opened = disk_state::open(setup.config.directory, setup.config.map_size, setup.groups);
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
    if (slices_.is_active()) [[unlikely]]
      slices_.keep(table_, hash, key, found.row, found.created);
    return found;
  }

  /// The row of `key`, to be changed, made where there is none.
  located update(std::uint64_t hash, const Key& key) {
    const located found = find_or_create(hash, key);
    table_.set_changed(hash, found.row);
    return found;
  }

  /// Calls use(i, key, row, created) for `size` records in their order, each with the row of its key, to be
  /// changed, made where there is none. key_at(i) gives the key of record i, of which hashes[i] is the hash. Neither
  /// may insert or erase.
  ///
  /// Cost: the slot of a record is found, and on its way into the cache, some records before it is used.
  template <class KeyAt, class Use>
  void for_each_update(const std::uint64_t* hashes, std::uint32_t size, KeyAt&& key_at, Use&& use) {
    if (slices_.is_active()) [[unlikely]] {
      update_each(hashes, size, key_at, use);
      return;
    }
    const typename table_type::expectations slot_of(table_);
    std::array<std::byte*, records_ahead> slots; // of the next records, round and round
    for (std::uint32_t i = 0; i < std::min(size, records_ahead); ++i)
      slots[i] = slot_of(hashes[i]);
    std::uint64_t layout = table_.layout();
    for (std::uint32_t i = 0; i < size; ++i) {
      std::byte*& place = slots[i % records_ahead];
      const std::uint32_t later = i + records_ahead;
      std::byte* const slot = std::exchange(place, later < size ? slot_of(hashes[later]) : nullptr);
      decltype(auto) key = key_at(i);
      std::byte* row = nullptr;
      if (slot) [[likely]]
        row = table_.change_expected(slot, hashes[i], [&key](const Key& found) { return found == key; });
      bool created = false;
      if (!row) [[unlikely]] {
        std::tie(row, created) = update_elsewhere(hashes[i], key);
        if (std::exchange(layout, table_.layout()) != layout)
          slots.fill(nullptr);
      }
      use(i, std::as_const(key), row, created);
    }
  }

  /// The row of a key, to be changed, if it is near the slot where table() expects it, and no snapshot is being
  /// written; otherwise nullptr.
  template <class IsKey>
  std::byte* update_expected(std::byte* slot, std::uint64_t hash, IsKey&& is_key) {
    if (slices_.is_active()) [[unlikely]]
      return nullptr;
    return table_.change_expected(slot, hash, is_key);
  }

  void set_changed(std::uint64_t hash, std::byte* row) { table_.set_changed(hash, row); }

  /// Removes a key with an empty row; `is_new`: that was made for it just now. With state on disk that
  /// happens when it is written back.
  void erase(std::uint64_t hash, const Key& key, bool is_new) {
    if (disk_)
      return;
    table_.erase(hash, key);
    if (is_new || !is_tracked_)
      return;
    if (slices_.is_active() && table_.forgets_removals(hash))
      slices_.write(table_, key_group_of(hash, setup_.groups)); // while it is known what was removed
    table_.note_removal(hash, key);
  }

  /// The time for changes that are made from now on, until the next call of settle() or write().
  change_time time_of_changes(std::int64_t now) const noexcept {
    return {now, disk_ || is_tracked_ ? table_.version() : 0, oldest_, disk_ != nullptr};
  }

  /// What the row's lists and maps have on disk; null in memory. Borrows the key.
  row_entries* entries_of(std::uint64_t hash, const Key& key) {
    if (!disk_)
      return nullptr;
    select(hash, key);
    return disk_.get();
  }

  /// Entries of lists and maps have been added to the cache.
  void note_entries(std::size_t size) { entry_bytes_ += size; }

  /// Between two batches: keeps the cache within its size, and cleans a part of what is on disk.
  void settle(std::int64_t now) {
    if (!disk_) [[likely]]
      return;
    if (cached_bytes(now) > setup_.config.cache_size)
      evict(now);
    if (table_.rows().expires_on_disk())
      clean_on_disk(now);
  }

  /// Looks at the next `count` keys in memory for expired values, where no snapshot is being written.
  void clean(std::uint32_t count, const change_time& at) {
    if (slices_.is_active())
      return;
    const Rows& rows = table_.rows();
    table_.sweep(next_to_clean_, count, [&](const Key& key, std::byte* row) {
      if (!rows.expire(row, at, nullptr))
        return false;
      const std::uint64_t hash = hash_of(key);
      table_.set_changed(hash, row);
      if (disk_ || !rows.is_empty(row))
        return false;
      if (is_tracked_)
        table_.note_removal(hash, key);
      return true;
    });
  }

  /// Calls visit(key, row) for every key that may have this hash. With state on disk they are in the cache
  /// then. It must not insert or erase.
  template <class Visit>
  void for_each_of(std::uint64_t hash, Visit&& visit) {
    if (disk_)
      disk_->for_each(key_group_of(hash, setup_.groups), hash,
                      [&](std::uint64_t, std::string_view key, std::string_view heads) {
                        add_to_cache(hash, decoded<Key>(key), heads);
                      });
    if (slices_.is_active())
      table_.for_each_of(hash, [&](const Key& key, std::byte* row) { slices_.keep(table_, hash, key, row, false); });
    table_.for_each_of(hash, visit);
  }

  /// Calls visit(key, row) for every key. The row is not to be changed, and valid only meanwhile.
  template <class Visit>
  void for_each_row(Visit&& visit) {
    const key_group_range range = table_.range();
    scratch_row scratch(table_.rows());
    for (std::uint32_t n = range.first; n < range.last; ++n) {
      table_.for_each(key_group{n}, [&](const Key& key, const std::byte* row) { visit(key, row); });
      if (disk_)
        disk_->for_each(key_group{n}, [&](std::uint64_t hash, std::string_view bytes_of_key, std::string_view heads) {
          const Key key = decoded<Key>(bytes_of_key);
          if (!table_.find(hash, key))
            scratch.use([&](std::byte* row) {
              read_heads(heads, row);
              visit(key, static_cast<const std::byte*>(row));
            });
        });
    }
  }

  /// Calls visit(key, row) for all keys of one group, and then removes them.
  template <class Visit>
  void drain(key_group group, Visit&& visit) {
    if (disk_)
      disk_->for_each(group, [&](std::uint64_t hash, std::string_view key, std::string_view heads) {
        add_to_cache(hash, decoded<Key>(key), heads);
      });
    if (slices_.is_active())
      slices_.write(table_, group);
    table_.for_each(group, visit);
    table_.clear(group);
    if (disk_) {
      disk_->begin_write();
      disk_->erase(group);
      stop_logging(group);
      disk_->commit();
    }
  }

  void restore(const restored_state& restored) {
    bool fits_as_it_is = !restored.keyed.empty();
    for (const restored_groups& part : restored.keyed) {
      const operator_snapshot& stored = *part.stored;
      if (const status fits =
              check_keyed_schema(stored, schema_of<Key>(), table_.rows().columns(), setup_.may_drop);
          !fits)
        throw std::runtime_error(fits.failure().message);
      fits_as_it_is = fits_as_it_is && stored.keyed_states == declared_states();
      for (const key_group_snapshot* group : part.groups) {
        if (!group->source) {
          restore(stored, *group);
          continue;
        }
        const auto read = group->source->read(group->group);
        if (!read)
          throw std::runtime_error(read.failure().message);
        restore(stored, *read);
      }
    }
    if (fits_as_it_is)
      note_barrier(restored.from);
    table_.next_version();
  }

  /// Begins a snapshot of everything as it is now. write_some() makes `made` complete. One at a time.
  void begin_write(operator_snapshot& made, const snapshot_order& order, std::int64_t now) {
    if (slices_.is_active())
      throw std::logic_error("a snapshot of keyed state was begun before the one before it was complete");
    made.key_type = schema_of<Key>();
    made.keyed_states = declared_states();
    const barrier* const base = forget_before(order.base);
    made.base = base ? order.base : checkpoint_id{};
    const key_group_range range = table_.range();
    if (!disk_)
      slices_.begin(table_, now);
    for (std::uint32_t n = range.first; n < range.last; ++n) {
      const key_group group{n};
      if (disk_)
        write_back(group, false, now);
      else if (table_.size(group) != 0)
        begin_write(made, group, base);
      else
        state_of(group).chain = {};
    }
    if (disk_)
      made.key_groups = disk_->snapshot(extents(base), table_.rows().columns(), now);
    note_barrier(order.checkpoint);
    table_.next_version();
  }

  /// Writes about as much of the snapshot as a batch takes, but a key group at least. Returns whether `made`, which begin_write() has begun,
  /// is complete.
  bool write_some(operator_snapshot& made) {
    slices_.write_some(table_);
    if (slices_.is_active())
      return false;
    slices_.take([&](key_group_snapshot written) {
      delta_chain& chain = state_of(written.group).chain;
      if (!written.is_delta) {
        chain = {written.data.size(), 0, 0};
      } else {
        chain.delta_bytes += written.data.size();
        ++chain.deltas;
      }
      made.key_groups.push_back(std::move(written));
    });
    std::sort(made.key_groups.begin(), made.key_groups.end(),
              [](const key_group_snapshot& a, const key_group_snapshot& b) { return a.group < b.group; });
    return true;
  }

 private:
  static constexpr std::uint32_t rows_per_slice = 64;

  /// How many records before its own a slot is found.
  static constexpr std::uint32_t records_ahead = 32;

  /// Checkpoints that may still complete, and be what the next one adds to.
  static constexpr std::size_t most_barriers = 64;

  /// Where changes stood at the barrier of a checkpoint.
  struct barrier {
    checkpoint_id checkpoint;
    std::uint32_t version;      // the last that it has seen
    std::uint64_t log_position; // the same on disk
  };

  struct group_state {
    delta_chain chain; // in the newest checkpoint; after one that failed, an estimate
    // On disk:
    std::uint32_t written = 0;      // changes up to this version have been written back
    std::uint64_t logged_bytes = 0; // since the last barrier
    std::uint64_t log_begin = no_log; // the log has all changes from this position on
  };
  static constexpr std::uint64_t no_log = std::numeric_limits<std::uint64_t>::max();

  [[gnu::noinline]] std::pair<std::byte*, bool> update_elsewhere(std::uint64_t hash, const Key& key) {
    const located found = update(hash, key);
    return {found.row, found.created};
  }

  group_state& state_of(key_group group) { return groups_[group.value - setup_.range.first]; }

  std::vector<state_schema> declared_states() const {
    std::vector<state_schema> declared;
    for (const row_column& column : table_.rows().columns())
      declared.push_back(column.schema);
    return declared;
  }

  void restore(const operator_snapshot& stored, const key_group_snapshot& group) {
    read_group(table_, stored, group);
    erase_empty(group.group);
    state_of(group.group).chain = group.chain;
    if (!disk_)
      return;
    table_.for_each(group.group, [&](const Key& key, std::byte* row) { set_changed(hash_of(key), row); });
    write_back(group.group, true, 0);
  }

  /// What is written from now on is what comes after the barrier of this checkpoint.
  void note_barrier(checkpoint_id checkpoint) {
    if (!setup_.tracks_changes)
      return;
    is_tracked_ = true;
    const std::uint64_t position = disk_ ? disk_->next_log_position() : 0;
    barriers_.push_back({checkpoint, table_.version(), position});
    if (disk_)
      for (group_state& group : groups_) {
        group.logged_bytes = 0;
        group.log_begin = std::min(group.log_begin, position);
      }
    if (barriers_.size() > most_barriers)
      forget_before(barriers_[1].checkpoint);
  }

  /// The barrier of `base`, or nullptr; nothing that was before it will be asked for.
  const barrier* forget_before(checkpoint_id base) {
    const auto found = std::find_if(barriers_.begin(), barriers_.end(),
                                    [base](const barrier& one) { return one.checkpoint == base; });
    if (found == barriers_.end())
      return nullptr;
    barriers_.erase(barriers_.begin(), found);
    const barrier& now_first = barriers_.front();
    oldest_ = now_first.version;
    if (disk_) {
      disk_->begin_write();
      for (std::uint32_t n = setup_.range.first; n < setup_.range.last; ++n)
        disk_->forget_log(key_group{n}, now_first.log_position);
      disk_->commit();
    } else if (!slices_.is_active()) {
      table_.forget_changes(oldest_);
    }
    return &now_first;
  }

  /// Whether a restore had better read one more delta than everything. Each delta costs a reference in
  /// the manifest of every later checkpoint, too.
  static bool is_worth(const delta_chain& chain, std::uint64_t delta_bytes) {
    constexpr std::uint64_t reference_bytes = 50;
    return chain.delta_bytes + delta_bytes +
               std::uint64_t{chain.deltas} * chain.deltas * reference_bytes / 2 <=
           chain.base_bytes / 2;
  }

  /// A key group in memory that has keys.
  void begin_write(operator_snapshot& made, key_group group, const barrier* base) {
    if (!base || !table_.knows_changes(group, base->version)) {
      slices_.add(table_, group, std::nullopt);
      return;
    }
    const std::uint64_t entries = table_.size(group);
    if (!table_.has_changed(group, base->version)) {
      key_group_snapshot same;
      same.group = group;
      same.entries = entries;
      same.is_delta = true;
      made.key_groups.push_back(std::move(same));
      return;
    }
    const delta_chain& chain = state_of(group).chain;
    // How much of a list or map has changed is not known before it is written; the next snapshot knows.
    const std::uint64_t expected =
        table_.rows().has_entries() ? 0 : chain.base_bytes / entries * table_.changed_now(group);
    const bool is_delta = chain.base_bytes != 0 && is_worth(chain, expected);
    slices_.add(table_, group, is_delta ? std::optional(base->version) : std::nullopt);
  }

  template <class KeyAt, class Use>
  [[gnu::noinline]] void update_each(const std::uint64_t* hashes, std::uint32_t size, KeyAt& key_at, Use& use) {
    for (std::uint32_t i = 0; i < size; ++i) {
      if (i + prefetch_distance < size)
        table_.prefetch(hashes[i + prefetch_distance]);
      decltype(auto) key = key_at(i);
      const located found = update(hashes[i], key);
      use(i, std::as_const(key), found.row, found.created);
    }
  }

  /// What of each group on disk goes into a snapshot.
  std::vector<group_extent> extents(const barrier* base) {
    std::vector<group_extent> all;
    disk_->begin_write();
    for (std::uint32_t n = setup_.range.first; n < setup_.range.last; ++n) {
      const key_group group{n};
      group_state& state = state_of(group);
      if (disk_->size(group) == 0) {
        state.chain = {};
        disk_->forget_bytes(group);
        continue;
      }
      find_base_bytes(group);
      const bool is_delta =
          base && state.log_begin <= base->log_position && is_worth(state.chain, state.logged_bytes);
      all.push_back({group, disk_->size(group), is_delta, is_delta ? base->log_position : 0});
      if (!is_delta) {
        state.chain = {};
        stop_logging(group); // until the barrier that is just here
      } else if (state.logged_bytes != 0) {
        state.chain.delta_bytes += state.logged_bytes;
        ++state.chain.deltas;
      }
    }
    disk_->commit();
    return all;
  }

  /// Notes rows that are about to be written to disk for the next snapshot.
  void log(key_group group, std::span<const row_at<Key>> changed, std::int64_t now) {
    group_state& state = state_of(group);
    if (state.log_begin == no_log)
      return;
    const bytes section = write_rows<Key>(
        table_.rows(), changed,
        {.is_delta = true, .since = state.written, .now = now, .on_disk = true});
    state.logged_bytes += section.size();
    find_base_bytes(group);
    // Before the group has been read for the checkpoint that holds it whole, its size is an estimate.
    const bool fits = state.chain.base_bytes != 0
                          ? is_worth(state.chain, state.logged_bytes)
                          : state.logged_bytes <= disk_->size(group) * heap_per_row_;
    if (fits)
      disk_->log(group, section);
    else
      stop_logging(group);
  }

  void find_base_bytes(key_group group) {
    std::uint64_t& bytes_of_base = state_of(group).chain.base_bytes;
    if (bytes_of_base == 0)
      bytes_of_base = disk_->bytes_when_whole(group);
  }

  // Between begin_write and commit.
  void stop_logging(key_group group) {
    state_of(group).log_begin = no_log;
    disk_->forget_log(group);
  }

  /// A row that belongs to no key, for one that is on disk.
  class scratch_row {
   public:
    explicit scratch_row(const Rows& rows)
        : rows_(rows), memory_(rows.size() / sizeof(std::max_align_t) + 1) {}

    template <class Use>
    void use(Use&& what) {
      auto* const row = reinterpret_cast<std::byte*>(memory_.data());
      rows_.construct(row);
      const auto destroy = [this](std::byte* used) { rows_.destroy(used); };
      const std::unique_ptr<std::byte, decltype(destroy)> until_the_end(row, destroy);
      what(row);
    }

   private:
    const Rows& rows_;
    std::vector<std::max_align_t> memory_;
  };

  void add_to_cache(std::uint64_t hash, const Key& key, std::string_view heads) {
    const located found = table_.find_or_create(hash, key);
    if (found.created)
      read_heads(heads, found.row);
  }

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
  void write_row(std::byte* row, std::uint32_t since) {
    const Rows& rows = table_.rows();
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
        column.store_entries(column, i, cell, since, *disk_);
      detail::write_block(heads_, [&] { column.write_head(column, heads_, cell); });
    }
    disk_->write(heads_.view());
  }

  /// Brings one key group on disk up to date, in the order in which it lies there. Before the next change
  /// a new version has to begin.
  void write_back(key_group group, bool clear, std::int64_t now) {
    struct changed_row {
      std::uint64_t hash;
      const Key* key;
      std::byte* row;
    };
    group_state& state = state_of(group);
    std::vector<changed_row> changed;
    table_.for_each_changed(group, state.written, [&](const Key& key, std::byte* row) {
      changed.push_back({hash_of(key), &key, row});
    });
    std::sort(changed.begin(), changed.end(),
              [](const changed_row& a, const changed_row& b) { return a.hash < b.hash; });
    if (!changed.empty()) {
      std::vector<row_at<Key>> rows;
      rows.reserve(changed.size());
      for (const changed_row& one : changed)
        rows.push_back({one.key, one.row});
      disk_->begin_write();
      log(group, rows, now);
      std::size_t bytes_written = 0;
      for (const changed_row& one : changed) {
        select(one.hash, *one.key);
        write_row(one.row, state.written);
        bytes_written += heads_.size() + key_bytes_.size();
      }
      disk_->commit();
      heap_per_row_ = bytes_written / changed.size();
      state.written = table_.version();
    }
    if (clear && table_.size() != 0) {
      entry_bytes_ -= entry_bytes_ / table_.size() * table_.size(group);
      table_.clear(group);
    }
  }

  /// Keys and rows that are more than their slots are counted with what the last ones took on disk.
  std::size_t cached_bytes(std::int64_t now) {
    if (flat<Key> && table_.rows().is_flat())
      return table_.memory();
    if (heap_per_row_ == 0 && table_.size() >= 1024) {
      write_back(key_group{next_to_evict_}, false, now);
      table_.next_version();
    }
    return table_.memory() + table_.size() * heap_per_row_ + entry_bytes_;
  }

  [[gnu::noinline]] void evict(std::int64_t now) {
    const key_group_range range = table_.range();
    for (std::uint32_t n = 0; n < range.size() && cached_bytes(now) > setup_.config.cache_size / 8 * 7; ++n) {
      write_back(key_group{next_to_evict_}, true, now);
      if (++next_to_evict_ == range.last)
        next_to_evict_ = range.first;
    }
    table_.next_version();
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
    const change_time at = time_of_changes(now);
    scratch_row scratch(rows);
    bool is_writing = false;
    for (const row_on_disk& one : slice) {
      const Key key = decoded<Key>(one.key);
      select(one.hash, key);
      if (std::byte* cached = table_.find(one.hash, key)) {
        if (rows.expire(cached, at, disk_.get()))
          set_changed(one.hash, cached);
        continue;
      }
      scratch.use([&](std::byte* row) {
        read_heads(one.heads, row);
        if (!rows.expire(row, at, disk_.get()))
          return;
        if (!std::exchange(is_writing, true))
          disk_->begin_write();
        const key_group group = key_group_of(one.hash, setup_.groups);
        const row_at<Key> expired{&key, row};
        log(group, {&expired, 1}, now);
        select(one.hash, key);
        write_row(row, state_of(group).written);
      });
    }
    if (is_writing)
      disk_->commit();
  }

  keyed_state_setup setup_;
  table_type table_;
  std::unique_ptr<disk_state> disk_;
  std::vector<group_state> groups_;
  std::vector<barrier> barriers_; // from the one that the last checkpoint added to, if any, on
  std::uint32_t oldest_ = 0;      // version of the first of them
  bool is_tracked_ = false;       // whether it will be asked what has changed
  byte_writer key_bytes_;
  byte_writer heads_;
  std::size_t heap_per_row_ = 0;
  std::uint32_t next_to_evict_ = 0;
  std::size_t entry_bytes_ = 0;
  typename table_type::sweep_position next_to_clean_;
  disk_state::position next_on_disk_;
  snapshot_slices<Key, Rows> slices_; // of the snapshot that is being written
};

} // namespace weir
