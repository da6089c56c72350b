#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weir/state/row_column.hpp>

namespace weir::detail {

/// Since when the end of a list is what it is: elements from some index on have been added in a version
/// or later ones.
///
/// Two versions are told apart: a snapshot is taken in one while the one before is not yet known to be
/// complete. Where there are more, elements count as younger than they are.
class list_changes {
 public:
  /// An element is about to be added at index `end`.
  void note_addition(const change_time& at, std::uint64_t end) noexcept {
    if (newer_.version == at.version || older_.version == at.version)
      return;
    if (older_.version <= at.oldest) {
      older_ = newer_.version > at.oldest ? newer_ : run{};
      newer_ = {at.version, end};
    } else if (newer_.version <= at.oldest) {
      newer_ = {at.version, end};
    } else {
      newer_.version = at.version;
    }
  }

  /// All that is there has changed.
  void note_rewrite(const change_time& at) noexcept {
    older_ = {at.version, 0};
    newer_ = {};
  }

  /// The index of the first element that may have changed after version `since`; `end` where none has.
  std::uint64_t first_after(std::uint32_t since, std::uint64_t end) const noexcept {
    if (older_.version > since)
      return older_.first;
    return newer_.version > since ? newer_.first : end;
  }

 private:
  struct run {
    std::uint32_t version = 0;
    std::uint64_t first = 0;
  };
  run older_;
  run newer_;
};

/// The list of one key: its elements, which of them are on disk, and which are in which snapshot.
///
/// An element's index counts all elements that were ever added. With state on disk the elements from
/// `first` on, `stored` many, are there; `items` holds them, too, if the list is loaded, and what has
/// been added behind them.
template <class T>
struct list_contents {
  std::vector<T> items;
  std::vector<std::int64_t> stamps; ///< one for each item, with a time to live
  std::uint64_t first = 0;          ///< index of the first element
  std::uint64_t stored = 0;
  std::uint64_t dropped = 0; ///< elements before `first` that may still be on disk
  list_changes changes;
  bool loaded = true;
  bool rewrite = false; ///< what is on disk no longer counts

  std::size_t size() const noexcept { return items.size() + (loaded ? 0 : stored); }

  void add(T item, bool timed, const change_time& at) {
    if (at.version != 0)
      changes.note_addition(at, first + size());
    items.push_back(std::move(item));
    if (timed)
      stamps.push_back(at.now);
  }

  /// Elements that were there have changed.
  void note_rewrite(const change_time& at) {
    rewrite = true;
    changes.note_rewrite(at);
  }

  /// Reads what is on disk.
  void load(std::uint32_t column, bool timed, row_entries& on_disk) {
    std::vector<T> added = std::exchange(items, {});
    std::vector<std::int64_t> added_stamps = std::exchange(stamps, {});
    items.reserve(stored + added.size());
    std::uint64_t left_out = dropped;
    on_disk.scan(column, [&](std::string_view entry) {
      if (left_out != 0) {
        --left_out;
        return true;
      }
      byte_reader in(entry);
      if (timed)
        stamps.push_back(in.read_raw<std::int64_t>());
      decode(in, items.emplace_back());
      return true;
    });
    std::move(added.begin(), added.end(), std::back_inserter(items));
    stamps.insert(stamps.end(), added_stamps.begin(), added_stamps.end());
    loaded = true;
  }

  /// Removes expired elements. Needs the list to be loaded.
  bool expire(const expiry& life, const change_time& at) {
    const std::size_t front = expired_at_front(life, at.now);
    drop_front(front);
    dropped += front;
    stored -= std::min<std::uint64_t>(front, stored);
    // Elements are added and refreshed in order; only a clock that was set back mixes them.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < items.size(); ++i)
      if (!life.is_expired(stamps[i], at.now)) {
        if (kept != i) {
          items[kept] = std::move(items[i]);
          stamps[kept] = stamps[i];
        }
        ++kept;
      }
    const bool mixed = kept != items.size();
    items.resize(kept);
    stamps.resize(kept);
    if (mixed)
      note_rewrite(at);
    return front != 0 || mixed;
  }

  /// The same where the list is not loaded, of those on disk that are before all others that are not
  /// expired. Reads these alone.
  bool expire_stored(std::uint32_t column, const expiry& life, const change_time& at,
                     row_entries& on_disk) {
    std::uint64_t front = 0;
    on_disk.scan(column, [&](std::string_view entry) {
      const bool is_expired = life.is_expired(byte_reader(entry).read_raw<std::int64_t>(), at.now);
      front += is_expired;
      return is_expired;
    });
    front -= std::min(front, dropped); // those are still there
    first += front;
    dropped += front;
    stored -= front;
    return front != 0;
  }

  std::size_t expired_at_front(const expiry& life, std::int64_t now) const {
    std::size_t front = 0;
    while (front < items.size() && life.is_expired(stamps[front], now))
      ++front;
    return front;
  }

  /// For a snapshot: all elements, or those that the one before lacks.
  void write(byte_writer& out, const expiry& life, const cell_extent& extent) const {
    const std::uint64_t there = loaded ? first : first + stored; // the index of items[0]
    std::uint64_t from = extent.on_disk && !rewrite ? first + stored : first;
    if (extent.is_delta)
      from = std::max(from, changes.first_after(extent.since, there + items.size()));
    const std::uint64_t left_out = life.is_set() && life.how().clean_in_snapshots && loaded
                                       ? expired_at_front(life, extent.now)
                                       : std::uint64_t{0};
    const std::uint64_t begin = first + left_out;
    from = std::max(from, begin);
    out.write_raw(begin);
    out.write_raw(from);
    out.write_raw(std::uint64_t{there + items.size() - from});
    for (std::size_t i = from - there; i < items.size(); ++i) {
      if (life.is_set())
        out.write_raw(stamps[i]);
      encode(out, items[i]);
    }
  }

  /// Applies what write() wrote; `decode_item(in, item)` reads an element.
  template <class Decode>
  void read(byte_reader& in, bool timed, Decode&& decode_item) {
    const auto begin = in.read_raw<std::uint64_t>();
    const auto from = in.read_raw<std::uint64_t>();
    const std::size_t count = in.read_size();
    drop_front(std::min<std::uint64_t>(begin > first ? begin - first : 0, items.size()));
    if (items.empty())
      first = from;
    if (from > first + items.size())
      throw malformed_bytes("elements of a list from index " + std::to_string(from) +
                            " on, where the list before ends at " + std::to_string(first + items.size()));
    items.resize(from > first ? from - first : 0);
    if (items.empty())
      first = from;
    items.reserve(items.size() + count);
    if (timed)
      stamps.resize(items.size());
    for (std::size_t i = 0; i < count; ++i) {
      if (timed)
        stamps.push_back(in.read_raw<std::int64_t>());
      decode_item(in, items.emplace_back());
    }
  }

  /// Brings what is on disk up to date.
  void store(std::uint32_t column, bool timed, row_entries& on_disk) {
    if (rewrite) {
      on_disk.erase_all(column);
      stored = dropped = 0;
      loaded = true;
      rewrite = false;
    }
    const auto any = [](std::string_view) { return true; };
    for (; dropped != 0; --dropped)
      on_disk.erase(column, first - dropped, any);
    byte_writer out;
    for (std::size_t i = loaded ? stored : 0; i < items.size(); ++i) {
      out.clear();
      if (timed)
        out.write_raw(stamps[i]);
      encode(out, items[i]);
      on_disk.put(column, first + (loaded ? 0 : stored) + i, out.view(), any);
    }
    stored = size();
    if (!loaded) {
      items.clear();
      stamps.clear();
    }
  }

 private:
  void drop_front(std::size_t count) {
    const auto offset = static_cast<std::ptrdiff_t>(count);
    items.erase(items.begin(), items.begin() + offset);
    if (!stamps.empty())
      stamps.erase(stamps.begin(), stamps.begin() + offset);
    first += count;
  }
};

template <class T>
row_column make_list_column(std::string name, const state_options& options) {
  using contents = list_contents<T>;
  using cell = std::unique_ptr<contents>;
  row_column column = column_of_cells<cell>(std::move(name), "list", "list<" + schema_of<T>() + ">", options);
  column.has_entries = true;
  add_migrations<T>(column, options, "list<", ">");
  column.is_empty = [](const std::byte* place) {
    const cell& list = cell_at<cell>(place);
    return !list || list->size() == 0;
  };
  column.write = [](const row_column& how, byte_writer& out, const std::byte* place,
                    const cell_extent& extent) {
    if (const cell& list = cell_at<cell>(place))
      list->write(out, how.life, extent);
    else
      how.write_empty(out);
  };
  column.write_empty = [](byte_writer& out) {
    for (int i = 0; i < 3; ++i)
      out.write_raw(std::uint64_t{0});
  };
  column.read = [](const row_column& how, byte_reader& in, std::byte* place, const migration* from) {
    cell& list = cell_at<cell>(place);
    if (!list)
      list = std::make_unique<contents>();
    list->read(in, how.life.is_set(), [from](byte_reader& item_in, T& item) {
      if (from)
        from->read(item_in, &item);
      else
        decode(item_in, item);
    });
    if (list->items.empty())
      list.reset();
  };
  column.write_head = [](const row_column&, byte_writer& out, const std::byte* place) {
    const cell& list = cell_at<cell>(place);
    out.write_raw(list ? list->first : std::uint64_t{0});
    out.write_raw(list ? list->stored : std::uint64_t{0});
  };
  column.read_head = [](const row_column&, byte_reader& in, std::byte* place) {
    const auto first = in.read_raw<std::uint64_t>();
    const auto stored = in.read_raw<std::uint64_t>();
    cell& list = cell_at<cell>(place);
    list.reset();
    if (first == 0 && stored == 0)
      return;
    list = std::make_unique<contents>();
    list->first = first;
    list->stored = stored;
    list->loaded = stored == 0;
  };
  column.store_entries = [](const row_column& how, std::uint32_t index, std::byte* place,
                            row_entries& on_disk) {
    if (const cell& list = cell_at<cell>(place))
      list->store(index, how.life.is_set(), on_disk);
  };
  column.expire = [](const row_column& how, std::uint32_t index, std::byte* place, const change_time& at,
                     row_entries* on_disk) {
    const cell& list = cell_at<cell>(place);
    if (!list || !how.life.is_set())
      return false;
    if (list->loaded)
      return list->expire(how.life, at);
    return on_disk && list->expire_stored(index, how.life, at, *on_disk);
  };
  return column;
}

} // namespace weir::detail
