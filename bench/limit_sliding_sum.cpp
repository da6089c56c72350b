#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "limit.hpp"
#include "limit_events.hpp"

namespace bench {

namespace {

struct cell {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
};

} // namespace

/// A batch computation: sums of all slices first, then a running sum over each key's windows.
totals limit_sliding_sum(std::uint64_t keys, std::uint64_t records) {
  constexpr std::int64_t slices_per_window = sliding_ms / window_ms;
  const auto slices = static_cast<std::int64_t>(records / 1000) / window_ms + 1;
  std::vector<cell> sums(static_cast<std::size_t>(slices) * keys); // by slice, then by key
  for_each_event_block(
      keys, records, [](const event_block&, std::size_t) {},
      [&](const event_block& block, std::size_t size) {
        for (std::size_t j = 0; j < size; ++j) {
          cell& to = sums[static_cast<std::size_t>(block.ts_ms[j] / window_ms) * keys + block.key[j]];
          ++to.count;
          to.sum += block.value[j];
        }
      });
  totals results;
  for (std::uint64_t key = 0; key < keys; ++key) {
    cell window;
    for (std::int64_t first = 1 - slices_per_window; first < slices; ++first) { // slice of its start
      if (const std::int64_t added = first + slices_per_window - 1; added < slices) {
        const cell& in = sums[static_cast<std::size_t>(added) * keys + key];
        window.count += in.count;
        window.sum += in.sum;
      }
      if (window.count != 0)
        results.add(splitmix64(key * 1'000'003 + static_cast<std::uint64_t>(first * window_ms)),
                    window.sum + window.count);
      if (first >= 0) {
        const cell& out = sums[static_cast<std::size_t>(first) * keys + key];
        window.count -= out.count;
        window.sum -= out.sum;
      }
    }
  }
  return results;
}

} // namespace bench
