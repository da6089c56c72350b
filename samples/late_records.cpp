// Counts records in windows of five seconds; some come out of order, and the last one late. Each record carries a
// watermark two seconds behind it. Prints each record with how far event time has come, and each window as it
// comes out: once for windows that take no late records, and once for windows that take them for five seconds.

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <weir/actors/sinks/print.hpp>
#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

using namespace std::chrono_literals;

struct happening {
  int number = 0;
  weir::event_time time{};
};

weir::event_time carried_by(const happening& in) {
  return in.time - 2s;
}

std::string clock_text(weir::event_time time) {
  const std::chrono::hh_mm_ss clock{
      std::chrono::floor<std::chrono::seconds>(time - std::chrono::floor<std::chrono::days>(time))};
  char text[16];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d", static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return text;
}

/// Makes a line of each record and passes it on.
struct show {
  using output = happening;

  void process(const happening& in, weir::process_context& context, weir::emitter<happening>& out) {
    // A record's watermark is sent right behind it, and event time does not go back.
    const weir::event_time current = std::max(context.watermark(), carried_by(in));
    std::printf("%d  %s  carries %s  watermark %s\n", in.number, clock_text(in.time).c_str(),
                clock_text(carried_by(in)).c_str(), clock_text(current).c_str());
    std::fflush(stdout);
    out(in);
  }
};

int main(int argc, char** argv) {
  weir::topology job{"late_records", "Shows how windows, watermarks and late records go together."};

  constexpr weir::event_time ten_past_eight{72'600s};
  std::vector<happening> happenings;
  for (const auto after : {0s, 1s, 2s, 0s, 5s, 6s, 8s, 3s})
    happenings.push_back({static_cast<int>(happenings.size()) + 1, ten_past_eight + after});

  job.config().parallelism = 1;
  const auto shown = job.source("happenings", weir::collection(happenings))
                         .assign_times("times", [](const happening& in) { return in.time; },
                                       weir::punctuated([](const happening& in, weir::event_time) {
                                         return std::optional(carried_by(in));
                                       }))
                         .process("show", show{});
  for (const std::chrono::seconds lateness : {0s, 5s}) {
    const std::string name = "lateness " + std::to_string(lateness.count()) + " s";
    const auto counts = shown.window(weir::tumbling(5s)).allowed_lateness(lateness).count(name);
    counts.sink(name + " windows", weir::print([name](const auto& out) {
      return "   " + name + ": [" + clock_text(out.window.start) + ", " + clock_text(out.window.end) + ") has " +
             std::to_string(out.value) + " records" + (out.pane.timing == weir::pane_timing::late ? ", again" : "");
    }));
    counts.late().sink(name + " late", weir::print([name](const happening& late) {
      return "   " + name + ": " + clock_text(late.time) + " is late";
    }));
  }
  return weir::main(job, argc, argv);
}
