#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// A snapshot of a keyed table that is written a slice at a time, while the table goes on changing: everything in
/// it as it was when the snapshot began.
///
/// Whoever is about to change a row says so first: a row that has not been written yet is written then. What has
/// changed since the snapshot began is known by its version, and is passed over when the rest is written, a key
/// group at a time.
///
/// Cost: a row that changes meanwhile is a section of its own, of 16 bytes more for each of its states.
template <storable Key, class Rows>
class snapshot_slices {
 public:
  using table_type = keyed_table<Key, Rows>;

  /// Begins with the table's present version. Afterwards, before anything changes, add() the groups and begin the
  /// next version.
  void begin(const table_type& table, std::int64_t now) {
    groups_.assign(table.range().size(), {});
    until_ = table.version();
    now_ = now;
    next_ = 0;
  }

  /// A group to be written: what has changed after version `since`, or all of it.
  void add(const table_type& table, key_group group, std::optional<std::uint32_t> since) {
    part& added = part_of(table, group);
    added.made.group = group;
    added.made.entries = table.size(group);
    added.made.is_delta = since.has_value();
    added.since = since;
    added.is_waiting = true;
    ++waiting_;
  }

  /// Whether anything is left to be written.
  bool is_active() const noexcept { return waiting_ != 0; }

  /// A row that was found for `key` is about to change, or was just made.
  void keep(table_type& table, std::uint64_t hash, const Key& key, std::byte* row, bool created) {
    part& of = part_of(table, key_group_of(hash, table.groups()));
    if (!of.is_waiting)
      return;
    const std::uint32_t version = table.version_of(row);
    if (version > until_)
      return;
    if (!created && (!of.since || version > *of.since)) {
      const row_at<Key> one{&key, row};
      write_removals(table, of);
      append(of, table, {&one, 1});
      ++kept_;
    }
    table.set_changed(hash, row);
  }

  /// Writes what is left of a group before it changes as a whole.
  void write(const table_type& table, key_group group) {
    part& of = part_of(table, group);
    if (!of.is_waiting)
      return;
    std::vector<row_at<Key>> left = removals(table, of);
    table.for_each_until(group, of.since, until_,
                         [&](const Key& key, std::byte* row) { left.push_back({&key, row}); });
    if (!left.empty())
      append(of, table, left);
    of.is_waiting = false;
    --waiting_;
  }

  /// Writes about as much as a batch takes, but a key group at least.
  void write_some(const table_type& table) {
    // A row that has to be kept costs several that are written in their order: the more of them, the faster.
    std::size_t budget = slots_per_slice + slots_per_kept_row * std::exchange(kept_, 0);
    for (; is_active() && budget != 0; ++next_) {
      const key_group group{table.range().first + next_};
      if (!groups_[next_].is_waiting)
        continue;
      const std::size_t slots = table.slots(group);
      write(table, group);
      budget -= std::min(budget, slots);
    }
  }

  /// Gives each group that has been written to use(key_group_snapshot), once none is left.
  template <class Use>
  void take(Use&& use) {
    for (part& one : std::exchange(groups_, {}))
      if (one.made.entries != 0) {
        one.made.data = std::move(one.out).take();
        use(std::move(one.made));
      }
  }

 private:
  static constexpr std::size_t slots_per_slice = 4096;
  static constexpr std::size_t slots_per_kept_row = 16;

  struct part {
    key_group_snapshot made;
    byte_writer out; // its data
    std::optional<std::uint32_t> since;
    bool is_waiting = false;
    bool has_removals = false; // in `out`
  };

  part& part_of(const table_type& table, key_group group) { return groups_[group.value - table.range().first]; }

  /// Keys that were removed come before all rows: some of them are there again.
  std::vector<row_at<Key>> removals(const table_type& table, part& of) {
    std::vector<row_at<Key>> removed;
    if (of.since && !std::exchange(of.has_removals, true))
      table.for_each_removed(of.made.group, *of.since, until_,
                             [&](const Key& key) { removed.push_back({&key, nullptr}); });
    return removed;
  }

  void write_removals(const table_type& table, part& of) {
    if (const std::vector<row_at<Key>> removed = removals(table, of); !removed.empty())
      append(of, table, removed);
  }

  void append(part& to, const table_type& table, std::span<const row_at<Key>> rows) {
    if (to.out.size() == 0)
      to.out.reserve(rows.size() * (sizeof(Key) + table.rows().size()) + 64);
    write_rows(to.out, table.rows(), rows,
               {.is_delta = to.made.is_delta, .since = to.since.value_or(0), .now = now_});
  }

  std::vector<part> groups_; // of the table, in their order
  std::size_t waiting_ = 0;
  std::size_t kept_ = 0; // rows since the last slice
  std::uint32_t next_ = 0;  // group, counted from the first of the table
  std::uint32_t until_ = 0; // the last version that the snapshot has seen
  std::int64_t now_ = 0;
};

} // namespace weir
