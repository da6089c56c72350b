// Divides the clicks of each user into sessions: a silence of half a minute ends one. A line is a time in seconds, a
// user and a page: `12 ann /cart`. Lines may be out of order by five seconds.

#include <chrono>
#include <cstdint>
#include <string>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/read_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "fields.hpp"

using namespace std::chrono_literals;

struct click {
  weir::event_time time{};
  std::string user;
};

std::string seconds_text(weir::event_time time) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
}

int main(int argc, char** argv) {
  weir::topology job{"sessions", "Divides the clicks of each user into sessions."};
  const auto input = job.required_option("input", "file or directory of lines `SECONDS USER PAGE`");
  const auto gap = job.option<std::int64_t>("gap", "silence that ends a session, in seconds", 30);

  job.source("lines", weir::read_lines{input})
      .flat_map("parse",
                [](const std::string& line, weir::emitter<click>& out) {
                  const auto fields = fields_of(line);
                  if (fields.size() == 3)
                    if (const auto time = number_in<std::int64_t>(fields[0]))
                      out({weir::event_time{std::chrono::seconds{*time}}, fields[1]});
                })
      .assign_times("times", [](const click& in) { return in.time; }, weir::bounded_disorder{5s})
      .key_by([](const click& in) { return in.user; })
      .window(weir::sessions([gap](const click&) { return std::chrono::seconds{*gap}; }))
      .count("sessions")
      .sink("print", weir::print([gap](const auto& out) {
              const weir::event_time last = out.window.end - std::chrono::seconds{*gap};
              return out.key + ": " + std::to_string(out.value) + " clicks from " + seconds_text(out.window.start) +
                     " to " + seconds_text(last) + " s";
            }))
      .parallelism(1);
  return weir::main(job, argc, argv);
}
