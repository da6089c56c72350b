// expect: windows of so many records come out when they are full
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
  by_key.window(weir::tumbling_count(3)).trigger(weir::triggers::count(2)).count("count");
}
