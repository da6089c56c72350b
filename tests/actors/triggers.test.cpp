#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <support/window_run.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace on = weir::triggers;

TEST_CASE("event_time: on time at the end, early and late as its parts say, which start again") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(10ms), on::event_time().early(on::count(2)).late(on::count(2)), when, 20ms);
    CHECK(run.give(1, 1).empty());
    CHECK(run.give(2, 2) == panes{"0-10: 3 early 0"});
    CHECK(run.give(3, 4).empty());
    CHECK(run.give(4, 8) == panes{"0-10: 15 early 1"});
    CHECK(run.watermark(9).empty());
    CHECK(run.watermark(10) == panes{"0-10: 15 on time 2"});
    CHECK(run.give(5, 16).empty());
    CHECK(run.give(6, 32) == panes{"0-10: 63 late 3"});
    CHECK(run.give(7, 64).empty());
    CHECK(run.watermark(29).empty());
    CHECK(run.watermark(30) == panes{"0-10: 127 late 4"}); // the window goes, with what had not come out
    CHECK(run.give(8, 128).empty());
    CHECK(run.late() == std::vector<std::uint64_t>{128});
    CHECK(run.is_empty());
  });
}

TEST_CASE("without a late trigger each late record makes the window come out again") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(10ms), on::event_time(), when, 5ms);
    CHECK(run.watermark(10).empty());
    CHECK(run.give(1, 1) == panes{"0-10: 1 late 0"}); // the window begins late
    CHECK(run.give(1, 2) == panes{"0-10: 3 late 1"});
    CHECK(run.watermark(15).empty());
    CHECK(run.is_empty());
  });
}

TEST_CASE("count fires once; what came later comes out at the end of the window, and late ones one by one") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(10ms), on::count(2), when, 10ms);
    CHECK(run.give(1, 1).empty());
    CHECK(run.give(1, 2) == panes{"0-10: 3 early 0"});
    CHECK(run.give(1, 4).empty());
    CHECK(run.give(1, 8).empty());
    CHECK(run.watermark(10) == panes{"0-10: 15 on time 1"});
    CHECK(run.give(1, 16) == panes{"0-10: 31 late 2"});
    CHECK(run.watermark(20).empty());
    CHECK(run.is_empty());
  });
}

TEST_CASE("repeat starts again; what is left comes out when the window is over") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(10ms), on::repeat(on::count(2)), when, 10ms);
    CHECK(run.give(1, 1).empty());
    CHECK(run.give(1, 2) == panes{"0-10: 3 early 0"});
    CHECK(run.give(1, 4).empty());
    CHECK(run.watermark(10).empty());
    CHECK(run.give(1, 8) == panes{"0-10: 15 late 1"});
    CHECK(run.give(1, 16).empty());
    CHECK(run.watermark(20) == panes{"0-10: 31 late 2"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("continuous_event_time: at multiples of the interval, if there is news, and at the end") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(20ms), on::continuous_event_time(5ms), when);
    CHECK(run.watermark(0).empty());
    CHECK(run.give(2, 1).empty());
    CHECK(run.watermark(4).empty());
    CHECK(run.watermark(5) == panes{"0-20: 1 early 0"});
    CHECK(run.watermark(12).empty());
    CHECK(run.give(13, 2).empty());
    // As if the watermark had come to each of the times.
    CHECK(run.watermark(24) == panes{"0-20: 3 early 1", "0-20: 3 on time 2"});
    CHECK(run.give(25, 4).empty());
    CHECK(run.watermark(31) == panes{"20-40: 4 early 0"});
    CHECK(run.end() == panes{"20-40: 4 on time 1"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("processing_time: so long after the first record of a pane") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(100ms), on::event_time().early(on::processing_time(10ms)), when);
    CHECK(run.clock(3).empty());
    CHECK(run.give(1, 1).empty());
    CHECK(run.clock(8).empty());
    CHECK(run.give(2, 2).empty());
    CHECK(run.clock(12).empty());
    CHECK(run.clock(13) == panes{"0-100: 3 early 0"});
    CHECK(run.clock(50).empty());
    CHECK(run.give(3, 4).empty());
    CHECK(run.clock(59).empty());
    CHECK(run.clock(60) == panes{"0-100: 7 early 1"});
    CHECK(run.end() == panes{"0-100: 7 on time 2"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("continuous_processing_time: at multiples of the interval, if there is news") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(100ms), on::continuous_processing_time(10ms), when);
    CHECK(run.clock(3).empty());
    CHECK(run.give(1, 1).empty());
    CHECK(run.clock(9).empty());
    CHECK(run.clock(10) == panes{"0-100: 1 early 0"});
    CHECK(run.clock(35).empty());
    CHECK(run.give(1, 2).empty());
    CHECK(run.clock(77) == panes{"0-100: 3 early 1"}); // late, and once
    CHECK(run.give(1, 4).empty());
    CHECK(run.end() == panes{"0-100: 7 on time 2"});
    CHECK(run.clock(1000).empty());
    CHECK(run.is_empty());
  });
}

TEST_CASE("punctuation: with the record that says so, or at the end of the input") {
  with_and_without_restarts([](restarts when) {
    const auto is_last = [](const score& in) { return in.points == 0; };
    auto run = triggered(global(), on::repeat(on::purging(on::punctuation(is_last))), when);
    CHECK(run.give(1, 1).empty());
    CHECK(run.give(2, 2).empty());
    CHECK(run.give(3, 0) == panes{"begin-end: 3 early 0"});
    CHECK(run.give(4, 4).empty());
    CHECK(run.give(4, 8, 1).empty());
    const panes rest = run.end();
    CHECK(rest.size() == 2);
    CHECK(std::count(rest.begin(), rest.end(), "begin-end: 4 on time 0") == 1);
    CHECK(std::count(rest.begin(), rest.end(), "player 1, begin-end: 8 on time 0") == 1);
    CHECK(run.is_empty());
  });
}

TEST_CASE("end_of_input: nothing before") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(global(), on::end_of_input(), when);
    CHECK(run.give_untimed(1).empty());
    CHECK(run.give_untimed(2).empty());
    CHECK(run.watermark(1'000'000).empty());
    CHECK(run.end() == panes{"begin-end: 3 on time 0"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("all_of waits for each of its triggers, any_of for the first") {
  with_and_without_restarts([](restarts when) {
    auto all = triggered(tumbling(100ms), on::repeat(on::all_of(on::count(2), on::processing_time(10ms))), when);
    CHECK(all.give(1, 1).empty());
    CHECK(all.give(1, 2).empty());
    CHECK(all.clock(9).empty());
    CHECK(all.clock(10) == panes{"0-100: 3 early 0"});
    CHECK(all.give(1, 4).empty());
    CHECK(all.clock(30).empty());
    CHECK(all.give(1, 8) == panes{"0-100: 15 early 1"});
    CHECK(all.end().empty()); // nothing new
    CHECK(all.is_empty());

    auto any = triggered(tumbling(100ms), on::repeat(on::any_of(on::count(2), on::processing_time(10ms))), when);
    CHECK(any.give(1, 1).empty());
    CHECK(any.give(1, 2) == panes{"0-100: 3 early 0"});
    CHECK(any.clock(20).empty()); // that would have been the first pane's
    CHECK(any.give(1, 4).empty());
    CHECK(any.clock(29).empty());
    CHECK(any.clock(30) == panes{"0-100: 7 early 1"});
    CHECK(any.end().empty());
    CHECK(any.is_empty());
  });
}

TEST_CASE("any_of ends with the first of its triggers that does") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(100ms), on::any_of(on::repeat(on::count(2)), on::processing_time(10ms)), when);
    CHECK(run.give(1, 1).empty());
    CHECK(run.give(1, 2) == panes{"0-100: 3 early 0"});
    CHECK(run.give(1, 4).empty());
    CHECK(run.clock(10) == panes{"0-100: 7 early 1"});
    CHECK(run.give(1, 8).empty());
    CHECK(run.give(1, 16).empty());
    CHECK(run.watermark(100) == panes{"0-100: 31 on time 2"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("in_sequence: each trigger sees what comes after the one before it") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(100ms), on::in_sequence(on::count(1), on::purging(on::count(2)), on::event_time()), when);
    CHECK(run.give(1, 1) == panes{"0-100: 1 early 0"});
    CHECK(run.give(1, 2).empty());
    CHECK(run.give(1, 4) == panes{"0-100: 7 early 1"});
    CHECK(run.give(1, 8).empty());
    CHECK(run.give(1, 16).empty());
    CHECK(run.watermark(100) == panes{"0-100: 24 on time 2"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("purging leaves the window empty; discarding does so always") {
  with_and_without_restarts([](restarts when) {
    auto one = triggered(tumbling(10ms), on::any_of(on::purging(on::count(2)), on::event_time()), when, 10ms);
    CHECK(one.give(1, 1).empty());
    CHECK(one.give(1, 2) == panes{"0-10: 3 early 0"});
    CHECK(one.watermark(10).empty()); // there is nothing
    CHECK(one.give(1, 4) == panes{"0-10: 4 late 1"});
    CHECK(one.give(1, 8) == panes{"0-10: 12 late 2"});
    CHECK(one.watermark(20).empty());
    CHECK(one.is_empty());

    auto all = triggered(tumbling(10ms), on::event_time().early(on::count(2)), when, 10ms, true);
    CHECK(all.give(1, 1).empty());
    CHECK(all.give(1, 2) == panes{"0-10: 3 early 0"});
    CHECK(all.give(1, 4).empty());
    CHECK(all.watermark(10) == panes{"0-10: 4 on time 1"});
    CHECK(all.give(1, 8) == panes{"0-10: 8 late 2"});
    CHECK(all.watermark(20).empty());
    CHECK(all.is_empty());
  });
}

TEST_CASE("the triggers of sessions that become one merge") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(sessions(10ms), on::repeat(on::count(3)), when);
    CHECK(run.give(0, 1).empty());
    CHECK(run.give(15, 2).empty());
    CHECK(run.give(7, 4) == panes{"0-25: 7 early 0"}); // the third of one session
    CHECK(run.give(20, 8).empty());
    CHECK(run.end() == panes{"0-30: 15 on time 1"});
    CHECK(run.is_empty());

    // The one that was to come first counts.
    auto timed = triggered(sessions(10ms), on::event_time().early(on::processing_time(10ms)), when);
    CHECK(timed.give(0, 1).empty());
    CHECK(timed.clock(5).empty());
    CHECK(timed.give(15, 2).empty());
    CHECK(timed.give(7, 4).empty());
    CHECK(timed.clock(10) == panes{"0-25: 7 early 0"});
    CHECK(timed.clock(15).empty());
    CHECK(timed.watermark(25) == panes{"0-25: 7 on time 1"});
    CHECK(timed.is_empty());

    // A sequence goes on where the session stood that had come furthest.
    auto steps = triggered(sessions(10ms), on::in_sequence(on::count(1), on::count(2)), when);
    CHECK(steps.give(0, 1) == panes{"0-10: 1 early 0"});
    CHECK(steps.give(1, 2).empty());
    CHECK(steps.give(15, 4) == panes{"15-25: 4 early 0"});
    CHECK(steps.give(8, 8) == panes{"0-25: 15 early 1"});
    CHECK(steps.end().empty());
    CHECK(steps.is_empty());
  });
}

TEST_CASE("late records make a window come out again, whatever stands around event_time") {
  with_and_without_restarts([](restarts when) {
    auto purged = triggered(tumbling(10ms), on::purging(on::event_time()), when, 20ms);
    CHECK(purged.give(1, 1).empty());
    CHECK(purged.watermark(10) == panes{"0-10: 1 on time 0"});
    CHECK(purged.give(1, 2) == panes{"0-10: 2 late 1"});
    CHECK(purged.give(1, 4) == panes{"0-10: 4 late 2"});
    CHECK(purged.end().empty());
    CHECK(purged.is_empty());

    auto again = triggered(tumbling(10ms), on::repeat(on::any_of(on::count(2), on::event_time())), when, 20ms);
    CHECK(again.give(1, 1).empty());
    CHECK(again.watermark(10) == panes{"0-10: 1 on time 0"});
    CHECK(again.give(1, 2) == panes{"0-10: 3 late 1"});
    CHECK(again.give(1, 4) == panes{"0-10: 7 late 2"});
    CHECK(again.end().empty());
    CHECK(again.is_empty());

    auto after = triggered(tumbling(10ms), on::in_sequence(on::count(2), on::event_time()), when, 20ms);
    CHECK(after.give(1, 1).empty());
    CHECK(after.watermark(10).empty());
    CHECK(after.give(1, 2) == panes{"0-10: 3 late 0"});
    CHECK(after.give(1, 4) == panes{"0-10: 7 late 1"});
    CHECK(after.give(1, 8) == panes{"0-10: 15 late 2"});
    CHECK(after.end().empty());
    CHECK(after.is_empty());
  });
}

TEST_CASE("a session that grows after it was complete begins anew with its early and late triggers") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(sessions(10ms), on::event_time().early(on::count(3)).late(on::count(3)), when, 50ms);
    CHECK(run.give(0, 1).empty());
    CHECK(run.give(1, 2).empty());
    CHECK(run.watermark(11) == panes{"0-11: 3 on time 0"});
    CHECK(run.give(0, 4).empty());
    CHECK(run.give(0, 8).empty());
    CHECK(run.give(10, 16).empty()); // it goes on to 20: the first of three
    CHECK(run.give(9, 32).empty());
    CHECK(run.watermark(20) == panes{"0-20: 63 on time 1"});
    CHECK(run.give(0, 64).empty()); // the first of three late ones
    CHECK(run.give(0, 128).empty());
    CHECK(run.give(0, 256) == panes{"0-20: 511 late 2"});
    CHECK(run.end().empty());
    CHECK(run.is_empty());
  });
}

TEST_CASE("a trigger that has fired once in one of the sessions that merge does not fire again") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(sessions(10ms), on::count(3), when);
    CHECK(run.give(0, 1).empty());
    CHECK(run.give(1, 2).empty());
    CHECK(run.give(2, 4) == panes{"0-12: 7 early 0"});
    CHECK(run.give(20, 8).empty());
    CHECK(run.give(11, 16).empty());
    CHECK(run.end() == panes{"0-30: 31 on time 1"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("windows of processing time that overlap come out complete, in their order, at the end of the input") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered<collect_fold<score>>(sliding(20ms, 10ms), on::event_time(), when, {}, false, true);
    for (std::uint64_t player = 0; player < 8; ++player)
      CHECK(run.give(0, 1, player).empty());
    CHECK(run.clock(12).size() == 8); // -10 to 10
    for (std::uint64_t player = 0; player < 8; ++player)
      CHECK(run.give(0, 2, player).empty());
    const panes rest = run.end();
    CHECK(rest.size() == 16);
    for (std::uint64_t player = 0; player < 8; ++player) {
      const std::string name = player == 0 ? "" : "player " + std::to_string(player) + ", ";
      const auto both = std::find(rest.begin(), rest.end(), name + "0-20: 1+2 on time 0");
      CHECK(both != rest.end());
      CHECK(std::find(both, rest.end(), name + "10-30: 2 on time 0") != rest.end());
    }
    CHECK(run.is_empty());
  });
}

TEST_CASE("a global window that its trigger has emptied keeps nothing") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(global(), on::repeat(on::purging(on::count(2))), when);
    CHECK(run.give_untimed(1).empty());
    CHECK(!run.is_empty());
    CHECK(run.give_untimed(2) == panes{"begin-end: 3 early 0"});
    CHECK(run.is_empty());
  });
}

TEST_CASE("times that no record can have are errors, and windows that never end are bounded") {
  auto run = triggered(tumbling(10ms), on::event_time());
  for (const event_time wrong : {event_time::max(), event_time::min(), latest_event_time + 1ms})
    CHECK_THROWS_WITH_AS(run.give(wrong.time_since_epoch().count()), doctest::Contains("expected one within 36 million years"),
                         std::exception);
  CHECK_THROWS_AS(tumbling(std::chrono::milliseconds::max()), std::invalid_argument);

  auto kept = triggered(tumbling(10ms), on::event_time(), {}, std::chrono::milliseconds::max());
  const std::int64_t last = latest_event_time.time_since_epoch().count();
  CHECK(kept.give(1, 1).empty());
  CHECK(kept.watermark(last / 4).size() == 1);
  CHECK(kept.give(1, 2).size() == 1);
  CHECK(kept.give(last, 4).empty());
  CHECK(kept.end().size() == 1);
  CHECK(kept.is_empty());

  auto long_gap = triggered(sessions(std::chrono::milliseconds::max()), on::event_time().early(on::processing_time(std::chrono::milliseconds::max())));
  CHECK(long_gap.give(last, 1).empty());
  CHECK(long_gap.clock(1'000'000).empty());
  CHECK(long_gap.end().size() == 1);
}

namespace {

/// Wants to be asked again and again.
struct restless : on::detail::plain_trigger {
  struct state {
    template <class Archive>
    void serialize(Archive&) {}
  };
  void add(state&, const score&, const trigger_moment&) const {}
  bool is_ready(const state&, const trigger_moment&) const { return false; }
  void fire(state&, const trigger_moment&) const {}
  event_time next_event_time(const state&, const trigger_moment& at) const { return at.watermark + 1ms; }
  void merge(state&, const state&, const trigger_moment&) const {}
};

} // namespace

TEST_CASE("a trigger that never lets the input end is an error, not a hang") {
  auto run = triggered(global(), restless{});
  CHECK(run.watermark(0).empty());
  CHECK(run.give(1).empty());
  CHECK_THROWS_WITH_AS(run.end(), doctest::Contains("timers go on being set after the end of the input"), std::exception);
}

TEST_CASE("windows of processing time hold what comes in them, and the rest comes out at the end of the input") {
  with_and_without_restarts([](restarts when) {
    auto run = triggered(tumbling(10ms), on::event_time(), when, {}, false, true);
    CHECK(run.clock(3).empty());
    CHECK(run.give(1000, 1).empty());
    CHECK(run.clock(9).empty());
    CHECK(run.give(1, 2).empty());
    CHECK(run.watermark(500).empty());
    CHECK(run.clock(10) == panes{"0-10: 3 on time 0"});
    CHECK(run.give(1, 4).empty());
    CHECK(run.clock(25) == panes{"10-20: 4 on time 0"});
    CHECK(run.give(1, 8).empty());
    CHECK(run.end() == panes{"20-30: 8 on time 0"});
    CHECK(run.late().empty());
    CHECK(run.is_empty());

    auto silence = triggered(sessions(10ms), on::event_time(), when, {}, false, true);
    CHECK(silence.give(5, 1).empty());
    CHECK(silence.clock(7).empty());
    CHECK(silence.give(5, 2).empty());
    CHECK(silence.clock(16).empty());
    CHECK(silence.clock(17) == panes{"0-17: 3 on time 0"});
    CHECK(silence.end().empty());
    CHECK(silence.is_empty());
  });
}

TEST_CASE("collected windows have the records themselves, whatever the trigger, and each is kept once") {
  with_and_without_restarts([](restarts when) {
    using all = collect_fold<score>;
    auto side_by_side = triggered<all>(tumbling(10ms), on::event_time().early(on::count(2)), when, 10ms);
    CHECK(side_by_side.give(5, 1).empty());
    CHECK(side_by_side.give(2, 2) == panes{"0-10: 1+2 early 0"});
    CHECK(side_by_side.give(12, 3).empty());
    CHECK(side_by_side.watermark(10) == panes{"0-10: 1+2 on time 1"});
    CHECK(side_by_side.give(1, 4) == panes{"0-10: 1+2+4 late 2"});
    CHECK(side_by_side.end() == panes{"10-20: 3 on time 0"});
    CHECK(side_by_side.is_empty());

    auto over = triggered<all>(sliding(20ms, 10ms), on::event_time(), when);
    CHECK(over.give(5, 1).empty());
    CHECK(over.give(12, 2).empty());
    CHECK(over.give(6, 3).empty());
    CHECK(over.watermark(10) == panes{"-10-10: 1+3 on time 0"});
    CHECK(over.watermark(20) == panes{"0-20: 1+3+2 on time 0"}); // slice by slice
    CHECK(over.end() == panes{"10-30: 2 on time 0"});
    CHECK(over.is_empty());

    auto purged = triggered<all>(sliding(20ms, 10ms), on::event_time().early(on::purging(on::count(2))), when);
    CHECK(purged.give(5, 1).empty());
    CHECK(purged.give(6, 2) == panes{"-10-10: 1+2 early 0", "0-20: 1+2 early 0"});
    CHECK(purged.give(7, 3).empty());
    CHECK(purged.give(15, 4) == panes{"0-20: 3+4 early 1"});
    CHECK(purged.watermark(10) == panes{"-10-10: 3 on time 1"});
    CHECK(purged.end() == panes{"10-30: 4 on time 0"});
    CHECK(purged.is_empty());

    auto merged = triggered<all>(sessions(10ms), on::event_time().early(on::purging(on::count(3))), when);
    CHECK(merged.give(0, 1).empty());
    CHECK(merged.give(15, 2).empty());
    CHECK(merged.give(16, 3).empty());
    CHECK(merged.give(7, 4) == panes{"0-26: 1+2+3+4 early 0"});
    CHECK(merged.give(20, 5).empty());
    CHECK(merged.end() == panes{"0-30: 5 on time 1"});
    CHECK(merged.is_empty());

    auto one = triggered<all>(global(), on::repeat(on::purging(on::count(2))), when);
    CHECK(one.give_untimed(1).empty());
    CHECK(one.give_untimed(2) == panes{"begin-end: 1+2 early 0"});
    CHECK(one.give_untimed(3).empty());
    CHECK(one.end() == panes{"begin-end: 3 on time 0"});
    CHECK(one.is_empty());
  });
}

TEST_CASE("in batch mode early panes that come again are left out, and the others are the same") {
  with_and_without_restarts([](restarts when) {
    const auto run_of = [when](auto trigger, bool discards) {
      return triggered(tumbling(10ms), trigger, when, 10ms, discards, false, true);
    };
    auto kept = run_of(on::event_time().early(on::count(1)), false);
    CHECK(kept.give(1, 1).empty());
    CHECK(kept.give(1, 2).empty());
    CHECK(kept.watermark(10) == panes{"0-10: 3 on time 0"});
    CHECK(kept.give(1, 4) == panes{"0-10: 7 late 1"});

    auto counts = run_of(on::repeat(on::count(2)), false);
    CHECK(counts.give(1, 1).empty());
    CHECK(counts.give(1, 2).empty());
    CHECK(counts.end() == panes{"0-10: 3 on time 0"});

    auto discarded = run_of(on::repeat(on::count(2)), true);
    CHECK(discarded.give(1, 1).empty());
    CHECK(discarded.give(1, 2) == panes{"0-10: 3 early 0"});
    CHECK(discarded.end().empty());
  });
}

TEST_CASE("windows of so many records come out when they are full, and what is left at the end of the input") {
  with_and_without_restarts([](restarts when) {
    auto run = count_run(tumbling_count(3), when);
    CHECK(run.give(7, 1).empty());
    CHECK(run.give(9, 2).empty());
    CHECK(run.give(5, 10, 1).empty());
    CHECK(run.give(5, 4) == panes{"5-10: 7 on time 0"});
    CHECK(run.watermark(1000).empty());
    CHECK(run.give(20, 8).empty());
    const panes rest = run.end();
    CHECK(rest.size() == 2);
    CHECK(std::count(rest.begin(), rest.end(), "20-21: 8 on time 0") == 1);
    CHECK(std::count(rest.begin(), rest.end(), "player 1, 5-6: 10 on time 0") == 1);
    CHECK(run.is_empty());

    auto over = count_run(sliding_count(6, 4), when); // slices of two
    std::vector<panes> found;
    for (std::uint64_t i = 0; i < 10; ++i)
      found.push_back(over.give(static_cast<std::int64_t>(i), std::uint64_t{1} << i));
    CHECK(found[3] == panes{"0-4: 15 on time 0"});
    CHECK(found[7] == panes{"2-8: 252 on time 0"});
    CHECK(found[0].size() + found[1].size() + found[2].size() + found[4].size() + found[5].size() +
              found[6].size() + found[8].size() + found[9].size() ==
          0);
    CHECK(over.end() == panes{"6-10: 960 on time 0"});
    CHECK(over.is_empty());

    auto all = count_run<collect_fold<score>>(sliding_count(3, 2), when);
    CHECK(all.give_untimed(1).empty());
    CHECK(all.give_untimed(2) == panes{"0-0: 1+2 on time 0"});
    CHECK(all.give_untimed(3).empty());
    CHECK(all.give_untimed(4) == panes{"0-0: 2+3+4 on time 0"});
    CHECK(all.end().empty());
    CHECK(all.is_empty());
  });
}

TEST_CASE("triggers and windows that mean nothing are errors where they are made") {
  CHECK_THROWS_AS(on::count(0), std::invalid_argument);
  CHECK_THROWS_AS(on::processing_time(0ms), std::invalid_argument);
  CHECK_THROWS_AS(on::continuous_processing_time(-1ms), std::invalid_argument);
  CHECK_THROWS_AS(on::continuous_event_time(0ms), std::invalid_argument);
  CHECK_THROWS_AS(tumbling_count(0), std::invalid_argument);
  CHECK_THROWS_AS(sliding_count(2, 3), std::invalid_argument);
}
