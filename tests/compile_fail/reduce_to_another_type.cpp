// expect: reduce: expected a function T(const T& so_far, const T& next)
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.key_by([](std::int64_t n) { return n % 2; })
      .reduce("longest", [](const std::string& a, const std::string&) { return a; });
}
