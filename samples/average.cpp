// Keeps the running mean of each sensor's readings. A line is a sensor and a value: `kitchen 21.5`.
// Lines that are no reading are passed over.

#include <cstdint>
#include <string>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/read_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "fields.hpp"

struct reading {
  std::string sensor;
  double value = 0;
};

struct mean {
  struct accumulator {
    double sum = 0;
    std::uint64_t count = 0;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(sum, count);
    }
  };
  void add(accumulator& so_far, double value) const {
    so_far.sum += value;
    ++so_far.count;
  }
  double result(const accumulator& so_far) const {
    return so_far.sum / static_cast<double>(so_far.count);
  }
};

using mean_state = weir::aggregating_of<double, mean>;

int main(int argc, char** argv) {
  weir::topology job{"average", "Keeps the running mean of each sensor's readings."};
  const auto input = job.required_option("input", "file or directory of lines `SENSOR VALUE`");

  job.source("lines", weir::read_lines{input})
      .flat_map("parse",
                [](const std::string& line, weir::emitter<reading>& out) {
                  const auto fields = fields_of(line);
                  if (fields.size() == 2)
                    if (const auto value = number_in<double>(fields[1]))
                      out({fields[0], *value});
                })
      .key_by([](const reading& in) { return in.sensor; })
      .map("mean",
           [](const reading& in, mean_state::state& so_far) {
             so_far.add(in.value);
             return in.sensor + ' ' + std::to_string(*so_far.result());
           },
           mean_state("mean", mean{}))
      .sink("print", weir::print{});
  return weir::main(job, argc, argv);
}
