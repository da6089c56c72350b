// expect: connect with a broadcast stream, process: expected a class with
#include <cstdint>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

struct one_sided {
  using output = std::int64_t;
  void process(std::int64_t, weir::process_context&, weir::emitter<std::int64_t>&) {}
};

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.connect(numbers.broadcast()).process("one-sided", one_sided{});
}
