#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "limit.hpp"
#include "limit_events.hpp"
#include "limit_table.hpp"

namespace bench {

namespace {

struct cell {
  std::uint64_t count;
  std::uint64_t sum;
};

/// One key, with its two windows that can be open: events are late by less than a window, so a third
/// one begins only when the first has closed. Window w uses cell w % 2.
struct alignas(64) slot {
  std::uint64_t key;
  std::array<cell, 2> windows;
};

static_assert(lateness_ms < window_ms);

constexpr std::uint64_t no_key = ~std::uint64_t{0};

class window_table {
 public:
  window_table(std::uint64_t keys, totals& results) : table_(keys, {no_key, {}}), results_(results) {}

  const slot_table<slot>& table() const noexcept { return table_; }

  /// Adds a block whose events are all of the window of `now_ms` or the one before.
  void add(const event_block& block, std::size_t size, const std::size_t* homes,
           std::int64_t now_ms) {
    const std::int64_t window = now_ms / window_ms;
    const std::int64_t start_ms = window * window_ms;
    for (std::size_t j = 0; j < size; ++j) {
      const std::uint64_t key = block.key[j];
      slot& found = table_.find(
          homes[j], [&](const slot& s) { return s.key == key; },
          [](const slot& s) { return s.key == no_key; }, [&](slot& s) { s.key = key; });
      cell& sums = found.windows[(window ^ (block.ts_ms[j] < start_ms)) & 1];
      ++sums.count;
      sums.sum += block.value[j];
    }
  }

  /// Emits the windows that end at or before `watermark`.
  void close_until(std::int64_t watermark) {
    for (; (first_ + 1) * window_ms <= watermark; ++first_)
      emit_first();
  }

  void close_all() {
    emit_first();
    ++first_;
    emit_first();
  }

 private:
  void emit_first() {
    const auto start = static_cast<std::uint64_t>(first_ * window_ms);
    for (slot& s : table_) {
      cell& sums = s.windows[first_ & 1];
      if (sums.count != 0)
        results_.add(splitmix64(s.key * 1'000'003 + start), sums.sum + sums.count);
      sums = {};
    }
  }

  slot_table<slot> table_;
  totals& results_;
  std::int64_t first_ = 0; // the oldest open window
};

} // namespace

totals limit_window_sum(std::uint64_t keys, std::uint64_t records) {
  totals results;
  window_table windows(keys, results);
  std::array<std::size_t, event_block::length> homes;
  std::int64_t latest_ms = 0;
  std::uint64_t done = 0;
  for_each_event_block(
      keys, records,
      [&](const event_block& block, std::size_t j) {
        homes[j] = windows.table().home(block.key[j]);
        windows.table().prefetch(homes[j]);
      },
      [&](const event_block& block, std::size_t size) {
        windows.add(block, size, homes.data(), static_cast<std::int64_t>(done / 1000));
        done += size;
        const auto* const first = block.ts_ms.data();
        latest_ms = std::max(latest_ms, *std::max_element(first, first + size));
        windows.close_until(latest_ms - lateness_ms);
      });
  windows.close_all();
  return results;
}

} // namespace bench
