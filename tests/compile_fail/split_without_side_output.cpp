// expect: split: expected a function void(const T&, weir::emitter<Outs>&...)
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.split<std::int64_t, std::string>(
      "parse", [](std::int64_t n, weir::emitter<std::int64_t>& out) { out(n); });
}
