// expect: flat_map: expected a function void(const T&, weir::emitter<Out>&)
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.flat_map("split", [](std::int64_t n, auto& out) { out(n); });
}
