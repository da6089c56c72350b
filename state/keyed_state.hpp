#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
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
#include <weir/state/blob_buffers.hpp>
#include <weir/state/disk_state.hpp>
#include <weir/state/group_progress.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/restored_state.hpp>
#include <weir/state/running_average.hpp>
#include <weir/state/scratch_row.hpp>
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
  std::shared_ptr<blob_buffers> buffers = std::make_shared<blob_buffers>(); ///< what snapshots are written into
};

/// The keyed state of one operator instance: the rows of the key groups it owns, and their way into
/// snapshots and back.
///
/// In memory the rows are a keyed_table. With state on disk the table is a cache of rows that are
/// read when their key comes, and written back, some of each key group that needs more room, when the cache is full.
///
/// Thread safety: task thread only; key groups of a snapshot may be read on another thread.
/// Errors:        restore throws std::runtime_error when the checkpoint's state does not fit; with
///                state on disk everything may throw it, and then the state is of no use any more. What a snapshot
///                that is complete has can be read all the same.
/// Snapshots:     what has changed since the checkpoint that a snapshot adds to, or everything, is copied out in
///                slices, and as it was when the snapshot began; with state on disk that is what is in the cache
///                alone, and the snapshot has a view of the rest. A key group is written whole again when its deltas
///                cost a restore as much as half of it.
/// Cost:          until a snapshot is complete, the memory of what is copied: with state on disk up to about as much
///                as the cache. A full cache is written back in slices, too; while more comes than they write, it
///                is an eighth larger at most.
template <storable Key, class Rows>
class keyed_state {
 public:
  using table_type = keyed_table<Key, Rows>;
  using located = typename table_type::located;

  keyed_state(const keyed_state_setup& setup, Rows rows)
      : setup_(setup), table_(setup.range, setup.groups, std::move(rows)), groups_(setup.range.size()) {
    for (std::uint32_t i = 0; i < groups_.size(); ++i)
      groups_[i].limit = group_progress::limit_of(key_group{setup.range.first + i});
    table_.next_version();
    if (setup.config.backend != state_backend::lmdb)
      return;
    auto opened = disk_state::open(setup.config.directory, setup.config.map_size, setup.groups);
    if (!opened)
      throw std::runtime_error(opened.failure().message);
    disk_ = std::move(*opened);
    next_to_evict_ = next_to_look_at_ = setup.range.first;
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
        row = update_expected(slot, hashes[i], [&key](const Key& found) { return found == key; });
      bool created = false;
      if (!row) [[unlikely]] {
        std::tie(row, created) = update_elsewhere(hashes[i], key);
        if (std::exchange(layout, table_.layout()) != layout)
          slots.fill(nullptr);
      }
      use(i, std::as_const(key), row, created);
    }
  }

  /// The row of a key, to be changed, if it is near the slot where table() expects it, and no snapshot that is being
  /// written may need it as it was before; otherwise nullptr.
  template <class IsKey>
  [[gnu::always_inline]] std::byte* update_expected(std::byte* slot, std::uint64_t hash, IsKey&& is_key) {
    if (std::byte* const row = table_.changed_expected(slot, hash, is_key)) [[likely]]
      return row;
    return slices_.is_active() ? nullptr : table_.change_near(slot, hash, is_key);
  }

  void set_changed(std::uint64_t hash, std::byte* row) { table_.set_changed(hash, row); }

  /// The row of a key has become empty; `is_new`: it was made for it just now. The key is removed. With state on disk
  /// its row stays in the cache: as a tombstone until the disk knows, and where it has not changed because it was
  /// looked for on disk in vain.
  void erase(std::uint64_t hash, const Key& key, bool is_new) {
    if (disk_) {
      if (std::byte* const row = table_.find(hash, key); row && table_.version_of(row) != 0)
        bury(hash, row);
      return;
    }
    table_.erase(hash, key);
    if (is_new || !is_tracked_)
      return;
    if (slices_.is_active() && table_.forgets_removals(hash))
      slices_.write(table_, key_group_of(hash, setup_.groups)); // while it is known what was removed
    table_.note_removal(hash, key);
  }

  /// The time for changes that are made from now on, until the next call of settle() or begin_write().
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
    drop_tombstones(now);
    evict(now);
    if (table_.rows().expires_on_disk())
      clean_in_background(now);
    if (disk_->is_writing())
      disk_->commit();
  }

  /// Looks at the next `count` keys in memory for expired values, where no snapshot is being written.
  void clean(std::uint32_t count, const change_time& at) {
    if (!slices_.is_active())
      clean(count, at, nullptr);
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
    scratch_row<Rows> scratch(table_.rows());
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
    if (slices_.is_active())
      slices_.write(table_, group);
    if (disk_)
      disk_->for_each(group, [&](std::uint64_t hash, std::string_view key, std::string_view heads) {
        add_to_cache(hash, decoded<Key>(key), heads);
      });
    table_.for_each(group, visit);
    table_.clear(group);
    if (disk_) {
      disk_->begin_write();
      disk_->erase(group);
      disk_->forget_log(group, no_log);
      disk_->commit();
      state_of(group).log_begin = no_log;
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
    const change_barrier* const base = forget_before(order.base);
    made.base = base ? order.base : checkpoint_id{};
    slices_.begin(table_, disk_ != nullptr, setup_.buffers, now);
    const key_group_range range = table_.range();
    for (std::uint32_t n = range.first; n < range.last; ++n)
      begin_write(key_group{n}, base);
    if (std::any_of(groups_.begin(), groups_.end(), [](const group_progress& group) { return group.is_in_view; }))
      view_ = disk_->view(table_.rows().columns(), now);
    note_barrier(order.checkpoint);
    table_.next_version();
  }

  /// Writes about as much of the snapshot as a batch takes. Returns whether `made`, which begin_write() has begun, is
  /// complete.
  bool write_some(operator_snapshot& made) {
    slices_.write_some(table_);
    if (slices_.is_active())
      return false;
    slices_.take([&](key_group_snapshot written) { finish_write(made, std::move(written)); });
    view_.reset();
    return true;
  }

 private:
  /// Of the cache, and as many of what is on disk, when they are looked at for expired values.
  static constexpr std::uint32_t rows_per_slice = 64;

  /// As many as a batch may add, so that the cache does not grow.
  static constexpr std::size_t rows_per_eviction = 1024;

  /// After each batch, whether they need more slots.
  static constexpr std::uint32_t groups_per_look = 16;

  /// How many records before its own a slot is found.
  static constexpr std::uint32_t records_ahead = 32;

  /// Checkpoints that may still complete, and be what the next one adds to.
  static constexpr std::size_t most_barriers = 64;

  static constexpr std::uint64_t no_log = group_progress::no_log;

  [[gnu::noinline]] std::pair<std::byte*, bool> update_elsewhere(std::uint64_t hash, const Key& key) {
    const located found = update(hash, key);
    return {found.row, found.created};
  }

  group_progress& state_of(key_group group) { return groups_[group.value - setup_.range.first]; }

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
    evict(group.group, table_.size(group.group), 0);
    if (disk_->is_writing())
      disk_->commit();
  }

  /// What is written from now on is what comes after the barrier of this checkpoint.
  void note_barrier(checkpoint_id checkpoint) {
    if (!setup_.tracks_changes)
      return;
    is_tracked_ = true;
    const std::uint64_t position = disk_ ? disk_->next_log_position() : 0;
    barriers_.push_back({checkpoint, table_.version(), position});
    if (disk_)
      for (group_progress& group : groups_) {
        group.logged_bytes = 0;
        if (group.log_begin == no_log) {
          group.log_begin = position;
          group.logged_since = table_.version();
        }
      }
    if (barriers_.size() > most_barriers)
      forget_before(barriers_[1].checkpoint);
  }

  /// The barrier of `base`, or nullptr; nothing that was before it will be asked for.
  const change_barrier* forget_before(checkpoint_id base) {
    const auto found = std::find_if(barriers_.begin(), barriers_.end(),
                                    [base](const change_barrier& one) { return one.checkpoint == base; });
    if (found == barriers_.end())
      return nullptr;
    barriers_.erase(barriers_.begin(), found);
    const change_barrier& now_first = barriers_.front();
    oldest_ = now_first.version;
    if (!slices_.is_active())
      table_.forget_changes(oldest_);
    return &now_first;
  }

  /// How many keys a group has.
  std::uint64_t entries_of(key_group group) const {
    return disk_ ? disk_->size(group) + static_cast<std::uint64_t>(table_.keys_beyond_disk(group)) : table_.size(group);
  }

  /// The part of a key group in the snapshot that has been begun.
  void begin_write(key_group group, const change_barrier* base) {
    group_progress& state = state_of(group);
    const std::uint64_t entries = entries_of(group);
    state.is_in_view = false;
    if (entries == 0) {
      slices_.add_unchanged(group, 0);
    } else if (!base || !knows_changes(group, *base)) {
      begin_whole(group, entries);
    } else if (!table_.has_changed(group, base->version) && !is_logged(group, *base)) {
      slices_.add_unchanged(group, entries);
    } else {
      state.find_base_bytes();
      // How much of a list or map has changed is not known before it is written; the next snapshot knows.
      const std::uint64_t changed =
          table_.rows().has_entries() ? 0 : state.chain.base_bytes / entries * table_.changed_now(group);
      if (state.chain.base_bytes == 0 || !state.is_worth(state.logged_bytes + changed)) {
        begin_whole(group, entries);
        return;
      }
      slices_.add(table_, group, entries, base->version);
      state.is_in_view = is_logged(group, *base);
      state.view_begin = base->log_position;
      state.chain.delta_bytes += state.logged_bytes;
    }
  }

  void begin_whole(key_group group, std::uint64_t entries) {
    group_progress& state = state_of(group);
    slices_.add(table_, group, entries, std::nullopt);
    state.chain = {};
    if (!disk_)
      return;
    state.is_in_view = disk_->size(group) != 0;
    state.log_begin = no_log; // until the barrier that is just here
    state.whole_size = std::make_shared<std::atomic<std::uint64_t>>(0);
  }

  /// What of a key group was in memory has been written.
  void finish_write(operator_snapshot& made, key_group_snapshot written) {
    group_progress& state = state_of(written.group);
    if (written.entries == 0) {
      state.chain = {};
      state.whole_size.reset();
      return;
    }
    if (written.is_delta) {
      state.chain.delta_bytes += written.data.size();
      state.chain.deltas += state.is_in_view || !written.data.empty();
    } else if (!state.is_in_view) {
      state.chain.base_bytes = written.data.size();
    }
    if (state.is_in_view) {
      view_->add({written.group, written.entries, written.is_delta, state.view_begin, std::move(written.data),
                  state.whole_size});
      written.source = view_;
    }
    made.key_groups.push_back(std::move(written));
  }

  /// Whether all is known that has changed in a group since a barrier.
  bool knows_changes(key_group group, const change_barrier& since) {
    return disk_ ? state_of(group).log_begin <= since.log_position : table_.knows_changes(group, since.version);
  }

  bool is_logged(key_group group, const change_barrier& since) {
    return disk_ && state_of(group).last_logged >= since.log_position;
  }

  /// What the next snapshot has to know of rows that are about to be written to disk; empty where it need not.
  bytes section_of(key_group group, std::span<const row_at<Key>> changed, std::int64_t now) {
    if (state_of(group).log_begin == no_log || changed.empty())
      return {};
    return write_rows<Key>(table_.rows(), changed,
                           {.is_delta = true, .since = needed_since(group), .now = now, .on_disk = true});
  }

  /// What has not changed after this version is in all snapshots that another of the group may add to.
  std::uint32_t needed_since(key_group group) { return std::max(oldest_, state_of(group).logged_since); }

  void log(key_group group, const bytes& section) {
    group_progress& state = state_of(group);
    const std::uint64_t needed_from = barriers_.empty() ? no_log : barriers_.front().log_position;
    disk_->forget_log(group, std::max(state.log_begin, needed_from));
    if (section.empty())
      return;
    state.logged_bytes += section.size();
    state.find_base_bytes();
    // Before the group has been read for the checkpoint that holds it whole, its size is an estimate.
    const bool fits = state.chain.base_bytes != 0 ? state.is_worth(state.logged_bytes)
                                                  : state.logged_bytes <= entries_of(group) * stored_per_row_.value();
    if (fits)
      state.last_logged = disk_->log(group, section);
    else
      state.log_begin = no_log;
  }

  void add_to_cache(std::uint64_t hash, const Key& key, std::string_view heads) {
    const located found = table_.find_or_create(hash, key);
    if (!found.created)
      return;
    read_heads(heads, found.row);
    table_.set_on_disk(found.row);
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
    if (disk_->size(key_group_of(hash, setup_.groups)) == 0)
      return false;
    select(hash, key);
    const auto heads = disk_->read();
    if (!heads)
      return false;
    read_heads(*heads, row);
    table_.set_on_disk(row);
    return true;
  }

  void read_heads(std::string_view heads, std::byte* row) {
    byte_reader in(heads);
    for (const row_column& column : table_.rows().columns()) {
      byte_reader head(in.read_text());
      column.read_head(column, head, row + column.offset);
    }
  }

  void bury(std::uint64_t hash, std::byte* row) {
    table_.set_tombstone(hash, row);
    tombstones_.push_back(hash);
  }

  /// Writes the selected row, or erases it where it is empty.
  void write_row(std::byte* row) {
    const Rows& rows = table_.rows();
    heads_.clear();
    if (rows.is_empty(row)) {
      disk_->erase();
      return;
    }
    const std::vector<row_column>& columns = rows.columns();
    for (std::uint32_t i = 0; i < columns.size(); ++i) {
      const row_column& column = columns[i];
      std::byte* cell = row + column.offset;
      if (column.store_entries)
        column.store_entries(column, i, cell, *disk_);
      detail::write_block(heads_, [&] { column.write_head(column, heads_, cell); });
    }
    disk_->write(heads_.view());
  }

  /// Keys and rows that are more than their slots are counted with what rows took on disk lately.
  std::size_t cached_bytes() const {
    return table_.memory() + (is_flat() ? 0 : table_.size() * heap_per_row_.value() + entry_bytes_);
  }

  bool is_flat() const { return flat<Key> && table_.rows().is_flat(); }

  /// Writes a slice of the cache back where it is full, and as much as it takes where it is too large.
  ///
  /// A full cache keeps the rows of every group that fit into its slots: one that needs more gives up those that come
  /// next in the order in which they lie on disk. Only where that does not help, whole groups leave.
  void evict(std::int64_t now) {
    const std::uint64_t size = setup_.config.cache_size;
    std::size_t left = rows_per_eviction;
    for (std::uint32_t n = 0; n < groups_per_look && left != 0 && table_.memory() > size / 2; ++n) {
      const key_group group{next_to_look_at_};
      next_to_look_at_ = behind(next_to_look_at_);
      const std::size_t growth = table_.next_growth(group);
      if (growth != 0 && cached_bytes() + growth > size)
        left -= std::min(left, evict(group, left, now));
    }
    const bool is_size_known = is_flat() || heap_per_row_.is_known() || table_.size() < rows_per_eviction;
    const auto is_too_large = [&] {
      return left != 0 ? !is_size_known || cached_bytes() > size : cached_bytes() > size + size / 8;
    };
    while (table_.size() != 0 && is_too_large()) {
      while (table_.size(key_group{next_to_evict_}) == 0)
        next_to_evict_ = behind(next_to_evict_);
      left -= std::min(left, evict(key_group{next_to_evict_}, rows_per_eviction, now));
    }
  }

  std::uint32_t behind(std::uint32_t group) const {
    return group + 1 == setup_.range.last ? setup_.range.first : group + 1;
  }

  /// Brings about so many rows of a group on disk up to date, in the order in which they lie there, and drops them.
  /// Returns how many.
  [[gnu::noinline]] std::size_t evict(key_group group, std::size_t most, std::int64_t now) {
    std::vector<cached_row> rows;
    rows.reserve(most + most / 8);
    std::uint32_t& next = state_of(group).next_evicted; // from where the last time ended
    next = table_.for_each_in_order(group, next, most, [&](const Key& key, std::byte* row) {
      rows.push_back({hash_of(key), &key, row});
    });
    write_back(group, rows, now);
    return rows.size();
  }

  /// Tells the disk of rows of which nothing is left, once they are some, and drops them.
  void drop_tombstones(std::int64_t now) {
    if (tombstones_.size() < rows_per_eviction)
      return;
    std::sort(tombstones_.begin(), tombstones_.end()); // by groups
    tombstones_.erase(std::unique(tombstones_.begin(), tombstones_.end()), tombstones_.end());
    std::vector<cached_row> rows;
    for (std::size_t i = 0; i < tombstones_.size(); ++i) {
      const std::uint64_t hash = tombstones_[i];
      const std::size_t others = rows.size();
      bool any = false; // it may have changed again, or left
      table_.for_each_of(hash, [&](const Key& key, std::byte* row) {
        if (hash_of(key) != hash)
          return;
        rows.push_back({hash, &key, row});
        any = any || table_.is_tombstone(row);
      });
      if (!any)
        rows.resize(others);
      const key_group group = key_group_of(hash, setup_.groups);
      if (i + 1 == tombstones_.size() || key_group_of(tombstones_[i + 1], setup_.groups) != group)
        write_back(group, std::exchange(rows, {}), now);
    }
    tombstones_.clear();
  }

  /// A row in the cache.
  struct cached_row {
    std::uint64_t hash;
    const Key* key;
    std::byte* row;
  };

  void begin_to_write() {
    if (!disk_->is_writing())
      disk_->begin_write();
  }

  /// Writes what has changed of some rows of a group, and drops all. Those with the same hash go together.
  void write_back(key_group group, const std::vector<cached_row>& rows, std::int64_t now) {
    if (rows.empty())
      return;
    std::vector<row_at<Key>> to_keep;
    std::vector<row_at<Key>> to_log;
    const std::uint32_t since = needed_since(group);
    for (const cached_row& one : rows) {
      const std::uint32_t version = table_.version_of(one.row);
      if (version == 0)
        continue;
      to_keep.push_back({one.key, one.row});
      if (version > since)
        to_log.push_back({one.key, one.row});
    }
    bytes section;
    if (!to_keep.empty()) {
      if (slices_.is_active())
        slices_.keep_all(table_, group, to_keep);
      section = section_of(group, to_log, now);
      write_rows_of(rows);
    }
    const std::size_t size_before = table_.size();
    for (const cached_row& one : rows)
      table_.drop(one.hash);
    entry_bytes_ -= table_.size() == 0 ? entry_bytes_ : entry_bytes_ / size_before * (size_before - table_.size());
    if (!section.empty())
      begin_to_write();
    if (disk_->is_writing())
      log(group, section);
  }

  void write_rows_of(const std::vector<cached_row>& rows) {
    const std::uint64_t written_before = disk_->bytes_written();
    std::uint64_t written = 0;
    std::uint64_t heap = 0;
    for (const cached_row& one : rows) {
      if (table_.version_of(one.row) == 0)
        continue;
      const bool is_empty = table_.rows().is_empty(one.row);
      if (is_empty && !table_.is_on_disk(one.row))
        continue;
      begin_to_write();
      select(one.hash, *one.key);
      write_row(one.row);
      written += !is_empty;
      heap += heads_.size() + (is_empty ? 0 : key_bytes_.size());
    }
    heap_per_row_.add(written, heap);
    if (!heap_per_row_.is_known())
      heap_per_row_.add(1, 0); // keys that were looked for in vain
    stored_per_row_.add(written, disk_->bytes_written() - written_before);
  }

  /// Looks at the next rows in the table.
  void clean(std::uint32_t count, const change_time& at, row_entries* on_disk) {
    const Rows& rows = table_.rows();
    table_.sweep(next_to_clean_, count, [&](const Key& key, std::byte* row) {
      const std::uint64_t hash = hash_of(key);
      if (on_disk)
        select(hash, key);
      if (!rows.expire(row, at, on_disk))
        return false;
      table_.set_changed(hash, row);
      if (!rows.is_empty(row))
        return false;
      if (disk_) {
        bury(hash, row);
        return false;
      }
      if (is_tracked_)
        table_.note_removal(hash, key);
      return true;
    });
  }

  /// Looks at the next rows in the cache, unless a snapshot is being written, and on disk at those that are not there.
  [[gnu::noinline]] void clean_in_background(std::int64_t now) {
    const Rows& rows = table_.rows();
    const change_time at = time_of_changes(now);
    if (!slices_.is_active())
      clean(rows_per_slice, at, disk_.get());
    struct row_on_disk {
      std::uint64_t hash;
      bytes key, heads;
    };
    std::vector<row_on_disk> slice;
    disk_->walk(next_on_disk_, rows_per_slice,
                [&](key_group, std::uint64_t hash, std::string_view key, std::string_view heads) {
                  slice.push_back({hash, bytes(key), bytes(heads)});
                });
    scratch_row<Rows> scratch(rows);
    for (const row_on_disk& one : slice) {
      const Key key = decoded<Key>(one.key);
      if (table_.find(one.hash, key))
        continue;
      select(one.hash, key);
      scratch.use([&](std::byte* row) {
        read_heads(one.heads, row);
        if (!rows.expire(row, at, disk_.get()))
          return;
        begin_to_write();
        const key_group group = key_group_of(one.hash, setup_.groups);
        const row_at<Key> expired{&key, row};
        const bytes section = section_of(group, {&expired, 1}, now);
        select(one.hash, key);
        write_row(row);
        log(group, section);
      });
    }
  }

  keyed_state_setup setup_;
  table_type table_;
  std::unique_ptr<disk_state> disk_;
  std::vector<group_progress> groups_;
  std::vector<change_barrier> barriers_; // from the one that the last checkpoint added to, if any, on
  std::uint32_t oldest_ = 0;      // version of the first of them
  bool is_tracked_ = false;       // whether it will be asked what has changed
  byte_writer key_bytes_;
  byte_writer heads_;
  running_average heap_per_row_;   // in the cache, beside its slot
  running_average stored_per_row_; // on disk, with what has changed of its entries
  std::size_t entry_bytes_ = 0;
  std::vector<std::uint64_t> tombstones_; // hashes; some may have changed again, or left
  std::uint32_t next_to_evict_ = 0; // group
  std::uint32_t next_to_look_at_ = 0; // group
  typename table_type::sweep_position next_to_clean_;
  disk_state::position next_on_disk_;
  snapshot_slices<Key, Rows> slices_; // of the snapshot that is being written
  std::shared_ptr<disk_view> view_;   // for the same
};

} // namespace weir
