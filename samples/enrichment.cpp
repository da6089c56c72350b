// Puts to each payment the order that it is for, if that was placed within the ten seconds before it. A line of
// orders is a time in seconds, a number and an article, `12 4711 lamp`; one of payments is a time, the number of the
// order and an amount, `15 4711 19.90`. Both may be out of order by five seconds.

#include <chrono>
#include <cstdint>
#include <string>

#include <cereal/types/string.hpp>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/read_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "fields.hpp"

using namespace std::chrono_literals;

/// A line of either file.
struct entry {
  weir::event_time time{};
  std::uint64_t order = 0;
  std::string what;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(order, what);
  }
};

weir::stream<entry> read_entries(weir::topology& job, const std::string& name, const weir::option<std::string>& path) {
  return job.source(name, weir::read_lines{path})
      .flat_map("parse " + name,
                [](const std::string& line, weir::emitter<entry>& out) {
                  const auto fields = fields_of(line);
                  if (fields.size() != 3)
                    return;
                  const auto time = number_in<std::int64_t>(fields[0]);
                  const auto order = number_in<std::uint64_t>(fields[1]);
                  if (time && order)
                    out({weir::event_time{std::chrono::seconds{*time}}, *order, fields[2]});
                })
      .assign_times("times of " + name, [](const entry& in) { return in.time; }, weir::bounded_disorder{5s});
}

int main(int argc, char** argv) {
  weir::topology job{"enrichment", "Puts to each payment the order that it is for."};
  const auto orders = job.required_option("orders", "file or directory of lines `SECONDS ORDER ARTICLE`");
  const auto payments = job.required_option("payments", "file or directory of lines `SECONDS ORDER AMOUNT`");

  const auto number = [](const entry& in) { return in.order; };
  read_entries(job, "orders", orders)
      .key_by(number)
      .connect(read_entries(job, "payments", payments).key_by(number))
      .join_within("pay", 0s, 10s,
                   [](const entry& order, const entry& payment) {
                     return "order " + std::to_string(order.order) + ", " + order.what + ": paid " + payment.what;
                   })
      .sink("print", weir::print{})
      .parallelism(1);
  return weir::main(job, argc, argv);
}
