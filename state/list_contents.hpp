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

/// The list of one key: its elements, and which of them are on disk.
///
/// With state on disk the elements from `first` on, `stored` many, are there; `items` holds them, too,
/// if the list is loaded, and what has been added behind them.
template <class T>
struct list_contents {
  std::vector<T> items;
  std::vector<std::int64_t> stamps; ///< one for each item, with a time to live
  std::uint64_t first = 0;
  std::uint64_t stored = 0;
  std::uint64_t dropped = 0; ///< elements before `first` that are still on disk
  bool loaded = true;
  bool rewrite = false; ///< what is on disk no longer counts

  std::size_t size() const noexcept { return items.size() + (loaded ? 0 : stored); }

  void add(T item, bool timed, std::int64_t now) {
    items.push_back(std::move(item));
    if (timed)
      stamps.push_back(now);
  }

  /// Reads what is on disk.
  void load(std::uint32_t column, bool timed, row_entries& on_disk) {
    std::vector<T> added = std::exchange(items, {});
    std::vector<std::int64_t> added_stamps = std::exchange(stamps, {});
    items.reserve(stored + added.size());
    on_disk.scan(column, [&](std::string_view entry) {
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
  bool expire(const expiry& life, std::int64_t now) {
    std::size_t front = 0;
    while (front < items.size() && life.is_expired(stamps[front], now))
      ++front;
    const auto as_offset = [](std::size_t n) { return static_cast<std::ptrdiff_t>(n); };
    items.erase(items.begin(), items.begin() + as_offset(front));
    stamps.erase(stamps.begin(), stamps.begin() + as_offset(front));
    const std::uint64_t gone = std::min<std::uint64_t>(front, stored);
    first += gone;
    dropped += gone;
    stored -= gone;
    // Elements are added and refreshed in order; only a clock that was set back mixes them.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < items.size(); ++i)
      if (!life.is_expired(stamps[i], now)) {
        if (kept != i) {
          items[kept] = std::move(items[i]);
          stamps[kept] = stamps[i];
        }
        ++kept;
      }
    const bool mixed = kept != items.size();
    items.resize(kept);
    stamps.resize(kept);
    rewrite = rewrite || mixed;
    return front != 0 || mixed;
  }

  /// Brings what is on disk up to date.
  void store(std::uint32_t column, bool timed, row_entries& on_disk) {
    if (rewrite) {
      on_disk.erase_all(column);
      first = stored = dropped = 0;
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
  column.write = [](const row_column& how, byte_writer& out, const std::byte* place, std::int64_t now) {
    const cell& list = cell_at<cell>(place);
    const std::size_t at = out.size();
    std::uint64_t count = 0;
    out.write_raw(count);
    if (!list)
      return;
    const bool skips = how.life.how().clean_in_snapshots;
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (how.life.is_set()) {
        if (skips && how.life.is_expired(list->stamps[i], now))
          continue;
        out.write_raw(list->stamps[i]);
      }
      encode(out, list->items[i]);
      ++count;
    }
    out.patch_raw(at, count);
  };
  column.read = [](const row_column& how, byte_reader& in, std::byte* place, const migration* from) {
    cell& list = cell_at<cell>(place);
    list.reset();
    const std::size_t count = in.read_size();
    if (count == 0)
      return;
    list = std::make_unique<contents>();
    list->items.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (how.life.is_set())
        list->stamps.push_back(in.read_raw<std::int64_t>());
      T& item = list->items.emplace_back();
      if (from)
        from->read(in, &item);
      else
        decode(in, item);
    }
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
  column.expire = [](const row_column& how, std::uint32_t index, std::byte* place, std::int64_t now,
                     row_entries* on_disk) {
    const cell& list = cell_at<cell>(place);
    if (!list || !how.life.is_set())
      return false;
    if (!list->loaded) {
      if (!on_disk)
        return false;
      list->load(index, true, *on_disk);
    }
    return list->expire(how.life, now);
  };
  return column;
}

} // namespace weir::detail
