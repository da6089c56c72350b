// expect: source: expected a class that models weir::source
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

struct endless {
  using output = std::int64_t;
  struct split {
    std::uint64_t next = 0;
  };
};

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  job.source("more", endless{});
}
