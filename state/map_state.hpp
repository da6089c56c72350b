#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include <weir/state/map_contents.hpp>

namespace weir {

/// A map per key.
///
///     if (const int* steps = steps_.find(in.channel)) ...
///     ++steps_[in.channel];
///     for (const auto& [channel, steps] : steps_) ...
///
/// Declared with `state_registry::map`, or as map_of. Ownership, threads, errors and snapshots as
/// value_state; references to entries are valid until the next call of any function of the map.
/// Iteration is in no particular order.
///
/// Cost: finding, changing or erasing an entry touches no other, in memory or on disk. With state on
///       disk, iterating reads the whole map of the key into the cache.
template <class Key, class Value>
class map_state {
 public:
  using entry = map_entry<Key, Value>;

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const entry*;
    using reference = const entry&;

    const_iterator() = default;
    const_iterator(const detail::map_contents<Key, Value>* map, std::uint32_t i) : map_(map), i_(i) {
      skip_absent();
    }

    const entry& operator*() const { return map_->entries[i_]; }
    const entry* operator->() const { return &map_->entries[i_]; }
    const_iterator& operator++() {
      ++i_;
      skip_absent();
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const const_iterator& other) const { return i_ == other.i_; }

   private:
    void skip_absent() {
      while (map_ && i_ < map_->entries.size() && map_->is_absent(i_))
        ++i_;
    }

    const detail::map_contents<Key, Value>* map_ = nullptr;
    std::uint32_t i_ = 0;
  };

  map_state() = default;
  map_state(row_cursor& cursor, std::size_t column, expiry life)
      : cell_(cursor, column), life_(life) {}

  /// The value of `key`, or nullptr.
  const Value* find(const Key& key) const {
    detail::map_contents<Key, Value>* map = contents().get();
    const std::uint32_t i = map ? find_in(*map, hash_of(key), key) : none;
    if (i == none)
      return nullptr;
    if (life_.reading_refreshes())
      refresh(*map, i, false);
    return &map->entries[i].value;
  }
  bool contains(const Key& key) const { return find(key) != nullptr; }

  /// The value of `key`, or `otherwise`.
  Value value_or(const Key& key, Value otherwise) const {
    const Value* found = find(key);
    return found ? *found : otherwise;
  }

  void put(const Key& key, Value value) {
    const std::size_t size = detail::memory_of(value);
    (*this)[key] = std::move(value);
    cell_.note_entry(size);
  }

  /// The value of `key` to be changed in place, made with its default where there is none.
  Value& operator[](const Key& key) {
    std::unique_ptr<detail::map_contents<Key, Value>>& map = contents();
    if (!map) {
      map = std::make_unique<detail::map_contents<Key, Value>>();
      map->renewed = at().version;
    }
    const std::uint64_t hash = hash_of(key);
    std::uint32_t i = find_in(*map, hash, key);
    if (i == none) {
      i = map->insert(hash, key, life_.is_set(), at());
      cell_.note_entry(detail::memory_of(key) + sizeof(Value));
    } else {
      refresh(*map, i, true);
    }
    map->note_change(i, at());
    cell_.note_change();
    return map->entries[i].value;
  }

  /// Removes an entry. Returns whether it was there.
  bool erase(const Key& key) {
    detail::map_contents<Key, Value>* map = contents().get();
    const std::uint32_t i = map ? find_in(*map, hash_of(key), key) : none;
    if (i == none)
      return false;
    erase_at(*map, i);
    return true;
  }

  bool empty() const { return size() == 0; }
  std::size_t size() const {
    const detail::map_contents<Key, Value>* map =
        life_.is_set() && life_.hides_expired() ? readable() : contents().get();
    return map ? map->count : 0;
  }

  const_iterator begin() const {
    detail::map_contents<Key, Value>* map = readable();
    if (map && life_.reading_refreshes())
      for (std::uint32_t i = 0; i < map->entries.size(); ++i)
        if (!map->is_absent(i))
          refresh(*map, i, false);
    return {map, 0};
  }
  const_iterator end() const {
    const detail::map_contents<Key, Value>* map = readable();
    return {map, map ? map->entries.size() : 0};
  }

  /// Removes the map. A key without any value takes no memory.
  void clear() {
    std::unique_ptr<detail::map_contents<Key, Value>>& map = contents();
    if (map && is_on_disk()) {
      *map = {};
      map->renewed = at().version;
    } else {
      map.reset();
    }
    cell_.note_removal();
  }

 private:
  static constexpr std::uint32_t none = detail::map_contents<Key, Value>::none;

  std::unique_ptr<detail::map_contents<Key, Value>>& contents() const {
    return cell_.template get<std::unique_ptr<detail::map_contents<Key, Value>>>();
  }
  bool is_on_disk() const { return cell_.cursor().entries != nullptr; }
  const change_time& at() const { return cell_.cursor().at; }

  void note_access() const {
    std::uint32_t& to_clean = cell_.cursor().to_clean;
    to_clean = std::max(to_clean, life_.how().clean_per_access);
  }

  void erase_at(detail::map_contents<Key, Value>& map, std::uint32_t i) const {
    map.erase(i, at());
    map.settle(at());
    cell_.note_removal();
  }

  // What a reader sees: an expired entry that is to be hidden goes.
  std::uint32_t find_in(detail::map_contents<Key, Value>& map, std::uint64_t hash, const Key& key) const {
    const std::uint32_t known = map.entries.size();
    const std::uint32_t i = map.find(hash, key, cell_.column(), life_.is_set(), cell_.cursor().entries);
    if (map.entries.size() != known) // read from disk
      cell_.note_entry(detail::memory_of(key) + sizeof(Value));
    if (!life_.is_set())
      return i;
    note_access();
    if (i == none || !life_.hides_expired() || !life_.is_expired(map.stamps[i], at().now))
      return i;
    erase_at(map, i);
    return none;
  }

  // Reading does not bring back what has expired.
  void refresh(detail::map_contents<Key, Value>& map, std::uint32_t i, bool writing) const {
    const std::int64_t now = at().now;
    if (!life_.is_set() || map.stamps[i] == now || (!writing && life_.is_expired(map.stamps[i], now)))
      return;
    map.stamps[i] = now;
    map.note_change(i, at());
    cell_.note_change();
  }

  detail::map_contents<Key, Value>* readable() const {
    detail::map_contents<Key, Value>* map = contents().get();
    if (life_.is_set())
      note_access();
    if (!map)
      return nullptr;
    if (!map->complete) {
      map->load(cell_.column(), life_.is_set(), *cell_.cursor().entries);
      if (!map->entries.empty())
        cell_.note_entry(map->entries.size() *
                         (detail::memory_of(map->entries[0].key) + detail::memory_of(map->entries[0].value)));
    }
    if (life_.is_set() && life_.hides_expired() && map->expire(life_, at())) {
      map->settle(at());
      cell_.note_removal();
    }
    return map;
  }

  row_cell cell_;
  expiry life_;
};

/// Declares a map_state.
template <storable Key, storable Value>
struct map_of {
  using state = map_state<Key, Value>;
  std::string name;
  state_options options;

  template <class... Options>
  explicit map_of(std::string state_name, Options&&... more)
      : name(std::move(state_name)), options(std::forward<Options>(more)...) {}

  row_column column() const { return detail::make_map_column<Key, Value>(name, options); }
  state bind(row_cursor& cursor, std::size_t column) const {
    return state(cursor, column, expiry(options.life));
  }
};

} // namespace weir
