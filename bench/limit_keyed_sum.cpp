#include <array>
#include <cstdint>

#include "limit.hpp"
#include "limit_counts.hpp"
#include "limit_events.hpp"

namespace bench {

namespace {

using column = std::array<std::uint64_t, event_block::length>;

BENCH_VECTORIZED void hash_all(const column& keys, column& hashes) {
  for (std::size_t j = 0; j < event_block::length; ++j)
    hashes[j] = splitmix64(keys[j]);
}

} // namespace

totals limit_keyed_sum(std::uint64_t keys, std::uint64_t records) {
  const count_table table(keys);
  std::array<std::size_t, event_block::length> homes;
  column hashes;
  totals results;
  for_each_event_block(
      keys, records,
      [&](const event_block& block, std::size_t j) {
        homes[j] = table.home(block.key[j]);
        table.prefetch(homes[j]);
      },
      [&](const event_block& block, std::size_t size) {
        hash_all(block.key, hashes);
        for (std::size_t j = 0; j < size; ++j) {
          count_slot& found = table.find_key(homes[j], block.key[j]);
          found.sum += block.value[j];
          results.add(hashes[j], ++found.count);
        }
      });
  return results;
}

} // namespace bench
