// What a snapshot costs a task: its keyed state copied into blobs, all of it or what has changed; and copying as many
// bytes.

#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include <benchmark/benchmark.h>

#include <weir/base/hash.hpp>

#include "counted_state.hpp"

namespace {

/// A snapshot after every `run.range(1)`th of `run.range(0)` keys has changed.
void write_snapshot(benchmark::State& run) {
  bench::counted_state state;
  const auto keys = static_cast<std::uint64_t>(run.range(0));
  const auto step = static_cast<std::uint64_t>(run.range(1));
  const auto change = [&](std::uint64_t every) {
    for (std::uint64_t key = 0; key < keys; key += every)
      ++std::launder(reinterpret_cast<bench::count_and_sum*>(state.update(weir::hash_of(key), key).row))->count;
  };
  change(1);
  const auto write = [&](weir::operator_snapshot& made, const weir::snapshot_order& order) {
    state.begin_write(made, order, 0);
    while (!state.write_some(made))
      ;
  };
  weir::operator_snapshot first;
  write(first, {weir::checkpoint_id{1}, {}});
  std::uint64_t checkpoint = 1;
  std::uint64_t bytes = 0;
  for (auto _ : run) {
    run.PauseTiming();
    change(step);
    weir::operator_snapshot made;
    run.ResumeTiming();
    write(made, {weir::checkpoint_id{checkpoint + 1}, weir::checkpoint_id{checkpoint}});
    ++checkpoint;
    for (const auto& group : made.key_groups)
      bytes += group.data.size();
  }
  run.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

void copy_rows(benchmark::State& run) {
  const auto size = static_cast<std::size_t>(run.range(0)) / static_cast<std::size_t>(run.range(1)) *
                    (sizeof(std::uint64_t) + sizeof(bench::count_and_sum));
  const std::vector<char> from(size, 'x');
  std::vector<char> to(size);
  for (auto _ : run) {
    std::memcpy(to.data(), from.data(), size);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(size));
}

} // namespace

BENCHMARK(write_snapshot)
    ->Name("snapshot/write")
    ->Unit(benchmark::kMicrosecond)
    ->ArgsProduct({{100'000, 1'000'000}, {1, 10, 100}});
BENCHMARK(copy_rows)
    ->Name("snapshot/by_hand")
    ->Unit(benchmark::kMicrosecond)
    ->ArgsProduct({{100'000, 1'000'000}, {1, 10, 100}});
