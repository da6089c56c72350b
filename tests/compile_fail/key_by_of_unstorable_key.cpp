// expect: key_by: a key must be storable and have ==
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

struct handle {
  std::int64_t* to;
  handle(std::int64_t* p) : to(p) {}
  handle(const handle&) {}
};

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.key_by([](std::int64_t n) { return handle{new std::int64_t(n)}; });
}
