// compiles: what the other files have in common is right.
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.filter("odd", [](std::int64_t n) { return n % 2 != 0; })
      .map("text", [](std::int64_t n) { return std::to_string(n); })
      .key_by([](const std::string& text) { return text.size(); })
      .count("count")
      .sink("result", [](const weir::counted<std::size_t>&) {});
  numbers.key_by([](std::int64_t n) { return n; })
      .map("seen", [](std::int64_t, weir::value_state<int>& count) { return ++count.mutable_value(); },
           weir::value_of<int>("count"))
      .sink("counts", [](int) {});
}
