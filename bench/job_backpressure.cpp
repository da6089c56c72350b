#include "jobs.hpp"

#include <thread>

#include <weir/actors/sources/generate.hpp>

namespace bench {

/// A sink that is so much slower than its source that every channel before it is full all the time.
weir::topology backpressure_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"backpressure"};
  job.source("numbers", weir::generate([](std::uint64_t i) { return i; }, what.records))
      .rebalance()
      .map("next", [](std::uint64_t i) { return i + 1; })
      .rebalance()
      .sink("slow", [results, pause = std::chrono::nanoseconds{what.sink_ns}](std::uint64_t i) {
        const auto until = std::chrono::steady_clock::now() + pause;
        while (std::chrono::steady_clock::now() < until)
          ;
        if (i == 0)
          results->add({});
      });
  return job;
}

} // namespace bench
