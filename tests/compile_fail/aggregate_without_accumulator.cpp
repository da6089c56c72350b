// expect: aggregate: expected a class with a default-constructible
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

struct mean {
  double result() const { return 0; }
};

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.key_by([](std::int64_t n) { return n % 2; }).aggregate("mean", mean{});
}
