#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "limit_table.hpp"
#include "workloads.hpp"

namespace bench {

/// Some consecutive events in columns, so that making them is vector code but for the remainder.
///
/// The length divides 1000, so that all events of a block have the same i / 1000.
struct event_block {
  static constexpr std::size_t length = 200;

  std::array<std::uint64_t, length> key;
  std::array<std::uint64_t, length> value;
  std::array<std::int64_t, length> ts_ms;
};

namespace detail {

BENCH_VECTORIZED inline void mix_indices(std::uint64_t first, event_block& block) {
  const auto now = static_cast<std::int64_t>(first / 1000);
  for (std::size_t j = 0; j < event_block::length; ++j) {
    const std::uint64_t h = splitmix64(first + j);
    block.key[j] = h;
    block.value[j] = (h >> 48) & 0xFF;
    block.ts_ms[j] =
        std::max<std::int64_t>(0, now - static_cast<std::int64_t>((h >> 32) & 0x1FF));
  }
}

} // namespace detail

/// Makes all events in blocks: calls made(block, j) when event j of the block is there, then
/// use(block, size).
template <class Made, class Use>
void for_each_event_block(std::uint64_t keys, std::uint64_t records, Made made, Use use) {
  static_assert(1000 % event_block::length == 0);
  const fast_modulo by_keys(keys);
  event_block block;
  for (std::uint64_t first = 0; first < records; first += event_block::length) {
    detail::mix_indices(first, block);
    for (std::size_t j = 0; j < event_block::length; ++j) {
      block.key[j] = by_keys(block.key[j]);
      made(block, j);
    }
    use(block, std::min<std::uint64_t>(event_block::length, records - first));
  }
}

} // namespace bench
