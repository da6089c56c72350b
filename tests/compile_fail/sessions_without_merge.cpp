// expect: sessions are merged, and the aggregate cannot be
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

/// Cannot put two sums together.
struct sum {
  using accumulator = std::int64_t;
  void add(accumulator& so_far, std::int64_t n) const { so_far += n; }
  std::int64_t result(accumulator so_far) const { return so_far; }
};

void build(weir::topology& job) {
  using namespace std::chrono_literals;
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  const auto by_key = numbers.key_by([](std::int64_t n) { return n % 2; });
  by_key.window(weir::sessions(1s)).aggregate("sum", sum{});
}
