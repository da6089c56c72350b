// The purchases of channels that a rule names, one by one: as buy_path, on a stream that is not keyed,
// so that there is nothing to count steps with and every purchase has one.
//
//     nc localhost 9993     actions: `USER CHANNEL visit` or `USER CHANNEL buy`
//     nc localhost 9994     rules: `CHANNEL LEAST-STEPS`, or `CHANNEL off`

#include <cstdint>
#include <string>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/socket_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "buy_path.hpp"

struct watched_purchases {
  using output = std::string;

  void open(weir::operator_state_registry& states) {
    rules_ = states.broadcast<std::string, std::uint32_t>("rules");
  }

  void process(const action& in, weir::process_context&, weir::emitter<output>& out) {
    if (in.is_purchase && rules_.contains(in.channel))
      out(in.user + " bought by " + in.channel);
  }

  void process_broadcast(const rule& in, weir::broadcast_context& context, weir::emitter<output>& out) {
    apply(in, context, rules_);
    if (context.where().instance == 0)
      out(told(in));
  }

  weir::broadcast_state<std::string, std::uint32_t> rules_;
};

int main(int argc, char** argv) {
  weir::topology job{"buy-path-unkeyed", "Tells the purchases of channels that a rule names."};
  const auto actions_port = job.option<std::uint16_t>("actions-port", "where actions come in", 9993);
  const auto rules_port = job.option<std::uint16_t>("rules-port", "where rules come in", 9994);

  const auto rules = job.source("rule lines", weir::socket_lines{"127.0.0.1", rules_port, {.listen = true}})
                         .flat_map("parse rules", parse_rule);
  job.source("action lines", weir::socket_lines{"127.0.0.1", actions_port, {.listen = true}})
      .flat_map("parse actions", parse_action)
      .rebalance()
      .connect(rules.broadcast())
      .process("watch", watched_purchases{})
      .sink("print", weir::print{});
  return weir::main(job, argc, argv);
}
