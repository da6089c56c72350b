#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace on = weir::triggers;

namespace {

using window_id = std::tuple<int, std::uint64_t, event_time>; // which operator, key, start
using told_pane = std::tuple<window_id, std::uint32_t, pane_timing, std::uint64_t>;

/// All panes of a job with early results, in order.
std::vector<told_pane> panes_of(execution_mode mode) {
  const auto output = std::make_shared<committed_records<told_pane>>();
  topology job{"modes"};
  job.config().mode = mode;
  const auto numbers =
      job.source("numbers", generate([](std::uint64_t i) { return i; }, 5000))
          .assign_times("times", [](std::uint64_t i) { return event_time{std::chrono::milliseconds{static_cast<std::int64_t>(i)}}; },
                        bounded_disorder{0ms})
          .key_by([](std::uint64_t i) { return i % 7; });
  const auto told = [](int which) {
    return [which](const windowed<std::uint64_t, std::uint64_t>& in) {
      return told_pane{{which, in.key, in.window.start}, in.pane.index, in.pane.timing, in.value};
    };
  };
  const auto windows = numbers.window(tumbling(300ms));
  const auto early = windows.trigger(on::event_time().early(on::count(10))).count("early").map("told early", told(0));
  const auto counts = numbers.window(global()).trigger(on::repeat(on::count(33))).count("counts").map("told counts", told(1));
  windows.trigger(on::repeat(on::count(10)))
      .discarding()
      .count("discarding")
      .map("told discarding", told(2))
      .union_with(early)
      .union_with(counts)
      .rebalance()
      .sink("out", memory_sink<told_pane>{output});
  run_in_mode(job, {}, {});
  std::vector<told_pane> all = output->visible();
  std::sort(all.begin(), all.end());
  return all;
}

} // namespace

TEST_CASE("batch mode leaves out early panes that come again, and changes no result") {
  const std::vector<told_pane> streaming = panes_of(execution_mode::streaming);
  const std::vector<told_pane> batch = panes_of(execution_mode::batch);

  // The last pane of a window that accumulates, all panes of one that discards.
  const auto final_panes = [](const std::vector<told_pane>& all) {
    std::map<window_id, std::vector<std::uint64_t>> found;
    for (const auto& [window, index, timing, value] : all) {
      if (std::get<0>(window) != 2)
        found[window].clear();
      found[window].push_back(value);
    }
    return found;
  };
  CHECK(final_panes(streaming) == final_panes(batch));

  const auto early = [](const std::vector<told_pane>& all, int which) {
    return std::count_if(all.begin(), all.end(), [which](const told_pane& one) {
      return std::get<0>(std::get<0>(one)) == which && std::get<pane_timing>(one) == pane_timing::early;
    });
  };
  for (const int which : {0, 1, 2})
    CHECK(early(streaming, which) > 0);
  CHECK(early(batch, 0) == 0);
  CHECK(early(batch, 1) == 0);
  CHECK(early(batch, 2) == early(streaming, 2));
}
