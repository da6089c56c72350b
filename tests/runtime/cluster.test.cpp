#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

constexpr std::uint64_t records = 20'000;
constexpr std::uint64_t keys = 97;

using keyed_count = counted<std::uint64_t>;

std::vector<std::pair<std::uint64_t, std::uint64_t>> expected_counts() {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> wanted;
  for (std::uint64_t i = 0; i < records; ++i)
    wanted.emplace_back(i % keys, i / keys + 1);
  std::sort(wanted.begin(), wanted.end());
  return wanted;
}

/// Counts per key, with every intermediate count, over an exchange.
void check_counts(const job_mode& mode) {
  const auto output = std::make_shared<committed_records<keyed_count>>();
  topology job{"counts"};
  job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
      .map("rest", [](std::uint64_t i) { return i % keys; })
      .key_by([](std::uint64_t key) { return key; })
      .count("count")
      .sink("out", memory_sink<keyed_count>{output});
  run_in_mode(job, mode, {"numbers", "rest", "count", "out"});
  std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
  for (const keyed_count& one : output->visible())
    found.emplace_back(one.key, one.count);
  std::sort(found.begin(), found.end());
  CHECK(found == expected_counts());
  CHECK(output->pending() == 0);
}

} // namespace

TEST_CASE("workers count what one process counts") {
  on_workers(check_counts);
}
