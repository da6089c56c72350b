// expect: process: expected a class with `using output = ...`
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

struct echo {
  void process(std::int64_t, weir::process_context&, weir::emitter<std::int64_t>&) {}
};

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.process("echo", echo{});
}
