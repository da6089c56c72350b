#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t records = 3000;
constexpr std::uint64_t keys = 5;

std::uint64_t number_of(std::uint64_t i) {
  return mix(i) % 1000;
}

event_time time_of(std::uint64_t i) {
  return event_time{std::chrono::milliseconds{static_cast<std::int64_t>(i)}};
}

struct sum_of_values {
  using accumulator = std::uint64_t;
  void add(accumulator& so_far, std::uint64_t i) const { so_far += number_of(i); }
  std::uint64_t result(accumulator so_far) const { return so_far; }
};

using told = std::tuple<std::string, std::uint64_t, std::int64_t, std::uint64_t>; // what, key, start, value

} // namespace

TEST_CASE("functions of whole windows, and of an aggregate and its window, in every mode") {
  std::vector<told> wanted;
  for (std::uint64_t first = 0; first < records; first += 100)
    for (std::uint64_t key = 0; key < keys; ++key) {
      std::vector<std::uint64_t> values;
      std::uint64_t sum = 0;
      for (std::uint64_t i = first; i < first + 100; ++i)
        if (i % keys == key) {
          values.push_back(number_of(i));
          sum += values.back();
        }
      std::sort(values.begin(), values.end());
      const auto start = static_cast<std::int64_t>(first);
      wanted.emplace_back("median", key, start, values[values.size() / 2]);
      wanted.emplace_back("sum", key, start, sum);
    }
  std::sort(wanted.begin(), wanted.end());

  in_every_mode([&](const job_mode& mode) {
    const auto output = std::make_shared<committed_records<told>>();
    topology job{"functions"};
    const auto windows = job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
                             .assign_times("times", &time_of, bounded_disorder{0ms})
                             .key_by([](std::uint64_t i) { return i % keys; })
                             .window(tumbling(100ms));
    const auto start_of = [](const auto& in) { return in.window.start.time_since_epoch().count(); };
    const auto medians =
        windows.collect("all").map("median", [start_of](const windowed<std::uint64_t, std::vector<std::uint64_t>>& in) {
          std::vector<std::uint64_t> values;
          for (const std::uint64_t i : in.value)
            values.push_back(number_of(i));
          std::sort(values.begin(), values.end());
          return told{"median", in.key, start_of(in), values[values.size() / 2]};
        });
    windows.aggregate("sum", sum_of_values{})
        .map("named", [start_of](const windowed<std::uint64_t, std::uint64_t>& in) {
          return told{"sum", in.key, start_of(in), in.value};
        })
        .union_with(medians)
        .rebalance()
        .sink("out", memory_sink<told>{output});
    run_in_mode(job, mode, {"numbers", "all", "sum", "out"});
    std::vector<told> found = output->visible();
    std::sort(found.begin(), found.end());
    CHECK(found == wanted);
  });
}
