// Finds the connected components of a graph: labels spread over its edges until nothing changes.
//
// The input is lines of two vertices. Each vertex begins with its own number as its label, tells its neighbours,
// and takes the smallest label that it hears of; what it takes it tells its neighbours in turn. These messages go round
// a loop. When none is left, each vertex has the smallest number in its component.

#include <algorithm>
#include <cstdint>
#include <string>

#include <weir/connectors/read_lines.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "fields.hpp"

namespace {

using vertex = std::uint64_t;

/// To a vertex: that it has a neighbour, or the label of one.
struct message {
  enum class kind : std::uint8_t { neighbour, label };
  kind what = kind::label;
  vertex to = 0;
  vertex about = 0;
};

struct labelled {
  vertex which = 0;
  vertex label = 0;
};

/// What a vertex knows, and whom it tells.
class spread {
 public:
  using output = message;

  void open(weir::state_registry& states) {
    label_ = states.value<vertex>("label");
    neighbours_ = states.list<vertex>("neighbours");
  }

  void process(const message& in, weir::keyed_context<vertex>&, weir::emitter<message>& out) {
    const vertex label = label_ ? *label_ : in.to;
    if (in.what == message::kind::neighbour) {
      neighbours_.add(in.about);
      label_.update(label);
      out({message::kind::label, in.about, label});
    } else if (in.about < label) {
      label_.update(in.about);
      for (const vertex neighbour : neighbours_)
        out({message::kind::label, neighbour, in.about});
    }
  }

 private:
  weir::value_state<vertex> label_;
  weir::list_state<vertex> neighbours_;
};

} // namespace

int main(int argc, char** argv) {
  weir::topology job{"connected-components", "Finds the connected components of a graph: lines of two vertices."};
  const auto input = job.required_option("input", "file or directory of lines `VERTEX VERTEX`, numbers from 0");
  const auto output = job.required_option("output", "directory to write lines `VERTEX LABEL` to");

  const auto messages = job.source("edges", weir::read_lines{input})
                            .flat_map("both ways",
                                      [](const std::string& line, weir::emitter<message>& out) {
                                        const auto fields = fields_of(line);
                                        if (fields.size() != 2)
                                          return;
                                        const auto a = number_in<vertex>(fields[0]);
                                        const auto b = number_in<vertex>(fields[1]);
                                        if (!a || !b)
                                          return;
                                        out({message::kind::neighbour, *a, *b});
                                        out({message::kind::neighbour, *b, *a});
                                      })
                            .iterate("messages");
  messages.feed_back(messages.key_by([](const message& in) { return in.to; }).process("spread", spread{}));

  messages
      .map("heard",
           [](const message& in) {
             return labelled{in.to, in.what == message::kind::label ? std::min(in.about, in.to) : in.to};
           })
      .key_by([](const labelled& in) { return in.which; })
      .reduce("smallest",
              [](const labelled& a, const labelled& b) { return labelled{a.which, std::min(a.label, b.label)}; },
              weir::emit::at_end)
      .sink("labels", weir::write_lines{output, [](const labelled& one) {
                                          return std::to_string(one.which) + ' ' + std::to_string(one.label);
                                        }});
  return weir::main(job, argc, argv);
}
