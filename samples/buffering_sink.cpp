// A sink that gathers lines and prints them when there are enough. Those that wait are part of the
// checkpoint: stop it and start it again, and none is lost. Send it lines with `nc localhost 9998`.

#include <cstdint>
#include <cstdio>
#include <string>

#include <weir/connectors/socket_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

/// Prints `threshold` lines at a time, and the rest when the input has ended.
struct buffering_sink {
  weir::option<std::uint32_t> threshold;
  weir::operator_list<std::string> waiting{};

  void open(weir::operator_state_registry& states) {
    waiting = states.operator_list_of<std::string>("waiting");
  }
  void write(const std::string& line) {
    waiting->push_back(line);
    if (waiting->size() >= *threshold)
      print();
  }
  void finish() { print(); }

  void print() {
    for (const std::string& line : waiting)
      std::puts(line.c_str());
    std::fflush(stdout);
    waiting->clear();
  }
};

int main(int argc, char** argv) {
  weir::topology job{"buffering-sink", "Gathers lines, and prints them when there are enough."};
  const auto port = job.option<std::uint16_t>("port", "where to wait for lines", 9998);
  const auto threshold = job.option<std::uint32_t>("threshold", "how many lines are enough", 3);

  job.source("lines", weir::socket_lines{"127.0.0.1", port, {.listen = true}})
      .sink("print", buffering_sink{threshold});
  return weir::main(job, argc, argv);
}
