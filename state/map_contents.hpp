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

/// The map of one key: its entries, what of them is on disk, and which are in which snapshot.
///
/// Where somebody will ask what has changed, an entry has a mark: the version of its last change. Erased
/// entries are kept as absent until nobody can ask for them. With state on disk those that the program
/// has asked for in vain are kept as absent, too, and unless the map is complete, there may be entries on
/// disk that are not here.
template <class Key, class Value>
struct map_contents {
  static constexpr std::uint32_t none = dense_map<map_entry<Key, Value>>::none;

  struct mark {
    std::uint32_t version : 31 = 0;
    std::uint32_t absent : 1 = 0;
  };

  dense_map<map_entry<Key, Value>> entries;
  std::vector<std::int64_t> stamps; ///< one for each entry, with a time to live
  std::vector<mark> marks;          ///< one for each entry, or none: all are there and unchanged
  std::uint64_t count = 0;          ///< entries of the map, here or on disk
  std::uint32_t renewed = 0;        ///< what was there before this version no longer counts
  bool complete = true;

  bool is_absent(std::uint32_t i) const { return !marks.empty() && marks[i].absent != 0; }

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
    add(hash, {key, Value{}}, timed, 0);
    marks.resize(entries.size());
    marks.back() = {0, 1};
    return none;
  }

  /// Adds an entry that find() has not found. Returns its index.
  std::uint32_t insert(std::uint64_t hash, const Key& key, bool timed, const change_time& at) {
    ++count;
    std::uint32_t i = marks.empty() ? none : entries.find(hash, key); // kept as absent
    if (i == none)
      i = add(hash, {key, Value{}}, timed, at.now);
    else if (timed)
      stamps[i] = at.now;
    note_change(i, at);
    return i;
  }

  void note_change(std::uint32_t i, const change_time& at) {
    if (at.version == 0)
      return;
    marks.resize(entries.size());
    marks[i] = {at.version, 0};
  }

  void erase(std::uint32_t i, const change_time& at) {
    --count;
    if (at.version == 0) {
      remove(i);
      return;
    }
    note_change(i, at);
    marks[i].absent = 1;
    entries[i].value = Value{};
  }

  /// Forgets the erased entries that nobody can ask for. Where they would be more than the others, all that is
  /// there becomes new instead. What is on disk has to be erased there first.
  void settle(const change_time& at) {
    if (at.on_disk || entries.size() < 2 * count + 16)
      return;
    forget_absent(at.oldest);
    if (entries.size() < 2 * count + 16)
      return;
    renewed = at.version;
    forget_absent(at.version);
  }

  void load(std::uint32_t column, bool timed, row_entries& on_disk) {
    on_disk.scan(column, [&](std::string_view entry) {
      load_entry(entry, timed, [&](const Key& key) { return entries.find(hash_of(key), key) == none; });
      return true;
    });
    complete = true;
  }

  /// Loads the expired entries that are only on disk.
  void load_expired(std::uint32_t column, const expiry& life, const change_time& at, row_entries& on_disk) {
    on_disk.scan(column, [&](std::string_view entry) {
      if (life.is_expired(byte_reader(entry).read_raw<std::int64_t>(), at.now))
        load_entry(entry, true, [&](const Key& key) { return entries.find(hash_of(key), key) == none; });
      return true;
    });
  }

  /// Removes expired entries, of those that are here.
  bool expire(const expiry& life, const change_time& at) {
    const std::uint64_t before = count;
    for (std::uint32_t i = 0; i < entries.size();) {
      const std::uint32_t size = entries.size();
      if (!is_absent(i) && life.is_expired(stamps[i], at.now))
        erase(i, at);
      if (entries.size() == size) // otherwise another entry is here now
        ++i;
    }
    return count != before;
  }

  /// For a snapshot: all entries, or those that the one before lacks.
  void write(byte_writer& out, const expiry& life, const cell_extent& extent) const {
    const bool whole = !(extent.is_delta || extent.on_disk) || renewed > extent.since;
    out.write_raw(static_cast<std::uint8_t>(whole));
    const auto skips = [&](std::uint32_t i) {
      if (!whole && (marks.empty() || marks[i].version <= extent.since))
        return true;
      return life.is_set() && life.how().clean_in_snapshots && life.is_expired(stamps[i], extent.now);
    };
    write_counted(out, [&](std::uint32_t i) {
      // An entry that is left out must not be found in an older snapshot.
      if (whole || marks.empty() || marks[i].version <= extent.since || (!is_absent(i) && !skips(i)))
        return false;
      encode(out, entries[i].key);
      return true;
    });
    write_counted(out, [&](std::uint32_t i) {
      if (is_absent(i) || skips(i))
        return false;
      if (life.is_set())
        out.write_raw(stamps[i]);
      encode(out, entries[i].key);
      encode(out, entries[i].value);
      return true;
    });
  }

  /// Applies what write() wrote; `decode_value(in, value)` reads a value.
  template <class Decode>
  void read(byte_reader& in, bool timed, Decode&& decode_value) {
    if (in.read_truth()) {
      entries.clear();
      stamps.clear();
    }
    for (std::size_t left = in.read_size(); left != 0; --left) {
      Key key{};
      decode(in, key);
      if (const std::uint32_t i = entries.find(hash_of(key), key); i != none)
        remove(i);
    }
    for (std::size_t left = in.read_size(); left != 0; --left) {
      const std::int64_t stamp = timed ? in.read_raw<std::int64_t>() : 0;
      Key key{};
      decode(in, key);
      const std::uint64_t hash = hash_of(key);
      std::uint32_t i = entries.find(hash, key);
      if (i == none)
        i = add(hash, {std::move(key), Value{}}, timed, stamp);
      else if (timed)
        stamps[i] = stamp;
      decode_value(in, entries[i].value);
    }
    count = entries.size();
    renewed = restored_version;
  }

  /// Brings what is on disk up to date, where all that has no version is.
  void store(std::uint32_t column, bool timed, row_entries& on_disk) const {
    const bool whole = renewed != 0;
    if (whole)
      on_disk.erase_all(column);
    byte_writer out;
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      if (!whole && (marks.empty() || marks[i].version == 0))
        continue;
      const Key& key = entries[i].key;
      const auto is_it = [&](std::string_view entry) {
        byte_reader in(entry.substr(timed ? sizeof(std::int64_t) : 0));
        Key there{};
        decode(in, there);
        return there == key;
      };
      if (is_absent(i)) {
        if (!whole)
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
  }

 private:
  // Writes how often `write_one` returned true, and before that what it has written.
  template <class WriteOne>
  void write_counted(byte_writer& out, WriteOne&& write_one) const {
    const std::size_t at = out.size();
    std::uint64_t written = 0;
    out.write_raw(written);
    for (std::uint32_t i = 0; i < entries.size(); ++i)
      written += write_one(i);
    out.patch_raw(at, written);
  }

  std::uint32_t add(std::uint64_t hash, map_entry<Key, Value> entry, bool timed, std::int64_t stamp) {
    const std::uint32_t i = entries.insert(hash, std::move(entry));
    if (timed)
      stamps.push_back(stamp);
    if (!marks.empty())
      marks.push_back({});
    return i;
  }

  void remove(std::uint32_t i) {
    entries.erase(i);
    const auto leave = [i](auto& of_each) {
      if (of_each.empty())
        return;
      of_each[i] = of_each.back();
      of_each.pop_back();
    };
    leave(stamps);
    leave(marks);
  }

  void forget_absent(std::uint32_t last) {
    for (std::uint32_t i = 0; i < entries.size();)
      if (is_absent(i) && marks[i].version <= last)
        remove(i);
      else
        ++i;
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
    return add(hash, std::move(entry), timed, stamp);
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
  column.write = [](const row_column& how, byte_writer& out, const std::byte* place,
                    const cell_extent& extent) {
    if (const cell& map = cell_at<cell>(place))
      map->write(out, how.life, extent);
    else
      how.write_empty(out);
  };
  column.write_empty = [](byte_writer& out) {
    out.write_raw(std::uint8_t{1});
    out.write_raw(std::uint64_t{0});
    out.write_raw(std::uint64_t{0});
  };
  column.read = [](const row_column& how, byte_reader& in, std::byte* place, const migration* from) {
    cell& map = cell_at<cell>(place);
    if (!map)
      map = std::make_unique<contents>();
    map->read(in, how.life.is_set(), [from](byte_reader& value_in, Value& value) {
      if (from)
        from->read(value_in, &value);
      else
        decode(value_in, value);
    });
    if (map->count == 0)
      map.reset();
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
  column.expire = [](const row_column& how, std::uint32_t index, std::byte* place, const change_time& at,
                     row_entries* on_disk) {
    const cell& map = cell_at<cell>(place);
    if (!map || !how.life.is_set())
      return false;
    if (!map->complete) {
      if (!on_disk)
        return false;
      map->load_expired(index, how.life, at, *on_disk);
    }
    const bool any = map->expire(how.life, at);
    map->settle(at);
    return any;
  };
  return column;
}

} // namespace detail

} // namespace weir
