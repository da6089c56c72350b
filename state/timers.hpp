#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/state/dense_map.hpp>
#include <weir/state/row_column.hpp>
#include <weir/state/row_cursor.hpp>

namespace weir {

/// Which clock a timer waits for.
enum class time_domain : std::uint8_t {
  event,      ///< the watermark
  processing, ///< the machine's clock
};

/// A point in time at which a process function wants to be called for a key.
struct timer {
  event_time time{};
  time_domain domain = time_domain::event;

  auto operator<=>(const timer&) const = default;
};

/// The name under which the timers of a process function are kept in checkpoints.
inline constexpr const char* timers_state = "weir.timers";

/// The timers of one key. One is common: it takes no memory of its own.
class timer_set {
 public:
  bool empty() const noexcept { return !has_one_ && !more_; }
  std::size_t size() const noexcept { return std::size_t{has_one_} + (more_ ? more_->size() : 0); }

  /// Returns whether it was not there already.
  bool insert(const timer& what);

  /// Returns whether it was there.
  bool erase(const timer& what);

  template <class Use>
  void for_each(Use&& use) const {
    if (has_one_)
      use(one_);
    if (more_)
      for (const entry& other : *more_)
        use(other.key);
  }

 private:
  struct entry {
    timer key;
  };

  timer one_;
  bool has_one_ = false;
  std::unique_ptr<dense_map<entry>> more_; // never empty
};

/// The timers of one operator instance. They are set for the current key of a row_cursor, once each, and
/// kept in a cell of the key's row, so that they are in snapshots and move with the key; what is due next
/// is known from a heap of times and key hashes.
///
/// Thread safety: task thread only.
/// Cost:          a timer takes 16 bytes in the heap, and about 30 in the row from the second of a key on. Setting and
///                deleting one does not depend on how many the key has; deleting leaves its place in the heap
///                until it is due or more than half of the heap is such.
class keyed_timers {
 public:
  using cell = timer_set;

  /// Declares them.
  struct declaration {
    using state = keyed_timers;
    row_column column() const;
    state bind(row_cursor& cursor, std::size_t column) const { return state(row_cell(cursor, column)); }
  };

  keyed_timers() = default;
  explicit keyed_timers(row_cell place) : place_(place) {}

  /// The key that the cursor is at has this hash.
  void set_hash(std::uint64_t hash) noexcept { hash_ = hash; }

  /// Returns whether it was not set already.
  bool set(const timer& what);

  /// Returns whether it was set.
  bool erase(const timer& what);

  /// When the next is due, and the hash of a key that may have it.
  struct due_timer {
    event_time time;
    std::uint64_t hash;
  };

  /// nullptr where there is nothing.
  const due_timer* next(time_domain domain) const;

  /// Takes what next() returned out of the heap; the key's cell still has it.
  void pop(time_domain domain);

  /// Whether so much of the heaps means nothing that they should be built anew: clear(), and add() for
  /// each of about `rows` keys.
  bool is_stale(std::size_t rows = 0) const noexcept;
  void clear();
  void add(std::uint64_t hash, const std::byte* row);

  /// How many are set.
  std::size_t size() const noexcept { return size_; }

 private:
  std::vector<due_timer>& heap(time_domain domain) { return heaps_[static_cast<std::size_t>(domain)]; }
  void push(const timer& what, std::uint64_t hash);

  row_cell place_;
  std::uint64_t hash_ = 0;
  std::size_t size_ = 0;
  std::vector<due_timer> heaps_[2];
};

} // namespace weir
