// Tells which channel brought a user to buy, and in how many steps, where a rule wants to know: rules
// come on a second connection and reach all instances as broadcast state.
//
//     nc localhost 9991     actions: `USER CHANNEL visit` or `USER CHANNEL buy`
//     nc localhost 9992     rules: `CHANNEL LEAST-STEPS`, or `CHANNEL off`

#include <cstdint>
#include <string>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/socket_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "buy_path.hpp"

/// Counts each user's steps per channel until he buys.
struct buy_path {
  using output = std::string;

  void open(weir::state_registry& states) {
    steps_ = states.map<std::string, std::uint32_t>("steps");
    rules_ = states.broadcast<std::string, std::uint32_t>("rules");
  }

  void process(const action& in, weir::keyed_context<std::string>& context, weir::emitter<output>& out) {
    const std::uint32_t steps = ++steps_[in.channel];
    if (!in.is_purchase)
      return;
    const std::uint32_t* least = rules_.find(in.channel);
    if (least && steps >= *least)
      out(context.key() + " bought by " + in.channel + " in " + std::to_string(steps) + " steps");
    steps_.clear();
  }

  void process_broadcast(const rule& in, weir::broadcast_context& context, weir::emitter<output>& out) {
    apply(in, context, rules_);
    if (context.where().instance == 0)
      out(told(in));
  }

  weir::map_state<std::string, std::uint32_t> steps_;
  weir::broadcast_state<std::string, std::uint32_t> rules_;
};

int main(int argc, char** argv) {
  weir::topology job{"buy-path", "Tells which channel brought a user to buy, and in how many steps."};
  const auto actions_port = job.option<std::uint16_t>("actions-port", "where actions come in", 9991);
  const auto rules_port = job.option<std::uint16_t>("rules-port", "where rules come in", 9992);

  const auto rules = job.source("rule lines", weir::socket_lines{"127.0.0.1", rules_port, {.listen = true}})
                         .flat_map("parse rules", parse_rule);
  job.source("action lines", weir::socket_lines{"127.0.0.1", actions_port, {.listen = true}})
      .flat_map("parse actions", parse_action)
      .key_by([](const action& in) { return in.user; })
      .connect(rules.broadcast())
      .process("path", buy_path{})
      .sink("print", weir::print{});
  return weir::main(job, argc, argv);
}
