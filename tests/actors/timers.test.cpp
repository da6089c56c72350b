#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

/// What to do with a timer of a key.
struct order {
  std::uint64_t key = 0;
  std::int64_t time = 0;
  std::uint8_t domain = 0;
  bool deletes = false;
};

/// A timer that fired.
struct fired {
  std::uint64_t key = 0;
  std::int64_t time = 0;
  std::uint8_t domain = 0;
  auto operator<=>(const fired&) const = default;
};

struct alarm_clock {
  using output = fired;

  void process(const order& in, keyed_context<std::uint64_t>& context, emitter<fired>&) {
    if (in.domain == 0)
      in.deletes ? context.delete_timer(at(in.time)) : context.set_timer(at(in.time));
    else
      in.deletes ? context.delete_processing_timer(at(in.time)) : context.set_processing_timer(at(in.time));
  }
  void on_timer(const timer& what, keyed_context<std::uint64_t>& context, emitter<fired>& out) {
    out({context.key(), what.time.time_since_epoch().count(), static_cast<std::uint8_t>(what.domain)});
  }
};

template <class P>
stateful_run<order, fired> run_of(std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>()) {
  const auto key_of = [](const order& in) { return in.key; };
  return {[key_of] {
            return std::make_unique<keyed_process_operator<order, decltype(key_of), P>>(key_of, P{});
          },
          clock};
}

void give(stateful_run<order, fired>& run, const order& in) {
  run.send(hash_of(in.key), in);
}

} // namespace

TEST_CASE("timers fire once, in the order of their times, when the watermark has come to them") {
  auto run = run_of<alarm_clock>();
  run.start(state_backend::memory, 1);
  for (const std::int64_t time : {30, 10, 20, 10})
    give(run, {1, time});
  give(run, {2, 20});
  CHECK(run.watermark(at(9)).empty());
  CHECK(run.watermark(at(10)) == std::vector<fired>{{1, 10}});
  give(run, {1, 15, 0, true});
  give(run, {1, 30, 0, true});
  give(run, {3, 5}); // its time has come already
  std::vector<fired> all = run.watermark(last_watermark);
  CHECK(std::is_sorted(all.begin(), all.end(), [](const fired& a, const fired& b) { return a.time < b.time; }));
  std::sort(all.begin(), all.end());
  CHECK(all == std::vector<fired>{{1, 20}, {2, 20}, {3, 5}});
}

TEST_CASE("timers in processing time fire when the clock has come to them, and say when to look at it") {
  const auto clock = std::make_shared<manual_clock>(at(1000));
  auto run = run_of<alarm_clock>(clock);
  run.start(state_backend::memory, 1);
  CHECK_FALSE(run.running(0).next_wakeup());
  give(run, {1, 1500, 1});
  give(run, {2, 1200, 1});
  give(run, {2, 1200, 0});
  CHECK(run.running(0).next_wakeup() == at(1200));
  CHECK(run.wake().empty());
  clock->advance(200ms);
  CHECK(run.wake() == std::vector<fired>{{2, 1200, 1}});
  CHECK(run.running(0).next_wakeup() == at(1500));
  give(run, {1, 1500, 1, true});
  clock->advance(1s);
  CHECK(run.wake().empty());
  CHECK_FALSE(run.running(0).next_wakeup());
  CHECK(run.watermark(last_watermark) == std::vector<fired>{{2, 1200, 0}});
}

TEST_CASE("random timers agree with a set of them, on every backend, across restarts and rescaling") {
  for (const state_backend backend :
       {state_backend::memory, state_backend::directory, state_backend::lmdb})
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      const auto clock = std::make_shared<manual_clock>(at(1000));
      auto run = run_of<alarm_clock>(clock);
      run.start(backend, 2);
      std::set<std::tuple<std::uint8_t, std::int64_t, std::uint64_t>> model; // domain, time, key
      std::int64_t watermark = 0;
      const auto check = [&](std::uint8_t domain, std::int64_t until, std::vector<fired> all) {
        std::map<std::uint64_t, std::int64_t> last;
        for (const fired& one : all) {
          CHECK(one.time >= last[one.key]);
          last[one.key] = one.time;
        }
        std::vector<fired> expected;
        for (auto one = model.begin(); one != model.end();) {
          const auto& [of, time, key] = *one;
          if (of == domain && time <= until) {
            expected.push_back({key, time, of});
            one = model.erase(one);
          } else {
            ++one;
          }
        }
        std::sort(all.begin(), all.end());
        std::sort(expected.begin(), expected.end());
        CHECK(all == expected);
      };
      for (int step = 0; step < 1500; ++step) {
        const std::uint64_t what = random() % 100;
        order in{random() % 60, watermark + static_cast<std::int64_t>(random() % 40),
                 static_cast<std::uint8_t>(random() % 2), what >= 60};
        if (in.domain == 1)
          in.time += 1000;
        if (what < 90) {
          give(run, in);
          if (in.deletes)
            model.erase({in.domain, in.time, in.key});
          else
            model.emplace(in.domain, in.time, in.key);
        } else if (what < 94) {
          watermark += static_cast<std::int64_t>(random() % 20);
          check(0, watermark, run.watermark(at(watermark)));
        } else if (what < 98) {
          clock->advance(std::chrono::milliseconds{random() % 10});
          check(1, clock->now().time_since_epoch().count(), run.wake());
        } else {
          run.checkpoint();
          run.start(backend, 1 + static_cast<std::uint32_t>(random() % 3));
        }
      }
      check(0, std::numeric_limits<std::int64_t>::max(), run.watermark(last_watermark));
    }
}

TEST_CASE("a timer that is set anew with every record leaves nothing behind") {
  keyed_timers timers;
  keyed_timers::cell place;
  row_cursor cursor;
  cursor.offsets = {0};
  cursor.row = reinterpret_cast<std::byte*>(&place);
  timers = keyed_timers(row_cell(cursor, 0));
  std::size_t built_anew = 0;
  for (std::int64_t n = 1; n <= 100'000; ++n) {
    CHECK(timers.set({at(n), time_domain::event}));
    if (n > 1)
      CHECK(timers.erase({at(n - 1), time_domain::event}));
    if (timers.is_stale()) {
      ++built_anew;
      timers.clear();
      timers.add(0, cursor.row);
    }
    REQUIRE(timers.size() == 1);
  }
  CHECK(built_anew >= 90);
  CHECK(built_anew <= 100);
}

namespace {

struct periodic {
  using output = fired;
  void process(const order& in, keyed_context<std::uint64_t>& context, emitter<fired>&) {
    context.set_timer(at(in.time));
  }
  void on_timer(const timer& what, keyed_context<std::uint64_t>& context, emitter<fired>& out) {
    out({context.key(), what.time.time_since_epoch().count()});
    context.set_timer(what.time + 1min);
  }
};

struct without_on_timer {
  using output = fired;
  void process(const order& in, keyed_context<std::uint64_t>& context, emitter<fired>&) {
    context.set_timer(at(in.time));
  }
};

} // namespace

TEST_CASE("the timers of one key cost what those of many do") {
  // Were each to cost as much as the key has, this would take hours.
  constexpr std::int64_t timers = 300'000;
  for (const bool grows : {true, false}) {
    auto run = run_of<alarm_clock>();
    run.start(state_backend::memory, 1);
    for (std::int64_t i = 0; i < timers; ++i)
      give(run, {1, grows ? i : timers - 1 - i});
    for (std::int64_t i = 0; i < timers; i += 2)
      give(run, {1, i, 0, true});
    const std::vector<fired> all = run.watermark(last_watermark);
    CHECK(all.size() == timers / 2);
    CHECK(std::is_sorted(all.begin(), all.end()));
    run.checkpoint(true);
    CHECK(run.bytes() == 0);
  }
}

TEST_CASE("timers that set others fire them, too, and an endless chain ends with the input, with an error") {
  auto run = run_of<periodic>();
  run.start(state_backend::memory, 1);
  give(run, {7, 0});
  CHECK(run.watermark(at(150'000)) == std::vector<fired>{{7, 0}, {7, 60'000}, {7, 120'000}});
  CHECK_THROWS_WITH_AS(run.watermark(last_watermark), doctest::Contains("after the end of the input"),
                       std::exception);
}

TEST_CASE("a timer without an on_timer is an error that says what is missing") {
  auto run = run_of<without_on_timer>();
  run.start(state_backend::memory, 1);
  CHECK_THROWS_WITH_AS(give(run, {7, 0}), doctest::Contains("on_timer"), std::exception);
}
