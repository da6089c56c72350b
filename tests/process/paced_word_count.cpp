// The word count sample over lines that are read at a pace, so that there is time to disturb it. A second sink commits
// the lines themselves, as they have come, at every checkpoint.

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include <weir/connectors/read_lines.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "../../samples/words.hpp"

namespace {

/// Waits after each turn. It has a thread of its own, as the source has that it is made of.
class paced_read_lines : public weir::read_lines {
 public:
  paced_read_lines(weir::parameter<std::string> path, weir::parameter<std::uint64_t> pause)
      : weir::read_lines(std::move(path)), pause_(std::move(pause)) {}

  weir::source_turn poll(weir::emitter<std::string>& out) {
    std::this_thread::sleep_for(std::chrono::milliseconds{*pause_});
    return weir::read_lines::poll(out);
  }

 private:
  weir::parameter<std::uint64_t> pause_;
};

} // namespace

int main(int argc, char** argv) {
  weir::topology job{"paced-word-count", "Counts the words of text files, slowly, and copies their lines."};
  const auto input = job.required_option("input", "file or directory to read");
  const auto words = job.required_option("words", "directory to write word<TAB>count lines to, at the end");
  const auto lines = job.required_option("lines", "directory to write the lines to");
  const auto pause = job.option<std::uint64_t>("pause", "milliseconds to wait after each turn of a reader", 50);

  const auto read = job.source("read", paced_read_lines{input, pause});
  read.rebalance().sink("copy", weir::write_lines{lines});
  read.flat_map("split", [](const std::string& line, weir::emitter<std::string>& out) { emit_words(line, out); })
      .key_by([](const std::string& word) -> const std::string& { return word; })
      .count("count", weir::emit::at_end)
      .sink("result", weir::write_lines{words, [](const weir::counted<std::string>& word) {
                                          return word.key + '\t' + std::to_string(word.count);
                                        }});
  return weir::main(job, argc, argv);
}
