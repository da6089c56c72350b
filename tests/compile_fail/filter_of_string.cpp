// expect: filter: expected a function bool(const T&)
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.filter("named", [](std::int64_t) { return std::string("yes"); });
}
