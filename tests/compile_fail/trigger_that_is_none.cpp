// expect: trigger: expected one of weir::triggers
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  using namespace std::chrono_literals;
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  const auto by_key = numbers.key_by([](std::int64_t n) { return n % 2; });
  by_key.window(weir::tumbling(1s)).trigger([](std::int64_t n) { return n == 2; }).count("count");
}
