#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>
#include <weir/actors/operators/aligned_window.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

/// All have the same hash.
struct colliding {
  std::uint64_t n = 0;
  bool operator==(const colliding&) const = default;
};

} // namespace

template <>
struct std::hash<colliding> {
  std::size_t operator()(const colliding&) const { return 7; }
};

namespace {

struct click {
  std::string user;
  std::int64_t time = 0;
  std::uint64_t value = 0;
  bool operator==(const click&) const = default;
};

std::string user_of(const click& in) {
  return in.user;
}

/// Adds values up.
struct sum {
  using accumulator = std::uint64_t;
  void add(accumulator& so_far, const click& in) const { so_far += in.value; }
  void merge(accumulator& so_far, accumulator other) const { so_far += other; }
  std::uint64_t result(accumulator so_far) const { return so_far; }
};

using pane = windowed<std::string, std::uint64_t>;
using window_run = stateful_run<click, pane>;

window_run run_of(aligned_windows windows, std::chrono::milliseconds lateness = 0ms) {
  using op = aligned_window_operator<click, decltype(&user_of), aggregate_fold<sum>>;
  return {[=] { return std::make_unique<op>(&user_of, aggregate_fold<sum>{}, windows, lateness); },
          std::make_shared<manual_clock>()};
}

std::vector<pane> give(window_run& run, const click& in) {
  return run.send(hash_of(in.user), in, 0, at(in.time));
}

pane pane_of(std::string user, std::int64_t start, std::int64_t end, std::uint64_t value,
             pane_timing timing = pane_timing::on_time, std::uint32_t index = 0) {
  return {std::move(user), {at(start), at(end)}, {timing, index}, value};
}

} // namespace

TEST_CASE("the worked case: a window comes out once, and what is late goes to the side or makes it come out again") {
  // Seconds after 20:10:00, as milliseconds; watermark = event time - 2 s.
  const std::int64_t times[] = {0, 1000, 2000, 0, 5000, 6000, 8000, 3000};
  for (const std::int64_t lateness : {0, 5000}) {
    CAPTURE(lateness);
    auto run = run_of(tumbling(5s), std::chrono::milliseconds{lateness});
    run.start(state_backend::memory, 1);
    std::int64_t watermark = -2000;
    std::vector<std::pair<int, pane>> out; // behind which record
    for (int i = 0; i < 8; ++i) {
      for (pane& one : give(run, {"key", times[i], 1}))
        out.emplace_back(i + 1, std::move(one));
      watermark = std::max(watermark, times[i] - 2000);
      for (pane& one : run.watermark(at(watermark)))
        out.emplace_back(i + 1, std::move(one));
    }
    CHECK(watermark == 6000);
    using outputs = std::vector<std::pair<int, pane>>;
    if (lateness == 0) {
      CHECK(out == outputs{{7, pane_of("key", 0, 5000, 4)}});
      CHECK(run.take_late() == std::vector<click>{{"key", 3000, 1}});
    } else {
      CHECK(out == outputs{{7, pane_of("key", 0, 5000, 4)},
                           {8, pane_of("key", 0, 5000, 5, pane_timing::late, 1)}});
      CHECK(run.take_late().empty());
    }
    CHECK(run.watermark(last_watermark) == std::vector<pane>{pane_of("key", 5000, 10'000, 3)});
  }
}

TEST_CASE("windows of random records are those of a batch function, on every backend, across restarts and rescaling") {
  const std::tuple<aligned_windows, std::int64_t> cases[] = {
      {tumbling(10ms), 0},          {tumbling(10ms, 3ms), 25}, {sliding(30ms, 10ms), 0},
      {sliding(30ms, 10ms), 15},    {sliding(10ms, 4ms, 1ms), 7}, {sliding(7ms, 7ms), 100},
  };
  for (const state_backend backend :
       {state_backend::memory, state_backend::directory, state_backend::lmdb})
    for (const auto& [windows, lateness] : cases)
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        CAPTURE(seed);
        CAPTURE(lateness);
        CAPTURE(windows.size());
        std::mt19937_64 random(seed);
        auto run = run_of(windows, std::chrono::milliseconds{lateness});
        run.start(backend, 2);
        using window_of_key = std::pair<std::int64_t, std::string>; // end
        std::map<window_of_key, std::uint64_t> expected;            // of the records that were not late
        std::map<window_of_key, std::vector<pane>> found;
        std::map<std::string, std::int64_t> last_end;
        std::uint64_t sent = 0;
        std::uint64_t late = 0;
        std::uint64_t counted = 0;
        std::int64_t watermark = -1000;
        const auto keep = [&](std::vector<pane> panes) {
          for (pane& one : panes) {
            const std::int64_t end = one.window.end.time_since_epoch().count();
            CHECK(end - one.window.start.time_since_epoch().count() == windows.size());
            CHECK(end <= watermark);
            if (one.pane.timing == pane_timing::on_time) {
              const auto [last, is_first] = last_end.try_emplace(one.key, end);
              CHECK((is_first || end > last->second));
              last->second = end;
            }
            found[{end, one.key}].push_back(std::move(one));
          }
        };
        std::int64_t now = 0;
        for (int step = 0; step < 2500; ++step) {
          const std::uint64_t what = random() % 100;
          if (what < 85) {
            const click in{"user " + std::to_string(random() % 8),
                           now - static_cast<std::int64_t>(random() % 25), 1 + random() % 5};
            ++sent;
            bool is_late = true;
            for (std::int64_t start = windows.last_start(in.time); start + windows.size() > in.time;
                 start -= windows.slide())
              if (const std::int64_t end = start + windows.size(); end > watermark - lateness) {
                is_late = false;
                // A window that is over takes nothing, though a later one takes the record.
                expected[{end, in.user}] += in.value;
              }
            late += is_late;
            counted += !is_late;
            keep(give(run, in));
          } else if (what < 98) {
            now += static_cast<std::int64_t>(random() % 4);
            watermark = std::max(watermark, now - static_cast<std::int64_t>(random() % 20));
            keep(run.watermark(at(watermark)));
          } else {
            CHECK(run.take_late().size() == late);
            counted += late;
            late = 0;
            run.checkpoint();
            run.start(backend, 1 + static_cast<std::uint32_t>(random() % 3));
          }
        }
        watermark = std::numeric_limits<std::int64_t>::max();
        keep(run.watermark(last_watermark));
        CHECK(run.take_late().size() == late);
        CHECK(counted + late == sent);
        CHECK(found.size() == expected.size());
        for (const auto& [window, panes] : found) {
          CAPTURE(window.first);
          CAPTURE(window.second);
          REQUIRE(expected.contains(window));
          CHECK(panes.back().value == expected[window]);
          for (std::size_t i = 0; i < panes.size(); ++i) {
            CHECK(panes[i].pane.index == i);
            if (i != 0)
              CHECK(panes[i].pane.timing == pane_timing::late);
          }
        }
        run.checkpoint(true);
        CHECK(run.bytes() < 100); // nothing is kept of what is over
      }
}

TEST_CASE("windows whose size and slide have nothing in common but a millisecond miss no record") {
  auto run = run_of(sliding(4ms, 3ms));
  run.start(state_backend::memory, 1);
  give(run, {"key", 3, 1});
  give(run, {"key", 4, 2}); // the slice right behind that of the first
  CHECK(run.watermark(last_watermark) == std::vector<pane>{pane_of("key", 0, 4, 1), pane_of("key", 3, 7, 3)});
}

TEST_CASE("records without event times are an error that says what to do") {
  auto run = run_of(tumbling(5s));
  run.start(state_backend::memory, 1);
  CHECK_THROWS_WITH_AS(run.send(hash_of(std::string("a")), {"a", 0, 1}), doctest::Contains("assign_times"),
                       std::exception);
}

TEST_CASE("windows that make no sense are refused") {
  CHECK_THROWS_AS(tumbling(0ms), std::invalid_argument);
  CHECK_THROWS_AS(sliding(5ms, 10ms), std::invalid_argument);
  CHECK_THROWS_AS(sliding(5ms, -1ms), std::invalid_argument);
}

TEST_CASE("windows of many keys come out a part at a time, each key once") {
  for (const aligned_windows& windows : {tumbling(30ms), sliding(30ms, 10ms)}) {
    auto run = run_of(windows, 5ms);
    run.start(state_backend::memory, 1);
    constexpr std::uint64_t users = 3000;
    for (std::uint64_t i = 0; i < users; ++i)
      for (const std::int64_t time : {1, 12, 25})
        give(run, {"user " + std::to_string(i), time, 1});
    std::vector<pane> panes;
    int steps = 0;
    for (bool is_done = false; !is_done; ++steps) {
      is_done = run.running(0).advance(at(30));
      for (output_port* out : run.running(0).outputs())
        out->flush();
    }
    CHECK(steps >= 3);
    panes = run.watermark(at(30));
    std::map<std::int64_t, std::uint64_t> sums; // of all users, by end
    for (const pane& one : panes)
      sums[one.window.end.time_since_epoch().count()] += one.value;
    CHECK(sums[30] == 3 * users);
    if (!windows.is_tumbling()) {
      CHECK(sums[10] == users);
      CHECK(sums[20] == 2 * users);
    }
  }
}

TEST_CASE("keys with the same hash have windows of their own, which come out once, on every backend, across restarts") {
  const auto key_of = [](const colliding& in) { return in; };
  using op = aligned_window_operator<colliding, decltype(key_of), count_fold>;
  using counted_pane = windowed<colliding, std::uint64_t>;
  for (const state_backend backend : {state_backend::memory, state_backend::directory, state_backend::lmdb})
    for (const bool restarts : {false, true})
      for (const aligned_windows& windows : {tumbling(20ms), sliding(20ms, 10ms)}) {
        stateful_run<colliding, counted_pane> run(
            [=] { return std::make_unique<op>(key_of, count_fold{}, windows, 0ms); }, std::make_shared<manual_clock>());
        run.start(backend, 1);
        for (const std::int64_t time : {1, 11})
          for (const std::uint64_t n : {1, 2, 2, 3, 3, 3})
            run.send(hash_of(colliding{n}), {n}, 0, at(time));
        if (restarts) {
          run.checkpoint();
          run.start(backend, 1);
        }
        std::map<std::pair<event_time, std::uint64_t>, std::uint64_t> found;
        for (const counted_pane& one : run.watermark(last_watermark))
          CHECK(found.try_emplace({one.window.start, one.key.n}, one.value).second);
        std::map<std::pair<event_time, std::uint64_t>, std::uint64_t> expected;
        for (const std::uint64_t n : {1, 2, 3}) {
          expected[{at(0), n}] = 2 * n;
          if (!windows.is_tumbling())
            expected[{at(-10), n}] = expected[{at(10), n}] = n;
        }
        CHECK(found == expected);
        run.checkpoint(true);
        CHECK(run.bytes() == 0);
      }
}

TEST_CASE("state of other windows is refused, not taken for that of these") {
  auto size = std::make_shared<std::chrono::milliseconds>(10ms);
  using op = aligned_window_operator<click, decltype(&user_of), aggregate_fold<sum>>;
  window_run run([=] { return std::make_unique<op>(&user_of, aggregate_fold<sum>{}, tumbling(*size), 0ms); },
                 std::make_shared<manual_clock>());
  run.start(state_backend::memory, 1);
  give(run, {"key", 1, 1});
  run.checkpoint();
  *size = 20ms;
  CHECK_THROWS_WITH_AS(run.start(state_backend::memory, 1), doctest::Contains("10 ms every 10 ms"), std::exception);
  *size = 10ms;
  run.start(state_backend::memory, 1);
  CHECK(run.watermark(last_watermark) == std::vector<pane>{pane_of("key", 0, 10, 1)});
}
