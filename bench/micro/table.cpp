// An update of one row: keyed state, and a table by hand with its hash computed in vectors.

#include <cstdint>
#include <new>
#include <vector>

#include <benchmark/benchmark.h>

#include <weir/base/hash.hpp>

#include "../limit_table.hpp"
#include "../workloads.hpp"
#include "counted_state.hpp"

namespace {

using namespace bench;

constexpr std::size_t batch_size = 1024;

/// Keys in the order in which keyed-sum has them.
std::vector<std::uint64_t> some_keys(std::uint64_t keys) {
  const fast_modulo by_keys(keys);
  std::vector<std::uint64_t> all(batch_size * 256);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = make_event(i, by_keys).key;
  return all;
}

void update_keyed_state(benchmark::State& run) {
  counted_state state;
  const std::vector<std::uint64_t> keys = some_keys(static_cast<std::uint64_t>(run.range(0)));
  std::vector<std::uint64_t> hashes;
  for (const std::uint64_t key : keys)
    hashes.push_back(weir::hash_of(key));
  for (std::size_t i = 0; i < keys.size(); ++i)
    state.update(hashes[i], keys[i]);
  std::size_t at = 0;
  for (auto _ : run) {
    state.for_each_update(
        hashes.data() + at, batch_size, [&](std::size_t i) -> const std::uint64_t& { return keys[at + i]; },
        [&](std::size_t i, std::uint64_t, std::byte* place, bool) {
          auto& row = *std::launder(reinterpret_cast<count_and_sum*>(place));
          ++row.count;
          row.sum += i;
        });
    at = (at + batch_size) % keys.size();
  }
  run.SetItemsProcessed(run.iterations() * static_cast<std::int64_t>(batch_size));
}

void update_by_hand(benchmark::State& run) {
  struct alignas(32) slot {
    std::uint64_t key;
    std::uint64_t count;
    std::uint64_t sum;
  };
  constexpr std::uint64_t no_key = ~std::uint64_t{0};
  const slot_table<slot> table(static_cast<std::uint64_t>(run.range(0)), {no_key, 0, 0});
  const std::vector<std::uint64_t> keys = some_keys(static_cast<std::uint64_t>(run.range(0)));
  std::vector<std::size_t> homes(batch_size);
  std::size_t at = 0;
  for (auto _ : run) {
    for (std::size_t i = 0; i < batch_size; ++i) {
      homes[i] = table.home(keys[at + i]);
      table.prefetch(homes[i]);
    }
    for (std::size_t i = 0; i < batch_size; ++i) {
      const std::uint64_t key = keys[at + i];
      slot& found = table.find(
          homes[i], [&](const slot& s) { return s.key == key; }, [&](const slot& s) { return s.key == no_key; },
          [&](slot& s) { s.key = key; });
      ++found.count;
      found.sum += i;
    }
    at = (at + batch_size) % keys.size();
  }
  run.SetItemsProcessed(run.iterations() * static_cast<std::int64_t>(batch_size));
}

} // namespace

BENCHMARK(update_keyed_state)->Name("table/keyed_state")->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(update_by_hand)->Name("table/by_hand")->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
