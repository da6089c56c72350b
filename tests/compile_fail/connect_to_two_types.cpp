// expect: connect, map: expected both functions to return the same type
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.connect(numbers).map(
      "both", [](std::int64_t n) { return n; }, [](std::int64_t) { return std::string(); });
}
