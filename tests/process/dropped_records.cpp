// Drops a late record: somebody who reads the log must see which operator did, and what to do.

#include <chrono>
#include <optional>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  weir::topology job{"dropped-records"};
  job.config().parallelism = 1;
  const auto time_of = [](std::int64_t ms) { return weir::event_time{std::chrono::milliseconds{ms}}; };
  const auto timed = job.source("times", weir::collection<std::int64_t>({1, 25, 3, 26, 4}))
                         .assign_times("at", time_of,
                                       weir::punctuated([](std::int64_t, weir::event_time time) {
                                         return std::optional(time);
                                       }));
  timed.window(weir::tumbling(10ms)).count("unread").sink("nowhere", [](const auto&) {});
  const auto counts = timed.window(weir::tumbling(10ms)).count("read");
  counts.sink("nowhere either", [](const auto&) {});
  counts.late().sink("late", [](std::int64_t) {});
  return weir::main(job, argc, argv);
}
