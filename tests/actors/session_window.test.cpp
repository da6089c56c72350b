#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>
#include <weir/actors/operators/triggered_window.hpp>
#include <weir/actors/triggers.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

struct click {
  std::uint64_t user = 0;
  std::int64_t time = 0;
  std::uint64_t value = 1;
  std::int64_t gap = 0;
  auto operator<=>(const click&) const = default;
};

struct sum {
  using accumulator = std::uint64_t;
  void add(accumulator& so_far, const click& in) const { so_far += in.value; }
  void merge(accumulator& so_far, accumulator other) const { so_far += other; }
  std::uint64_t result(accumulator so_far) const { return so_far; }
};

using pane = windowed<std::uint64_t, std::uint64_t>;
using session_run = stateful_run<click, pane>;

template <class Gap>
session_run run_of(session_windows<Gap> windows, std::chrono::milliseconds lateness = 0ms) {
  const auto user = [](const click& in) { return in.user; };
  const auto trigger = triggers::event_time();
  using op = triggered_window_operator<click, decltype(user), session_windows<Gap>, aggregate_fold<sum>,
                                       std::remove_const_t<decltype(trigger)>>;
  return {[=] {
            return std::make_unique<op>(user, aggregate_fold<sum>{}, windows,
                                        firing_rules<std::remove_const_t<decltype(trigger)>>{trigger, lateness});
          },
          std::make_shared<manual_clock>()};
}

std::vector<pane> give(session_run& run, const click& in) {
  return run.send(hash_of(in.user), in, 0, at(in.time));
}

pane pane_of(std::uint64_t user, std::int64_t start, std::int64_t end, std::uint64_t value,
             pane_timing timing = pane_timing::on_time, std::uint32_t index = 0) {
  return {user, {at(start), at(end)}, {timing, index}, value};
}

using panes = std::vector<pane>;

} // namespace

TEST_CASE("records with less than the gap between them are one session, which a record between two makes one") {
  auto run = run_of(sessions(10ms));
  run.start(state_backend::memory, 1);
  give(run, {1, 0});
  give(run, {1, 20});
  give(run, {2, 5});
  give(run, {1, 30}); // exactly the gap: another session
  CHECK(run.watermark(at(9)).empty());
  give(run, {1, 11});
  CHECK(run.watermark(at(10)) == panes{pane_of(1, 0, 10, 1)});
  CHECK(run.watermark(at(15)) == panes{pane_of(2, 5, 15, 1)});
  CHECK(run.watermark(at(29)).empty());
  CHECK(run.watermark(at(30)) == panes{pane_of(1, 11, 30, 2)});
  CHECK(run.watermark(last_watermark) == panes{pane_of(1, 30, 40, 1)});
  run.checkpoint(true);
  CHECK(run.bytes() == 0);
}

TEST_CASE("a late record goes to the side, or makes its session come out again, longer if need be") {
  auto run = run_of(sessions(10ms), 20ms);
  run.start(state_backend::memory, 1);
  give(run, {1, 0});
  CHECK(run.watermark(at(12)) == panes{pane_of(1, 0, 10, 1)});
  CHECK(give(run, {1, 1}) == panes{pane_of(1, 0, 11, 2, pane_timing::late, 1)});
  CHECK(give(run, {1, 5}).empty()); // grows beyond the watermark: it will come out on time, as a whole
  CHECK(run.watermark(at(15)) == panes{pane_of(1, 0, 15, 3, pane_timing::on_time, 2)});
  CHECK(give(run, {2, 0}) == panes{pane_of(2, 0, 10, 1, pane_timing::late)});
  CHECK(run.watermark(at(34)).empty());
  CHECK(give(run, {2, 3}).empty());
  CHECK(run.take_late() == std::vector<click>{{2, 3}});
  CHECK(give(run, {1, 9}) == panes{pane_of(1, 0, 19, 4, pane_timing::late, 3)}); // its session is still there
  CHECK(run.watermark(at(39)).empty());
  CHECK(give(run, {1, 9}).empty());
  CHECK(run.take_late() == std::vector<click>{{1, 9}});
  run.checkpoint(true);
  CHECK(run.bytes() == 0);
}

TEST_CASE("sessions of random records are those of a batch function, on every backend, across restarts and rescaling") {
  for (const state_backend backend :
       {state_backend::memory, state_backend::directory, state_backend::lmdb})
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      auto run = run_of(sessions([](const click& in) { return std::chrono::milliseconds{in.gap}; }),
                        std::chrono::milliseconds{random() % 2 * 10});
      run.start(backend, 2);
      std::vector<click> all;
      panes found;
      std::map<std::uint64_t, event_time> last;
      const auto keep = [&](const panes& more) {
        for (const pane& one : more) {
          CHECK(one.pane == pane_info{});
          CHECK(one.window.end > last.try_emplace(one.key, no_watermark).first->second);
          last[one.key] = one.window.end;
          found.push_back(one);
        }
      };
      std::int64_t now = 0;
      for (int step = 0; step < 2000; ++step) {
        const std::uint64_t what = random() % 100;
        if (what < 85) {
          all.push_back({random() % 10, now + static_cast<std::int64_t>(random() % 30), 1 + random() % 5,
                         1 + static_cast<std::int64_t>(random() % 12)});
          keep(give(run, all.back()));
        } else if (what < 98) {
          now += static_cast<std::int64_t>(random() % 9);
          keep(run.watermark(at(now)));
        } else {
          run.checkpoint();
          run.start(backend, 1 + static_cast<std::uint32_t>(random() % 3));
        }
      }
      keep(run.watermark(last_watermark));
      CHECK(run.take_late().empty());
      panes expected;
      std::sort(all.begin(), all.end());
      for (const click& one : all) {
        if (!expected.empty() && expected.back().key == one.user && at(one.time) < expected.back().window.end) {
          expected.back().window.end = std::max(expected.back().window.end, at(one.time + one.gap));
          expected.back().value += one.value;
        } else {
          expected.push_back(pane_of(one.user, one.time, one.time + one.gap, one.value));
        }
      }
      std::sort(found.begin(), found.end(), [](const pane& a, const pane& b) {
        return std::pair(a.key, a.window) < std::pair(b.key, b.window);
      });
      CHECK(found == expected);
    }
}

TEST_CASE("a gap that is not positive is an error") {
  CHECK_THROWS_AS(sessions(0ms), std::invalid_argument);
  auto run = run_of(sessions([](const click& in) { return std::chrono::milliseconds{in.gap}; }));
  run.start(state_backend::memory, 1);
  CHECK_THROWS_WITH_AS(give(run, {1, 0, 1, 0}), doctest::Contains("gap of 0 ms"), std::exception);
}
