#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <weir/base/hash.hpp>

namespace weir {

/// A hash map whose entries lie one behind the other in an array: iterating is as fast as over a
/// vector, and a map of a few entries is nothing but that. Behind map_state and broadcast_state.
///
/// `Entry` is a struct with a member `key`. Entries are found by index; an erased one is replaced by
/// the last.
///
/// Cost: beside the entries 4 bytes for each, and 4 to 8 for the index from 9 entries on.
template <class Entry>
class dense_map {
 public:
  using key_type = decltype(Entry::key);

  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  /// The index of `key`, or none. `hash` is hash_of(key).
  std::uint32_t find(std::uint64_t hash, const key_type& key) const {
    const auto tag = static_cast<std::uint32_t>(hash);
    if (slots_.empty()) {
      for (std::uint32_t i = 0; i < entries_.size(); ++i)
        if (tags_[i] == tag && entries_[i].key == key)
          return i;
      return none;
    }
    for (std::uint32_t slot = tag & mask();; slot = (slot + 1) & mask()) {
      const std::uint32_t i = slots_[slot];
      if (i == none || (tags_[i] == tag && entries_[i].key == key))
        return i;
    }
  }

  /// Adds an entry whose key is not there. Returns its index.
  std::uint32_t insert(std::uint64_t hash, Entry entry) {
    if (entries_.size() >= none - 1)
      throw std::length_error("a map of one key holds at most 4294967294 entries");
    const auto i = static_cast<std::uint32_t>(entries_.size());
    tags_.push_back(static_cast<std::uint32_t>(hash));
    entries_.push_back(std::move(entry));
    if (!slots_.empty() && entries_.size() <= slots_.size() / 4 * 3)
      enter(i);
    else if (entries_.size() > most_unindexed)
      rebuild();
    return i;
  }

  void erase(std::uint32_t i) {
    const auto last = static_cast<std::uint32_t>(entries_.size() - 1);
    if (!slots_.empty()) {
      leave(slot_of(i));
      if (i != last)
        slots_[slot_of(last)] = i;
    }
    if (i != last) {
      entries_[i] = std::move(entries_[last]);
      tags_[i] = tags_[last];
    }
    entries_.pop_back();
    tags_.pop_back();
    if (entries_.capacity() > 2 * most_unindexed && entries_.size() < entries_.capacity() / 4)
      shrink();
  }

  void clear() { *this = {}; }

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }
  bool empty() const noexcept { return entries_.empty(); }

  /// The key of an entry must not be changed.
  Entry& operator[](std::uint32_t i) { return entries_[i]; }
  const Entry& operator[](std::uint32_t i) const { return entries_[i]; }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }

 private:
  static constexpr std::size_t most_unindexed = 8;

  std::uint32_t mask() const noexcept { return static_cast<std::uint32_t>(slots_.size() - 1); }

  std::uint32_t slot_of(std::uint32_t i) const {
    std::uint32_t slot = tags_[i] & mask();
    while (slots_[slot] != i)
      slot = (slot + 1) & mask();
    return slot;
  }

  void enter(std::uint32_t i) {
    std::uint32_t slot = tags_[i] & mask();
    while (slots_[slot] != none)
      slot = (slot + 1) & mask();
    slots_[slot] = i;
  }

  // Linear probing without tombstones: later members of the run move up.
  void leave(std::uint32_t gap) {
    for (std::uint32_t slot = (gap + 1) & mask(); slots_[slot] != none; slot = (slot + 1) & mask()) {
      const std::uint32_t home = tags_[slots_[slot]] & mask();
      if (((slot - home) & mask()) >= ((slot - gap) & mask())) {
        slots_[gap] = slots_[slot];
        gap = slot;
      }
    }
    slots_[gap] = none;
  }

  void rebuild() {
    slots_.assign(std::bit_ceil(entries_.size() * 2), none);
    for (std::uint32_t i = 0; i < entries_.size(); ++i)
      enter(i);
  }

  void shrink() {
    entries_.shrink_to_fit();
    tags_.shrink_to_fit();
    if (entries_.size() <= most_unindexed)
      std::vector<std::uint32_t>{}.swap(slots_);
    else
      rebuild();
    slots_.shrink_to_fit();
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> tags_;  // the low half of each entry's hash
  std::vector<std::uint32_t> slots_; // open addressing by tag; empty for few entries
};

} // namespace weir
