#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/hash.hpp>
#include <weir/state/dense_map.hpp>
#include <weir/state/row_column.hpp>

namespace weir {

/// One entry of a map state.
template <class Key, class Value>
struct map_entry {
  Key key;
  Value value;
};

namespace detail {

/// The map of one key: its entries, and what of them is on disk.
///
/// With state on disk an entry has a mark. Those that the program has asked for in vain are kept as
/// absent, and so are erased ones until they are erased on disk. Unless the map is complete, there
/// may be entries on disk that are not here.
template <class Key, class Value>
struct map_contents {
  static constexpr std::uint8_t changed = 1;
  static constexpr std::uint8_t absent = 2;
  static constexpr std::uint32_t none = dense_map<map_entry<Key, Value>>::none;

  dense_map<map_entry<Key, Value>> entries;
  std::vector<std::int64_t> stamps; ///< one for each entry, with a time to live
  std::vector<std::uint8_t> marks;  ///< one for each entry, with state on disk
  std::uint64_t count = 0;          ///< entries of the map, here or on disk
  bool complete = true;
  bool rewrite = false; ///< what is on disk no longer counts

  bool is_absent(std::uint32_t i) const { return !marks.empty() && (marks[i] & absent) != 0; }

  /// The index of the entry with `key`, or none; looks on disk where that is necessary.
  std::uint32_t find(std::uint64_t hash, const Key& key, std::uint32_t column, bool timed,
                     row_entries* on_disk) {
    std::uint32_t i = entries.find(hash, key);
    if (i != none)
      return is_absent(i) ? none : i;
    if (complete || !on_disk)
      return none;
    const bool found = on_disk->find(column, hash, [&](std::string_view entry) {
      return load_entry(entry, timed, [&](const Key& there) { return there == key; }) != none;
    });
    if (found)
      return entries.find(hash, key);
    add(hash, {key, Value{}}, timed, 0, true);
    marks.back() = absent;
    return none;
  }

  /// Adds an entry that find() has not found. Returns its index.
  std::uint32_t insert(std::uint64_t hash, const Key& key, bool timed, std::int64_t now, bool on_disk) {
    ++count;
    std::uint32_t i = marks.empty() ? none : entries.find(hash, key); // kept as absent
    if (i == none)
      i = add(hash, {key, Value{}}, timed, now, on_disk);
    else if (timed)
      stamps[i] = now;
    if (on_disk)
      marks[i] = changed;
    return i;
  }

  void erase(std::uint32_t i, bool on_disk) {
    --count;
    if (on_disk) {
      marks.resize(entries.size(), changed);
      marks[i] = changed | absent;
      entries[i].value = Value{};
      return;
    }
    const std::uint32_t last = entries.size() - 1;
    entries.erase(i);
    if (!stamps.empty()) {
      stamps[i] = stamps[last];
      stamps.pop_back();
    }
  }

  void load(std::uint32_t column, bool timed, row_entries& on_disk) {
    on_disk.scan(column, [&](std::string_view entry) {
      load_entry(entry, timed, [&](const Key& key) { return entries.find(hash_of(key), key) == none; });
      return true;
    });
    complete = true;
  }

  /// Removes expired entries. Needs the map to be complete.
  bool expire(const expiry& life, std::int64_t now, bool on_disk) {
    const std::uint64_t before = count;
    for (std::uint32_t i = 0; i < entries.size();) {
      if (!is_absent(i) && life.is_expired(stamps[i], now)) {
        erase(i, on_disk);
        if (!on_disk)
          continue; // another entry is here now
      }
      ++i;
    }
    return count != before;
  }

  void store(std::uint32_t column, bool timed, row_entries& on_disk) {
    if (rewrite)
      on_disk.erase_all(column);
    byte_writer out;
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      const std::uint8_t mark = marks.empty() ? changed : marks[i];
      if (!rewrite && (mark & changed) == 0)
        continue;
      const Key& key = entries[i].key;
      const auto is_it = [&](std::string_view entry) {
        byte_reader in(entry.substr(timed ? sizeof(std::int64_t) : 0));
        Key there{};
        decode(in, there);
        return there == key;
      };
      if ((mark & absent) != 0) {
        if (!rewrite)
          on_disk.erase(column, hash_of(key), is_it);
        continue;
      }
      out.clear();
      if (timed)
        out.write_raw(stamps[i]);
      encode(out, key);
      encode(out, entries[i].value);
      on_disk.put(column, hash_of(key), out.view(), is_it);
    }
    rewrite = false;
    marks.resize(entries.size());
    for (std::uint8_t& mark : marks)
      mark &= absent;
  }

 private:
  std::uint32_t add(std::uint64_t hash, map_entry<Key, Value> entry, bool timed, std::int64_t stamp,
                    bool marked) {
    const std::uint32_t i = entries.insert(hash, std::move(entry));
    if (timed)
      stamps.push_back(stamp);
    if (marked) {
      marks.resize(i, changed); // entries that came from a snapshot have no mark yet
      marks.push_back(0);
    }
    return i;
  }

  template <class Wanted>
  std::uint32_t load_entry(std::string_view bytes_on_disk, bool timed, Wanted&& wanted) {
    byte_reader in(bytes_on_disk);
    const std::int64_t stamp = timed ? in.read_raw<std::int64_t>() : 0;
    map_entry<Key, Value> entry{};
    decode(in, entry.key);
    if (!wanted(entry.key))
      return none;
    decode(in, entry.value);
    const std::uint64_t hash = hash_of(entry.key);
    return add(hash, std::move(entry), timed, stamp, true);
  }
};

template <class Key, class Value>
row_column make_map_column(std::string name, const state_options& options) {
  using contents = map_contents<Key, Value>;
  using cell = std::unique_ptr<contents>;
  const std::string start = "map<" + schema_of<Key>() + ", ";
  row_column column =
      column_of_cells<cell>(std::move(name), "map", start + schema_of<Value>() + ">", options);
  column.has_entries = true;
  add_migrations<Value>(column, options, start, ">");
  column.is_empty = [](const std::byte* place) {
    const cell& map = cell_at<cell>(place);
    return !map || map->count == 0;
  };
  column.write = [](const row_column& how, byte_writer& out, const std::byte* place, std::int64_t now) {
    const cell& map = cell_at<cell>(place);
    const std::size_t at = out.size();
    std::uint64_t count = 0;
    out.write_raw(count);
    if (!map)
      return;
    const bool skips = how.life.how().clean_in_snapshots;
    for (std::uint32_t i = 0; i < map->entries.size(); ++i) {
      if (how.life.is_set()) {
        if (skips && how.life.is_expired(map->stamps[i], now))
          continue;
        out.write_raw(map->stamps[i]);
      }
      encode(out, map->entries[i].key);
      encode(out, map->entries[i].value);
      ++count;
    }
    out.patch_raw(at, count);
  };
  column.read = [](const row_column& how, byte_reader& in, std::byte* place, const migration* from) {
    cell& map = cell_at<cell>(place);
    map.reset();
    const std::size_t count = in.read_size();
    if (count == 0)
      return;
    map = std::make_unique<contents>();
    for (std::size_t i = 0; i < count; ++i) {
      if (how.life.is_set())
        map->stamps.push_back(in.read_raw<std::int64_t>());
      map_entry<Key, Value> entry{};
      decode(in, entry.key);
      if (from)
        from->read(in, &entry.value);
      else
        decode(in, entry.value);
      const std::uint64_t hash = hash_of(entry.key);
      map->entries.insert(hash, std::move(entry));
    }
    map->count = count;
  };
  column.write_head = [](const row_column&, byte_writer& out, const std::byte* place) {
    const cell& map = cell_at<cell>(place);
    out.write_raw(map ? map->count : std::uint64_t{0});
  };
  column.read_head = [](const row_column&, byte_reader& in, std::byte* place) {
    const auto count = in.read_raw<std::uint64_t>();
    cell& map = cell_at<cell>(place);
    map.reset();
    if (count == 0)
      return;
    map = std::make_unique<contents>();
    map->count = count;
    map->complete = false;
  };
  column.store_entries = [](const row_column& how, std::uint32_t index, std::byte* place,
                            row_entries& on_disk) {
    if (const cell& map = cell_at<cell>(place))
      map->store(index, how.life.is_set(), on_disk);
  };
  column.expire = [](const row_column& how, std::uint32_t index, std::byte* place, std::int64_t now,
                     row_entries* on_disk) {
    const cell& map = cell_at<cell>(place);
    if (!map || !how.life.is_set())
      return false;
    if (!map->complete) {
      if (!on_disk)
        return false;
      map->load(index, true, *on_disk);
    }
    // Entries without marks have never been on disk.
    return map->expire(how.life, now, on_disk != nullptr || !map->marks.empty());
  };
  return column;
}

} // namespace detail

} // namespace weir
