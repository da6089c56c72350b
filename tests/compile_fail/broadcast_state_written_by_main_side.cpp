// expect: broadcast state: only the broadcast side may change it
#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/topology.hpp>

struct limited {
  using output = std::int64_t;
  void open(weir::state_registry& states) { limits_ = states.broadcast<std::int64_t, int>("limits"); }
  void process(const std::int64_t& in, weir::keyed_context<std::int64_t>& context,
               weir::emitter<std::int64_t>&) {
    limits_.put(context, in, 1);
  }
  void process_broadcast(const std::int64_t& in, weir::broadcast_context& context,
                         weir::emitter<std::int64_t>&) {
    limits_.put(context, in, 1);
  }
  weir::broadcast_state<std::int64_t, int> limits_;
};

void build(weir::topology& job) {
  auto numbers = job.source("numbers", weir::collection{std::vector<std::int64_t>{1, 2, 3}});
  numbers.key_by([](std::int64_t n) { return n; })
      .connect(numbers.broadcast())
      .process("limited", limited{})
      .sink("result", [](std::int64_t) {});
}
