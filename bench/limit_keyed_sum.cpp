#include <array>
#include <cstdint>

#include "limit.hpp"
#include "limit_events.hpp"
#include "limit_table.hpp"

namespace bench {

namespace {

struct alignas(32) slot { // two to a cache line, none on two lines
  std::uint64_t key;
  std::uint64_t count;
  std::uint64_t sum;
};

constexpr std::uint64_t no_key = ~std::uint64_t{0};

using column = std::array<std::uint64_t, event_block::length>;

BENCH_VECTORIZED void hash_all(const column& keys, column& hashes) {
  for (std::size_t j = 0; j < event_block::length; ++j)
    hashes[j] = splitmix64(keys[j]);
}

} // namespace

totals limit_keyed_sum(std::uint64_t keys, std::uint64_t records) {
  const slot_table<slot> table(keys, {no_key, 0, 0});
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
          const std::uint64_t key = block.key[j];
          slot& found = table.find(
              homes[j], [&](const slot& s) { return s.key == key; },
              [&](const slot& s) { return s.key == no_key; }, [&](slot& s) { s.key = key; });
          found.sum += block.value[j];
          results.add(hashes[j], ++found.count);
        }
      });
  return results;
}

} // namespace bench
