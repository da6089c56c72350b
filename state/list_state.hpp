#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <weir/state/list_contents.hpp>

namespace weir {

/// A list per key, to which elements are added at the end.
///
///     seen_.add(in.page);
///     for (const std::string& page : seen_) ...
///
/// Declared with `state_registry::list`, or as list_of. Ownership, threads, errors and snapshots as
/// value_state; references to elements are valid until the list changes.
///
/// Cost: adding an element touches no other, in memory or on disk. With state on disk, everything
///       but `add`, `add_all`, `update` and `clear` reads the whole list of the key into the cache.
template <class T>
class list_state {
 public:
  using const_iterator = typename std::vector<T>::const_iterator;

  list_state() = default;
  list_state(row_cursor& cursor, std::size_t column, expiry life)
      : cell_(cursor, column), life_(life) {}

  void add(T element) {
    detail::list_contents<T>& list = writable();
    cell_.note_entry(detail::memory_of(element));
    list.add(std::move(element), life_.is_set(), cell_.cursor().at);
  }

  template <std::ranges::input_range Range>
  void add_all(Range&& elements) {
    for (auto&& element : elements)
      add(T(std::forward<decltype(element)>(element)));
  }

  /// Puts `elements` in the place of all that is there.
  void update(std::vector<T> elements) {
    clear();
    add_all(std::move(elements));
  }

  bool empty() const { return size() == 0; }
  std::size_t size() const {
    const detail::list_contents<T>* list = life_.is_set() ? readable() : contents().get();
    return list ? list->size() : 0;
  }

  const_iterator begin() const {
    const auto* list = readable();
    return list ? list->items.begin() : const_iterator{};
  }
  const_iterator end() const {
    const auto* list = readable();
    return list ? list->items.end() : const_iterator{};
  }

  /// A copy of the list.
  std::vector<T> to_vector() const { return {begin(), end()}; }

  /// Removes the list. A key without any value takes no memory.
  void clear() {
    std::unique_ptr<detail::list_contents<T>>& list = contents();
    if (list && cell_.cursor().entries) {
      *list = {};
      list->note_rewrite(cell_.cursor().at);
    } else {
      list.reset();
    }
    cell_.note_removal();
  }

 private:
  std::unique_ptr<detail::list_contents<T>>& contents() const {
    return cell_.template get<std::unique_ptr<detail::list_contents<T>>>();
  }

  detail::list_contents<T>& writable() {
    std::unique_ptr<detail::list_contents<T>>& list = contents();
    if (!list)
      list = std::make_unique<detail::list_contents<T>>();
    if (life_.is_set())
      note_access();
    cell_.note_change();
    return *list;
  }

  const detail::list_contents<T>* readable() const {
    detail::list_contents<T>* list = contents().get();
    row_cursor& cursor = cell_.cursor();
    if (life_.is_set())
      note_access();
    if (!list)
      return nullptr;
    if (!list->loaded) {
      list->load(cell_.column(), life_.is_set(), *cursor.entries);
      if (!list->items.empty())
        cell_.note_entry(list->items.size() * detail::memory_of(list->items.front()));
    }
    if (life_.is_set()) {
      if (life_.hides_expired() && list->expire(life_, cursor.at))
        cell_.note_removal();
      if (life_.reading_refreshes())
        refresh(*list);
    }
    return list;
  }

  void refresh(detail::list_contents<T>& list) const {
    const change_time& at = cell_.cursor().at;
    bool any = false;
    for (std::int64_t& stamp : list.stamps)
      if (stamp != at.now && !life_.is_expired(stamp, at.now)) {
        stamp = at.now;
        any = true;
      }
    if (any) {
      list.note_rewrite(at);
      cell_.note_change();
    }
  }

  void note_access() const {
    std::uint32_t& to_clean = cell_.cursor().to_clean;
    to_clean = std::max(to_clean, life_.how().clean_per_access);
  }

  row_cell cell_;
  expiry life_;
};

/// Declares a list_state<T>.
template <storable T>
struct list_of {
  using state = list_state<T>;
  std::string name;
  state_options options;

  template <class... Options>
  explicit list_of(std::string state_name, Options&&... more)
      : name(std::move(state_name)), options(std::forward<Options>(more)...) {}

  row_column column() const { return detail::make_list_column<T>(name, options); }
  state bind(row_cursor& cursor, std::size_t column) const {
    return state(cursor, column, expiry(options.life));
  }
};

} // namespace weir
