#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/state/blob_buffers.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// A snapshot of a keyed table that is written a slice at a time, while the table goes on changing: everything in
/// it as it was when the snapshot began.
///
/// Whoever is about to change a row says so first: a row that has not been written yet is written then. What has
/// changed since the snapshot began is known by its version, and is passed over when the rest is written, group by
/// group.
///
/// Where the table is a cache, rows without a version are as they are on disk, and rows leave the table. The snapshot
/// has what was in the cache and not on disk; its cells add to what is there.
///
/// A slice may end anywhere in a group, at a slot that is free. A group that gets new slots while it is being written
/// is written from its beginning again: what comes twice is the same both times.
///
/// Cost: rows that change meanwhile are encoded one by one, and copied once more. Until it is complete the snapshot
///       takes as much memory as its bytes.
template <storable Key, class Rows>
class snapshot_slices {
 public:
  using table_type = keyed_table<Key, Rows>;

  /// Begins with the table's present version. Afterwards, before anything changes, add all groups in their order and
  /// begin the next version. `is_cache`: what is not there, or has no version, is on disk. The data of groups comes out
  /// in memory from `buffers`.
  void begin(const table_type& table, bool is_cache, std::shared_ptr<blob_buffers> buffers, std::int64_t now) {
    groups_.clear();
    groups_.reserve(table.range().size());
    is_cache_ = is_cache;
    buffers_ = std::move(buffers);
    until_ = table.version();
    now_ = now;
    next_ = 0;
  }

  /// The next group, to be written: what has changed after version `since`, or all of it. `entries`: how many keys it
  /// has.
  void add(const table_type& table, key_group group, std::uint64_t entries, std::optional<std::uint32_t> since) {
    part& added = groups_.emplace_back();
    added.made.group = group;
    added.made.entries = entries;
    added.made.is_delta = since.has_value();
    added.since = is_cache_ ? since.value_or(0) : since;
    added.expected_rows = since ? table.changed_now(group) : table.size(group);
    added.is_waiting = true;
    ++waiting_;
  }

  /// The next group, with so many keys, of which none has changed.
  void add_unchanged(key_group group, std::uint64_t entries) {
    part& added = groups_.emplace_back();
    added.made.group = group;
    added.made.entries = entries;
    added.made.is_delta = true;
  }

  /// Whether anything is left to be written.
  bool is_active() const noexcept { return waiting_ != 0; }

  /// A row that was found for `key` is about to change, or was just made.
  void keep(table_type& table, std::uint64_t hash, const Key& key, std::byte* row, bool created) {
    const key_group group = key_group_of(hash, table.groups());
    part& of = part_of(table, group);
    const std::uint32_t version = table.version_of(row);
    if (!of.is_waiting || version > until_)
      return;
    ++kept_;
    if ((version == 0 && is_cache_) || (!created && is_behind(table, of, row)))
      return;
    if (of.has(version) && !created && !is_unknown(table, of, row)) {
      of.kept.add(table.rows(), key, row, extent_of(of));
      if (of.kept.size() > most_kept_bytes)
        append_kept(of, table);
    }
    table.touch(hash, row); // passed over from now on
  }

  /// Some rows of one group are about to leave the cache.
  void keep_all(const table_type& table, key_group group, std::span<const row_at<Key>> rows) {
    part& of = part_of(table, group);
    if (!of.is_waiting)
      return;
    std::vector<row_at<Key>> kept;
    for (const row_at<Key>& one : rows) {
      const std::uint32_t version = table.version_of(one.row);
      if (version != 0 && version <= until_ && of.has(version) && !is_unknown(table, of, one.row) &&
          !is_behind(table, of, one.row))
        kept.push_back(one);
    }
    append(of, table, kept);
  }

  /// Writes what is left of a group before it changes as a whole.
  void write(const table_type& table, key_group group) {
    part& of = part_of(table, group);
    while (of.is_waiting)
      write_some(table, of, std::max<std::size_t>(table.slots(group), 1));
  }

  /// Writes about as much as a batch takes.
  void write_some(const table_type& table) {
    // A row that has to be kept costs several that are written in their order, and one that is new needs slots that
    // are looked at: the more of them, the faster.
    std::size_t budget = slots_per_slice + slots_per_kept_row * std::exchange(kept_, 0);
    while (is_active() && budget != 0) {
      if (groups_[next_].is_waiting)
        budget -= std::min(budget, write_some(table, groups_[next_], budget));
      else
        ++next_;
    }
  }

  /// Gives each group to use(key_group_snapshot), in their order, once all are written.
  template <class Use>
  void take(Use&& use) {
    for (part& one : std::exchange(groups_, {})) {
      one.made.data = std::move(one.out).take();
      use(std::move(one.made));
    }
  }

 private:
  static constexpr std::size_t slots_per_slice = 4096;
  static constexpr std::size_t slots_per_kept_row = 64;

  /// How many bytes of rows that were kept make a section. They are copied at once, while they are in a cache.
  static constexpr std::size_t most_kept_bytes = 4096;

  struct part {
    key_group_snapshot made;
    byte_writer out; // its data
    section_writer<Key, Rows> kept;
    std::optional<std::uint32_t> since;
    std::size_t expected_rows = 0;
    std::size_t next = 0;      // slot: what is in those before it has been written
    std::uint64_t layout = 0;  // that it is one of
    std::size_t larger = 1;    // how many times as large its slices are
    bool is_waiting = false;
    bool has_begun = false;    // its slots
    bool has_removals = false; // in `out`

    bool has(std::uint32_t version) const { return !since || version > *since; }
  };

  part& part_of(const table_type& table, key_group group) { return groups_[group.value - table.range().first]; }

  static bool is_behind(const table_type& table, const part& of, const std::byte* row) {
    return of.has_begun && of.layout == table.layout(of.made.group) &&
           table.slot_number(of.made.group, row) < of.next;
  }

  /// Whether a row says that a key is gone of which a reader of the snapshot has not heard.
  bool is_unknown(const table_type& table, const part& of, const std::byte* row) const {
    return is_cache_ && !of.made.is_delta && !table.is_on_disk(row) && table.rows().is_empty(row);
  }

  /// Returns how many slots it has looked at.
  std::size_t write_some(const table_type& table, part& of, std::size_t most) {
    const key_group group = of.made.group;
    if (!of.has_begun) {
      of.has_begun = true;
      of.layout = table.layout(group);
    } else if (std::exchange(of.layout, table.layout(group)) != table.layout(group)) {
      of.next = 0;
      of.larger *= 2; // so that it comes to an end
    }
    append_removals(of, table);
    const std::size_t end = table.for_each_until(
        group, of.since, until_, of.next, most * of.larger, [&](std::span<row_at<Key>> rows) {
          const auto unneeded = [&](const row_at<Key>& one) { return is_unknown(table, of, one.row); };
          const auto end_of_rows = is_cache_ ? std::remove_if(rows.begin(), rows.end(), unneeded) : rows.end();
          append(of, table, {rows.begin(), end_of_rows});
        });
    if (end >= table.slots(group)) {
      append_kept(of, table);
      of.is_waiting = false;
      --waiting_;
    }
    return end - std::exchange(of.next, end) + 1;
  }

  /// Keys that were removed come before all rows: some of them are there again.
  void append_removals(part& to, const table_type& table) {
    if (!to.made.is_delta || std::exchange(to.has_removals, true))
      return;
    std::vector<row_at<Key>> removed;
    table.for_each_removed(to.made.group, *to.since, until_,
                           [&](const Key& key) { removed.push_back({&key, nullptr}); });
    append(to, table, removed);
  }

  void append_kept(part& to, const table_type& table) {
    if (to.kept.is_empty())
      return;
    append_removals(to, table);
    make_room(to, table);
    to.kept.take(to.out);
  }

  void append(part& to, const table_type& table, std::span<const row_at<Key>> rows) {
    if (rows.empty())
      return;
    make_room(to, table);
    write_rows(to.out, table.rows(), rows, extent_of(to));
  }

  void make_room(part& to, const table_type& table) {
    // More for the heads of sections: growing would copy everything.
    const std::size_t size = to.expected_rows * (sizeof(Key) + table.rows().size());
    if (to.out.size() == 0)
      to.out = byte_writer(buffers_->take(size + size / 32 + 256));
  }

  cell_extent extent_of(const part& of) const {
    return {.is_delta = of.made.is_delta, .since = of.since.value_or(0), .now = now_, .on_disk = is_cache_};
  }

  std::vector<part> groups_; // of the table, in their order
  std::size_t waiting_ = 0;
  std::size_t kept_ = 0; // rows that were looked for since the last slice, and may have been written
  std::uint32_t next_ = 0;  // group, counted from the first of the table
  std::uint32_t until_ = 0; // the last version that the snapshot has seen
  bool is_cache_ = false;
  std::shared_ptr<blob_buffers> buffers_;
  std::int64_t now_ = 0;
};

} // namespace weir
