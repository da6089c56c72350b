// The longest time that a task with keyed state stands still while it takes a snapshot, in steps as a task takes them:
// the barrier, then a slice and a batch of changes in turn until the snapshot is complete.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <new>
#include <type_traits>
#include <vector>

#include <benchmark/benchmark.h>

#include <weir/base/hash.hpp>

#include "counted_state.hpp"

namespace {

constexpr std::uint32_t batch_size = 1024;

/// In processor time: what others do on the machine is no pause of ours.
class longest_of_steps {
 public:
  template <class Step>
  auto operator()(Step&& step) {
    const double begun = now();
    if constexpr (std::is_void_v<decltype(step())>) {
      step();
      longest_ = std::max(longest_, now() - begun);
    } else {
      const auto made = step();
      longest_ = std::max(longest_, now() - begun);
      return made;
    }
  }
  double microseconds() const { return longest_; }

 private:
  static double now() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
  }

  double longest_ = 0;
};

/// Snapshots of `run.range(0)` keys after every `run.range(1)`th has changed, in memory or (`run.range(2)`) on disk.
void snapshot_pauses(benchmark::State& run) {
  weir::state_config config;
  config.directory = std::filesystem::temp_directory_path();
  config.backend = run.range(2) != 0 ? weir::state_backend::lmdb : weir::state_backend::memory;
  bench::counted_state state(config);
  const auto keys = static_cast<std::uint64_t>(run.range(0));
  const auto every = static_cast<std::uint64_t>(run.range(1));
  std::vector<std::uint64_t> hashes(batch_size);
  std::uint64_t next = 0;
  const auto change_batch = [&](std::uint64_t step) {
    const std::uint64_t first = next;
    for (std::uint64_t& hash : hashes) {
      hash = weir::hash_of(next);
      next = next + step < keys ? next + step : 0;
    }
    state.for_each_update(
        hashes.data(), batch_size, [&](std::uint32_t i) { return (first + i * step) % ((keys - 1) / step * step + step); },
        [](std::uint32_t, std::uint64_t, std::byte* row, bool) {
          ++std::launder(reinterpret_cast<bench::count_and_sum*>(row))->count;
        });
    state.settle(0);
  };
  const auto change_all = [&](std::uint64_t step) {
    next = 0;
    for (std::uint64_t changed = 0; changed < keys / step; changed += batch_size)
      change_batch(step);
  };
  longest_of_steps barrier;
  longest_of_steps slice;
  longest_of_steps batch;
  std::uint64_t slices = 0;
  const auto write = [&](const weir::snapshot_order& order) {
    weir::operator_snapshot made;
    barrier([&] { state.begin_write(made, order, 0); });
    next = 0;
    while (!slice([&] { return state.write_some(made); })) {
      ++slices;
      batch([&] { change_batch(every); });
    }
    for (const weir::key_group_snapshot& group : made.key_groups) // as the store does
      if (group.source && !group.source->read(group.group))
        std::abort();
  };
  change_all(1);
  std::uint64_t checkpoint = 1;
  write({weir::checkpoint_id{checkpoint}, {}});
  barrier = slice = batch = {};
  slices = 0;
  for (auto _ : run) {
    run.PauseTiming();
    change_all(every);
    run.ResumeTiming();
    write({weir::checkpoint_id{checkpoint + 1}, weir::checkpoint_id{checkpoint}});
    ++checkpoint;
  }
  run.counters["barrier_us"] = barrier.microseconds();
  run.counters["slice_us"] = slice.microseconds();
  run.counters["batch_us"] = batch.microseconds();
  run.counters["slices"] = benchmark::Counter(static_cast<double>(slices), benchmark::Counter::kAvgIterations);
}

} // namespace

BENCHMARK(snapshot_pauses)
    ->Name("snapshot/longest_step")
    ->ArgNames({"keys", "every", "on_disk"})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3)
    ->ArgsProduct({{1'000'000, 10'000'000}, {1, 10, 100}, {0, 1}});
