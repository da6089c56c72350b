// Counts words that arrive over a socket, and prints each word's new count. Start `nc -lk 9999`
// first, then type into it; or start this with `--listen`, then `nc localhost 9999`.

#include <cstdint>
#include <string>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/socket_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "words.hpp"

int main(int argc, char** argv) {
  weir::topology job{"socket-word-count", "Counts words that arrive over a socket."};
  const auto host = job.option("host", "where the lines come from", "localhost");
  const auto port = job.option<std::uint16_t>("port", "its port", 9999);
  const auto listen = job.option("listen", "wait there for connections", false);

  job.source("lines", weir::socket_lines{host, port, {.listen = listen}})
      .flat_map("split", [](const std::string& line,
                            weir::emitter<std::string>& out) { emit_words(line, out); })
      .key_by([](const std::string& word) -> const std::string& { return word; })
      .count("count")
      .sink("print", weir::print{[](const weir::counted<std::string>& word) {
              return word.key + '\t' + std::to_string(word.count);
            }});
  return weir::main(job, argc, argv);
}
