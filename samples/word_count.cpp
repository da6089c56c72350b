// Counts the words of text files. Kill it at any moment and start it again with the same command:
// the counts are as if nothing had happened.

#include <string>

#include <weir/connectors/read_lines.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "words.hpp"

int main(int argc, char** argv) {
  weir::topology job{"word-count", "Counts the words of text files: runs of ASCII letters."};
  const auto input = job.required_option("input", "file or directory to read");
  const auto output = job.required_option("output", "directory to write word<TAB>count lines to");

  job.source("lines", weir::read_lines{input})
      .flat_map("split", [](const std::string& line,
                            weir::emitter<std::string>& out) { emit_words(line, out); })
      .key_by([](const std::string& word) -> const std::string& { return word; })
      .count("count", weir::emit::at_end)
      .sink("result", weir::write_lines{output, [](const weir::counted<std::string>& word) {
                                          return word.key + '\t' + std::to_string(word.count);
                                        }});
  return weir::main(job, argc, argv);
}
