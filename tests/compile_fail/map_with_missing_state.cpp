// expect: map on a keyed stream: expected a function Out(const T&, State&...)
#include <cstdint>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.key_by([](std::int64_t n) { return n; })
      .map("count", [](std::int64_t, weir::value_state<int>& count) { return ++count.mutable_value(); });
}
