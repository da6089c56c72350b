#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/base/hash.hpp>
#include <weir/state/bit_order.hpp>
#include <weir/state/row_cursor.hpp>
#include <weir/state/table_memory.hpp>

namespace weir {

/// A row of a table, by its address.
template <class Key>
struct row_at {
  const Key* key;
  const std::byte* row; ///< null: it has been removed
};

/// The hash table behind keyed state in memory: one row per key, one segment per key group.
///
/// Each segment is an open-addressing table with linear probing; a slot keeps 31 bits of the hash
/// beside the key, so a probe compares integers and growing does not hash again. Beside them it keeps
/// the version in which the row was last changed, so that snapshots can write what is new. Segments grow one
/// at a time: the longest pause is one key group's share of the keys. A key group is written to a
/// snapshot by walking its segment.
///
/// `Rows` says how a row is laid out: static_rows, or dynamic_rows for states declared at run time.
///
/// Ownership:     rows belong to the table. A row's address is valid until the next call that may
///                insert or erase.
/// Thread safety: task thread only.
/// Cost:          no allocation but for growing (doubling at 5/8 full, small segments at 3/8 or 1/4)
///                and shrinking (halving when half as many slots would be half as full as that).
template <class Key, class Rows>
class keyed_table {
  static_assert(alignof(Key) <= 64, "keyed state: a key is aligned to a cache line at most");

  static constexpr bool has_static_rows = requires { std::integral_constant<std::size_t, Rows::size()>{}; };

  struct segment {
    std::byte* slots = nullptr;
    std::uint32_t mask = 0;
    std::uint32_t size = 0;
  };

 public:
  /// A table for the key groups `range` of a job with `groups` key groups.
  keyed_table(key_group_range range, std::uint32_t groups, Rows rows = {})
      : range_(range), groups_(groups), rows_(std::move(rows)),
        row_offset_(align_up(key_offset + sizeof(Key), rows_.alignment())),
        stride_(align_up(row_offset_ + rows_.size(), slot_alignment())),
        segments_(std::make_unique<segment[]>(range.size())), changes_(range.size()) {}

  keyed_table(const keyed_table&) = delete;
  keyed_table& operator=(const keyed_table&) = delete;

  ~keyed_table() {
    for (std::uint32_t i = 0; i < range_.size(); ++i)
      release(segments_[i]);
  }

  /// The row of `key`, made with its default value where there is none: `created` tells.
  struct located {
    std::byte* row;
    bool created;
  };

  located find_or_create(std::uint64_t hash, const Key& key) {
    segment& part = segment_of(hash);
    const std::uint32_t tag = tag_of(hash);
    if (part.slots) [[likely]] {
      for (std::uint32_t i = tag & part.mask;; i = (i + 1) & part.mask) {
        std::byte* slot = slot_at(part, i);
        const std::uint32_t found = tag_in(slot);
        if (found == tag && key_in(slot) == key) [[likely]]
          return {row_in(slot), false};
        if (found == 0)
          break;
      }
    }
    return {insert(part, tag, key), true};
  }

  /// Where rows are to be expected, for going over a batch twice: once to begin to load the slots of its
  /// keys into the cache, and once to use them. Valid until layout() changes.
  class expectations {
   public:
    explicit expectations(const keyed_table& table) noexcept
        : segments_(table.segments_.get()), first_(table.range_.first), groups_(table.groups_),
          stride_(table.stride()) {}

    /// The slot that a key with this hash is in, if no other key is there; nullptr for a group without keys.
    /// Inlined always: GCC drops calls of a function that does little but prefetch.
    [[gnu::always_inline]] std::byte* operator()(std::uint64_t hash) const noexcept {
      const segment& part = segments_[key_group_of(hash, groups_).value - first_];
      if (!part.slots) [[unlikely]]
        return nullptr;
      std::byte* const slot = part.slots + std::size_t{tag_of(hash) & part.mask} * stride();
      __builtin_prefetch(slot, 1);
      // The next probe, and the end of a slot on two lines.
      __builtin_prefetch(slot + std::min<std::size_t>(64, stride()), 1);
      return slot;
    }

   private:
    std::size_t stride() const noexcept {
      if constexpr (has_static_rows)
        return keyed_table::static_stride();
      else
        return stride_;
    }

    const segment* segments_;
    std::uint32_t first_;
    std::uint32_t groups_;
    std::size_t stride_;
  };

  /// Another number whenever rows have got new slots.
  std::uint64_t layout() const noexcept { return layout_; }
  /// The same for the rows of one group; but a row that is removed may have another in its slot.
  std::uint64_t layout(key_group group) const { return changes_of(group).layout; }

  /// The row of a key with this hash that is_key() is true of, if it is in the slot where it was expected, as it most
  /// often is, and has changed in this version already; otherwise nullptr.
  template <class IsKey>
  [[gnu::always_inline]] std::byte* changed_expected(std::byte* slot, std::uint64_t hash, IsKey&& is_key) const {
    const bool is_it = head_in(slot).is_like({tag_of(hash), version_}) && is_key(std::as_const(key_in(slot)));
    return is_it ? row_in(slot) : nullptr;
  }

  /// The same row, to be changed, if it is in that slot or in one of a few behind it; otherwise nullptr.
  template <class IsKey>
  [[gnu::always_inline]] std::byte* change_near(std::byte* slot, std::uint64_t hash, IsKey&& is_key) {
    constexpr int most_probes = 16;
    const segment& part = segment_of(hash);
    const std::uint32_t tag = tag_of(hash);
    for (int probe = 0; probe != most_probes && tag_in(slot) != 0; ++probe, slot = slot_behind(slot, part))
      if (tag_in(slot) == tag && is_key(std::as_const(key_in(slot)))) {
        std::byte* const row = row_in(slot);
        set_changed(hash, row);
        return row;
      }
    return nullptr;
  }

  /// The row of `key`, or nullptr.
  std::byte* find(std::uint64_t hash, const Key& key) const {
    const segment& part = segment_of(hash);
    if (!part.slots)
      return nullptr;
    std::byte* slot = find_slot(part, tag_of(hash), [&key](const Key& found) { return found == key; });
    return slot ? row_in(slot) : nullptr;
  }

  /// Removes `key` with its row. Returns whether it was there.
  bool erase(std::uint64_t hash, const Key& key) {
    segment& part = segment_of(hash);
    const auto is_it = [&key](const Key& found) { return found == key; };
    std::byte* slot = part.slots ? find_slot(part, tag_of(hash), is_it) : nullptr;
    if (!slot)
      return false;
    erase_slot(part, slot);
    return true;
  }

  /// Removes all keys that have this hash, and the memory of the group where none is left: they are elsewhere from now
  /// on, and that is no change.
  void drop(std::uint64_t hash) {
    segment& part = segment_of(hash);
    const auto is_it = [hash](const Key& found) { return hash_of(found) == hash; };
    while (std::byte* slot = part.slots ? find_slot(part, tag_of(hash), is_it) : nullptr) {
      group_changes& changes = changes_of(hash);
      if (head_in(slot).version() == version_ && changes.rows != 0)
        --changes.rows;
      erase_slot(part, slot);
    }
    if (part.size == 0 && part.slots) {
      free(part);
      note_layout(part);
      part = segment{};
    }
  }

  /// The version of the changes that are made now. A row that is made new has no version, 0, until it
  /// is said to have changed.
  std::uint32_t version() const noexcept { return version_; }
  void next_version() {
    constexpr std::uint32_t last = (std::uint32_t{1} << 30) - 1; // what a slot has room for
    if (version_ == last)
      throw std::length_error("the changes of keyed state cannot be counted any further: the job goes on from "
                              "its last checkpoint, and counts anew");
    ++version_;
  }

  /// `row`, which find() or find_or_create() has returned for a key with this hash, changes.
  void set_changed(std::uint64_t hash, std::byte* row) noexcept {
    slot_head& head = head_in(slot_of(row));
    if (!head.is_changed_in(version_)) [[unlikely]]
      change(head, hash, false);
  }

  /// The same for a row that does not change, but is to count as one that has: a tombstone stays one.
  void touch(std::uint64_t hash, std::byte* row) noexcept {
    slot_head& head = head_in(slot_of(row));
    change(head, hash, head.is_tombstone());
  }

  /// `row`, which has changed, is empty now, and is kept until it changes again: it tells that its key is gone.
  void set_tombstone(std::uint64_t hash, std::byte* row) noexcept { change(head_in(slot_of(row)), hash, true); }
  bool is_tombstone(const std::byte* row) const noexcept { return head_in(slot_of(row)).is_tombstone(); }

  /// How many more keys a group has than rows on disk, if this is a cache of those: rows that have changed and are
  /// not there, less the tombstones of those that are.
  std::int64_t keys_beyond_disk(key_group group) const { return changes_of(group).keys_beyond_disk; }

  /// The version in which `row`, of a key of this table, has changed last.
  std::uint32_t version_of(const std::byte* row) const noexcept { return head_in(slot_of(row)).version(); }

  /// Whether there is a row of the same key on disk. The table keeps what it is told.
  bool is_on_disk(const std::byte* row) const noexcept { return head_in(slot_of(row)).is_on_disk(); }
  void set_on_disk(std::byte* row) noexcept { head_in(slot_of(row)).set_on_disk(); }

  /// Whether note_removal() for a key with this hash would forget what was removed from its group so far: a snapshot
  /// had rather write the group anew.
  bool forgets_removals(std::uint64_t hash) const {
    return changes_of(hash).removed.size() > segment_of(hash).size + 64;
  }

  /// The key of a row that snapshots may hold is about to be erased.
  void note_removal(std::uint64_t hash, const Key& key) {
    group_changes& changes = changes_of(hash);
    note_change(changes);
    if (forgets_removals(hash)) {
      changes.lost = version_;
      changes.removed = {};
    } else {
      changes.removed.push_back({key, version_});
    }
  }

  /// Whether all that has changed in a group after version `since` is known: it is, unless the group was
  /// cleared or too much was removed.
  bool knows_changes(key_group group, std::uint32_t since) const { return changes_of(group).lost <= since; }

  /// Whether anything has changed in a group after version `since`.
  bool has_changed(key_group group, std::uint32_t since) const { return changes_of(group).last > since; }

  /// About how many rows of a group have changed in this version, without those that were dropped.
  std::uint32_t changed_now(key_group group) const {
    const group_changes& changes = changes_of(group);
    return changes.last == version_ ? changes.rows : 0;
  }

  /// Calls visit(key) for the keys of a group that were removed after version `since` and up to `until`. There may
  /// be a row for them again.
  template <class Visit>
  void for_each_removed(key_group group, std::uint32_t since, std::uint32_t until, Visit&& visit) const {
    for (const removed_key& one : changes_of(group).removed)
      if (one.version > since && one.version <= until)
        visit(one.key);
  }

  /// Calls use(rows) with some at a time, a std::span<row_at<Key>>, of the rows of a group that have not changed after
  /// version `until`: of all of them, or of those that have after version `since`. Looks at about `most` slots from slot
  /// `begin` on, and returns where to go on: at slots(group) it has seen all. As long as layout(group) is the same, what
  /// has been seen may come again, but what has not comes, whatever is added and removed meanwhile.
  template <class Use>
  std::size_t for_each_until(key_group group, std::optional<std::uint32_t> since, std::uint32_t until,
                             std::size_t begin, std::size_t most, Use&& use) const {
    const segment& part = segments_[group.value - range_.first];
    const std::size_t end = slots(group);
    const std::int64_t after = since ? std::int64_t{*since} : -1;
    std::array<row_at<Key>, rows_at_once> found;
    std::size_t count = 0;
    std::size_t i = begin;
    // Stops at a free slot: what is behind it has its home there, and so is never moved before it.
    for (; i < end && (i - begin < most || tag_in(slot_at(part, i)) != 0); ++i) {
      std::byte* const slot = slot_at(part, i);
      const std::int64_t version = head_in(slot).version();
      __builtin_prefetch(slot + bytes_ahead); // use() makes the processor forget that it goes straight on
      // Whether a slot is free, and its row wanted, no branch predictor knows.
      found[count] = {&key_in(slot), row_in(slot)};
      count += static_cast<std::size_t>(tag_in(slot) != 0) & static_cast<std::size_t>(version <= until) &
               static_cast<std::size_t>(version > after);
      if (count == found.size())
        use(std::span(found.data(), std::exchange(count, 0)));
    }
    if (count != 0)
      use(std::span(found.data(), count));
    return i;
  }

  /// Calls visit(key, row) for about `count` rows of a group, in the order of their reversed hashes, so far as slots
  /// follow it: from place `begin` of this order on, and behind its end from its beginning on. Returns the place to go
  /// on at, which slots of any number have.
  ///
  /// Cost: as of so many rows, however many there are.
  template <class Visit>
  std::uint32_t for_each_in_order(key_group group, std::uint32_t begin, std::size_t count, Visit&& visit) const {
    const segment& part = segments_[group.value - range_.first];
    if (part.size == 0)
      return begin;
    const int shift = 32 - std::bit_width(part.mask);
    std::uint32_t at = begin >> shift;
    std::size_t visited = 0;
    for (std::uint32_t left = part.mask + 1; left != 0 && visited < count; --left, at = (at + 1) & part.mask) {
      __builtin_prefetch(slot_at(part, home_at(at + slots_ahead, shift)));
      const std::uint32_t home = home_at(at, shift);
      for (std::uint32_t i = home; tag_in(slot_at(part, i)) != 0; i = (i + 1) & part.mask)
        if (std::byte* const slot = slot_at(part, i); (tag_in(slot) & part.mask) == home) {
          visit(std::as_const(key_in(slot)), row_in(slot));
          ++visited;
        }
    }
    return at << shift;
  }

  /// The slot that a row of a group is in.
  std::size_t slot_number(key_group group, const std::byte* row) const {
    return static_cast<std::size_t>(slot_of(row) - segments_[group.value - range_.first].slots) / stride();
  }

  /// Nobody will ask what was removed up to this version.
  void forget_changes(std::uint32_t last) {
    for (group_changes& changes : changes_)
      std::erase_if(changes.removed, [last](const removed_key& one) { return one.version <= last; });
  }

  /// Where a sweep() goes on.
  struct sweep_position {
    std::uint32_t group = 0; ///< counted from the first of the table
    std::uint32_t slot = 0;
  };

  /// Looks at the next `count` keys, round and round over all groups: calls is_dead(key, row) and
  /// removes those for which it is true. A key that is added or removed meanwhile may be passed over
  /// until the next round.
  template <class IsDead>
  void sweep(sweep_position& at, std::uint32_t count, IsDead&& is_dead) {
    // Sparse parts are passed over, but not without end.
    for (std::uint32_t budget = 8 * count; count != 0 && budget != 0; --budget) {
      segment& part = segments_[at.group];
      if (at.slot > part.mask || !part.slots) {
        at.group = (at.group + 1) % range_.size();
        at.slot = 0;
        continue;
      }
      std::byte* slot = slot_at(part, at.slot);
      if (tag_in(slot) == 0) {
        ++at.slot;
        continue;
      }
      --count;
      if (is_dead(std::as_const(key_in(slot)), row_in(slot)))
        erase_slot(part, slot); // another key may be here now
      else
        ++at.slot;
    }
  }

  /// Begins to load the slot where `hash` lives into the cache. Inlined always: GCC drops calls of a
  /// function that does nothing but this as calls without effect.
  [[gnu::always_inline]] void prefetch(std::uint64_t hash) const noexcept {
    const segment& part = segment_of(hash);
    const std::byte* slot = part.slots + std::size_t{tag_of(hash) & part.mask} * stride();
    __builtin_prefetch(slot, 1);
    __builtin_prefetch(slot + stride(), 1); // where the next probe is, and the end of a slot on two lines
  }

  /// Calls visit(const Key&, std::byte* row) for every key that may have this hash: 31 of its bits are
  /// compared. It must not insert or erase.
  template <class Visit>
  void for_each_of(std::uint64_t hash, Visit&& visit) const {
    const segment& part = segment_of(hash);
    if (!part.slots)
      return;
    const std::uint32_t tag = tag_of(hash);
    for (std::uint32_t i = tag & part.mask;; i = (i + 1) & part.mask) {
      std::byte* slot = slot_at(part, i);
      if (tag_in(slot) == 0)
        return;
      if (tag_in(slot) == tag)
        visit(std::as_const(key_in(slot)), row_in(slot));
    }
  }

  /// Makes room for so many keys in one group.
  void reserve(key_group group, std::size_t keys) {
    segment& part = segments_[group.value - range_.first];
    std::uint32_t capacity = std::max(least_capacity, part.mask + 1);
    while (most_keys(capacity) < keys)
      capacity *= 2;
    if (!part.slots || capacity > part.mask + 1)
      rehash(part, capacity);
  }

  /// Calls visit(const Key&, std::byte* row) for every key of one group, in no particular order.
  template <class Visit>
  void for_each(key_group group, Visit&& visit) const {
    const segment& part = segments_[group.value - range_.first];
    for (std::uint32_t i = 0; part.slots && i <= part.mask; ++i)
      if (std::byte* slot = slot_at(part, i); tag_in(slot) != 0)
        visit(std::as_const(key_in(slot)), row_in(slot));
  }

  /// Removes all keys of one group and gives its memory back.
  void clear(key_group group) {
    segment& part = segments_[group.value - range_.first];
    size_ -= part.size;
    release(part);
    note_layout(part);
    part = segment{};
    group_changes& changes = changes_[group.value - range_.first];
    changes.last = changes.lost = version_;
    changes.removed = {};
    changes.keys_beyond_disk = 0;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t size(key_group group) const { return segments_[group.value - range_.first].size; }
  /// How many rows the group has memory for.
  std::size_t slots(key_group group) const {
    const segment& part = segments_[group.value - range_.first];
    return part.slots ? std::size_t{part.mask} + 1 : 0;
  }
  /// How much more memory the group takes soon; 0 where it has slots enough for now.
  std::size_t next_growth(key_group group) const {
    const std::size_t size = slots(group);
    return this->size(group) > most_keys(static_cast<std::uint32_t>(size)) / 16 * std::size_t{15} ? size * stride() : 0;
  }
  std::size_t memory() const noexcept { return memory_; }
  key_group_range range() const noexcept { return range_; }
  std::uint32_t groups() const noexcept { return groups_; }
  const Rows& rows() const noexcept { return rows_; }

 private:
  static constexpr std::uint32_t least_capacity = 8;
  /// What stands before the key in a slot. Tag 0: the slot is free.
  class slot_head {
   public:
    slot_head() = default;
    slot_head(std::uint32_t tag, std::uint32_t version) noexcept : all_(std::uint64_t{version} << 32 | tag) {}
    std::uint32_t tag() const noexcept { return static_cast<std::uint32_t>(all_); }
    std::uint32_t version() const noexcept {
      return static_cast<std::uint32_t>((all_ & ~(on_disk | tombstone)) >> 32);
    }
    void set_changed(std::uint32_t version, bool is_tombstone) noexcept {
      all_ = (all_ & on_disk) | (is_tombstone ? tombstone : 0) | std::uint64_t{version} << 32 | tag();
    }
    bool is_on_disk() const noexcept { return (all_ & on_disk) != 0; }
    void set_on_disk() noexcept { all_ |= on_disk; }
    bool is_tombstone() const noexcept { return (all_ & tombstone) != 0; }
    /// Whether it has this version, and is no tombstone.
    bool is_changed_in(std::uint32_t version) const noexcept { return (all_ & ~on_disk) >> 32 == version; }
    /// Whether it has the same tag and version, and both are a tombstone or not.
    bool is_like(const slot_head& other) const noexcept { return ((all_ ^ other.all_) & ~on_disk) == 0; }
    /// By how much there are more keys with it than on disk.
    int keys_beyond_disk() const noexcept { return version() == 0 ? 0 : !is_tombstone() - is_on_disk(); }

   private:
    static constexpr std::uint64_t on_disk = std::uint64_t{1} << 63;
    static constexpr std::uint64_t tombstone = std::uint64_t{1} << 62; // versions have 30 bits
    std::uint64_t all_ = 0; // so that one comparison tells
  };
  static constexpr std::size_t key_offset = std::max(alignof(Key), sizeof(slot_head));

  /// How many rows are found before they are used: no more than the first-level cache holds.
  static constexpr std::size_t rows_at_once = 256;

  /// How far ahead slots are prefetched, where they are visited in their order.
  static constexpr std::size_t bytes_ahead = 1536;

  /// How many homes before its own a slot is prefetched, where they are visited out of their order.
  static constexpr std::uint32_t slots_ahead = 8;

  /// The home at a place in the order of reversed bits.
  static std::uint32_t home_at(std::uint32_t place, int shift) noexcept {
    return static_cast<std::uint32_t>(reversed_bits(place) >> 32) >> shift;
  }

  /// How many keys so many slots hold at most. Small segments are kept sparse: where the caches hold them, a
  /// second probe, a mispredicted branch, costs more than the memory.
  static constexpr std::uint32_t most_keys(std::uint32_t capacity) noexcept {
    return capacity <= 64 ? capacity / 4 : capacity <= 1024 ? capacity / 8 * 3 : capacity / 8 * 5;
  }

  struct removed_key {
    Key key;
    std::uint32_t version;
  };
  struct group_changes {
    std::uint32_t last = 0; // version of the last change
    std::uint32_t rows = 0; // that have changed in it
    std::uint32_t lost = 0; // changes up to this version cannot be told
    std::uint64_t layout = 0;
    std::int64_t keys_beyond_disk = 0;
    std::vector<removed_key> removed;
  };

  static constexpr std::size_t align_up(std::size_t size, std::size_t alignment) {
    return (size + alignment - 1) / alignment * alignment;
  }

  constexpr std::size_t slot_alignment() const {
    return std::max({alignof(Key), alignof(slot_head), rows_.alignment()});
  }

  static constexpr std::size_t static_stride() noexcept
    requires has_static_rows
  {
    constexpr std::size_t row_offset = align_up(key_offset + sizeof(Key), Rows::alignment());
    constexpr std::size_t alignment = std::max({alignof(Key), alignof(slot_head), Rows::alignment()});
    return align_up(row_offset + Rows::size(), alignment);
  }

  std::size_t stride() const noexcept {
    if constexpr (has_static_rows)
      return std::integral_constant<std::size_t, static_stride()>{};
    else
      return stride_;
  }

  static std::uint32_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash) | 0x80000000; // never 0; no table is as large as to need that bit
  }
  static slot_head& head_in(std::byte* slot) {
    return *std::launder(reinterpret_cast<slot_head*>(slot));
  }
  static const slot_head& head_in(const std::byte* slot) {
    return *std::launder(reinterpret_cast<const slot_head*>(slot));
  }
  static std::uint32_t tag_in(const std::byte* slot) { return head_in(slot).tag(); }
  static Key& key_in(std::byte* slot) {
    return *std::launder(reinterpret_cast<Key*>(slot + key_offset));
  }
  std::size_t row_offset() const noexcept {
    if constexpr (has_static_rows)
      return std::integral_constant<std::size_t, align_up(key_offset + sizeof(Key), Rows::alignment())>{};
    else
      return row_offset_;
  }
  std::byte* row_in(std::byte* slot) const noexcept { return slot + row_offset(); }
  std::byte* slot_of(std::byte* row) const noexcept { return row - row_offset(); }
  const std::byte* slot_of(const std::byte* row) const noexcept { return row - row_offset(); }
  /// Where a key goes that finds this slot taken.
  std::byte* slot_behind(std::byte* slot, const segment& part) const noexcept {
    std::byte* const next = slot + stride();
    return next == slot_at(part, part.mask) + stride() ? part.slots : next;
  }
  std::byte* slot_at(const segment& part, std::uint32_t i) const noexcept {
    return part.slots + std::size_t{i} * stride();
  }
  segment& segment_of(std::uint64_t hash) const noexcept {
    return segments_[key_group_of(hash, groups_).value - range_.first];
  }
  group_changes& changes_of(std::uint64_t hash) { return changes_[key_group_of(hash, groups_).value - range_.first]; }
  const group_changes& changes_of(std::uint64_t hash) const { return changes_of(key_group_of(hash, groups_)); }
  const group_changes& changes_of(key_group group) const { return changes_[group.value - range_.first]; }

  [[gnu::noinline]] void change(slot_head& head, std::uint64_t hash, bool is_tombstone) noexcept {
    group_changes& changes = changes_of(hash);
    if (head.version() != version_)
      note_change(changes);
    changes.keys_beyond_disk -= head.keys_beyond_disk();
    head.set_changed(version_, is_tombstone);
    changes.keys_beyond_disk += head.keys_beyond_disk();
  }

  void note_change(group_changes& changes) const noexcept {
    if (changes.last != version_)
      changes.rows = 0;
    changes.last = version_;
    ++changes.rows;
  }

  void note_layout(const segment& part) {
    ++layout_;
    ++changes_[static_cast<std::size_t>(&part - segments_.get())].layout;
  }

  template <class IsKey>
  std::byte* find_slot(const segment& part, std::uint32_t tag, const IsKey& is_key) const {
    for (std::uint32_t i = tag & part.mask;; i = (i + 1) & part.mask) {
      std::byte* slot = slot_at(part, i);
      if (tag_in(slot) == tag && is_key(std::as_const(key_in(slot))))
        return slot;
      if (tag_in(slot) == 0)
        return nullptr;
    }
  }

  void erase_slot(segment& part, std::byte* slot) {
    changes_[static_cast<std::size_t>(&part - segments_.get())].keys_beyond_disk -= head_in(slot).keys_beyond_disk();
    std::destroy_at(&key_in(slot));
    rows_.destroy(row_in(slot));
    close_gap(part, static_cast<std::uint32_t>((slot - part.slots) / stride()));
    --part.size;
    --size_;
    const std::uint32_t half = (part.mask + 1) / 2;
    if (half >= least_capacity && part.size < most_keys(half) / 2)
      rehash(part, half);
  }

  std::byte* free_slot(const segment& part, std::uint32_t tag) const {
    std::uint32_t i = tag & part.mask;
    while (tag_in(slot_at(part, i)) != 0)
      i = (i + 1) & part.mask;
    return slot_at(part, i);
  }

  [[gnu::noinline]] std::byte* insert(segment& part, std::uint32_t tag, const Key& key) {
    if (!part.slots)
      rehash(part, least_capacity);
    else if (part.size >= most_keys(part.mask + 1))
      rehash(part, (part.mask + 1) * 2);
    std::byte* slot = free_slot(part, tag);
    ::new (static_cast<void*>(slot + key_offset)) Key(key);
    rows_.construct(row_in(slot));
    head_in(slot) = {tag, 0};
    ++part.size;
    ++size_;
    return row_in(slot);
  }

  void relocate(std::byte* to, std::byte* from) noexcept {
    head_in(to) = head_in(from);
    if constexpr (std::is_trivially_copyable_v<Key>) {
      std::memcpy(to + key_offset, from + key_offset, sizeof(Key));
    } else {
      ::new (static_cast<void*>(to + key_offset)) Key(std::move(key_in(from)));
      std::destroy_at(&key_in(from));
    }
    rows_.relocate(row_in(to), row_in(from));
  }

  // Linear probing without tombstones: moves every later entry of the run that may live here.
  void close_gap(segment& part, std::uint32_t gap) {
    for (std::uint32_t i = (gap + 1) & part.mask;; i = (i + 1) & part.mask) {
      std::byte* slot = slot_at(part, i);
      if (tag_in(slot) == 0)
        break;
      const std::uint32_t home = tag_in(slot) & part.mask;
      if (((i - home) & part.mask) >= ((i - gap) & part.mask)) {
        relocate(slot_at(part, gap), slot);
        gap = i;
      }
    }
    head_in(slot_at(part, gap)) = {};
  }

  [[gnu::noinline]] void rehash(segment& part, std::uint32_t capacity) {
    segment grown;
    grown.slots = allocator_.allocate(capacity * stride());
    grown.mask = capacity - 1;
    grown.size = part.size;
    memory_ += capacity * stride();
    for (std::uint32_t i = 0; i < capacity; ++i)
      ::new (static_cast<void*>(slot_at(grown, i))) slot_head;
    for (std::uint32_t i = 0; part.slots && i <= part.mask; ++i) {
      std::byte* slot = slot_at(part, i);
      if (tag_in(slot) != 0)
        relocate(free_slot(grown, tag_in(slot)), slot);
    }
    free(part);
    part = grown;
    note_layout(part);
  }

  void free(segment& part) noexcept {
    if (part.slots) {
      const std::size_t size = (std::size_t{part.mask} + 1) * stride();
      allocator_.free(part.slots, size);
      memory_ -= size;
    }
  }

  void release(segment& part) noexcept {
    constexpr bool trivial = std::is_trivially_destructible_v<Key>;
    for (std::uint32_t i = 0; part.slots && !(trivial && rows_.is_flat()) && i <= part.mask; ++i) {
      std::byte* slot = slot_at(part, i);
      if (tag_in(slot) != 0) {
        std::destroy_at(&key_in(slot));
        rows_.destroy(row_in(slot));
      }
    }
    free(part);
  }

  key_group_range range_;
  std::uint32_t groups_;
  Rows rows_;
  std::size_t row_offset_;
  std::size_t stride_;
  table_memory allocator_;
  std::unique_ptr<segment[]> segments_;
  std::vector<group_changes> changes_;
  std::uint32_t version_ = restored_version;
  std::size_t size_ = 0;
  std::size_t memory_ = 0;
  std::uint64_t layout_ = 0;
};

} // namespace weir
