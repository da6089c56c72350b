#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/window_run.hpp>

// Ten scores of one player over four windows of two minutes come out of order: "The Dataflow Model" (Akidau et
// al., 2015) computes them in several ways. Here are the panes, written out by hand.

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace on = weir::triggers;

namespace {

/// Milliseconds after 12:00:00.
std::int64_t after_noon(int minutes, int seconds) {
  return std::chrono::milliseconds{std::chrono::minutes{minutes} + std::chrono::seconds{seconds}}.count();
}

/// What comes out, behind "12:06:00 " as the time at which it did.
class replay {
 public:
  explicit replay(window_run<std::uint64_t>& run) : run_(run) {}

  /// Without watermarks but the last.
  replay& as_batch() {
    is_batch_ = true;
    return *this;
  }

  panes run() {
    score_at(5, 19, 0, 26, 5);
    score_at(5, 39, 2, 26, 7);
    watermark_at(6, 0, 2, 0);
    score_at(6, 13, 3, 39, 3);
    score_at(6, 39, 3, 59, 4);
    watermark_at(7, 0, 4, 0);
    score_at(7, 6, 3, 6, 8); // late
    score_at(7, 19, 6, 39, 3);
    score_at(7, 30, 5, 19, 3);
    watermark_at(7, 45, 6, 0);
    clock_at(8, 0);
    score_at(8, 19, 1, 20, 9); // very late
    score_at(8, 39, 7, 26, 8);
    clock_at(9, 0);
    score_at(9, 5, 7, 46, 1);
    watermark_at(9, 20, 8, 0);
    keep("end", run_.end());
    CHECK(run_.is_empty());
    return std::exchange(out_, {});
  }

 private:
  void clock_at(int minute, int second) {
    now_ = std::to_string(minute) + ":" + (second < 10 ? "0" : "") + std::to_string(second);
    keep(now_, run_.clock(after_noon(minute, second)));
  }
  void score_at(int minute, int second, int event_minute, int event_second, std::uint64_t points) {
    clock_at(minute, second);
    keep(now_, run_.give(after_noon(event_minute, event_second), points));
  }
  void watermark_at(int minute, int second, int event_minute, int event_second) {
    clock_at(minute, second);
    if (!is_batch_)
      keep(now_, run_.watermark(after_noon(event_minute, event_second)));
  }
  void keep(const std::string& when, const panes& more) {
    for (const std::string& one : more)
      out_.push_back(when + " " + one);
  }

  window_run<std::uint64_t>& run_;
  bool is_batch_ = false;
  std::string now_;
  panes out_;
};

/// The same with the ends of windows as times.
std::string pane(const std::string& when, std::pair<int, int> start, std::pair<int, int> end, const std::string& rest) {
  return when + " " + std::to_string(after_noon(start.first, start.second)) + "-" +
         std::to_string(after_noon(end.first, end.second)) + ": " + rest;
}

constexpr std::pair<int, int> noon{0, 0}, at_2{2, 0}, at_4{4, 0}, at_6{6, 0}, at_8{8, 0};
const auto fixed = tumbling(2min);
const auto each_minute = on::event_time().early(on::continuous_processing_time(1min));

using points = std::vector<std::uint64_t>;

} // namespace

TEST_CASE("ten scores as a batch") {
  with_and_without_restarts([](restarts when) {
    auto windows = triggered(fixed, on::event_time(), when);
    CHECK(replay(windows).as_batch().run() ==
          panes{pane("end", noon, at_2, "14 on time 0"), pane("end", at_2, at_4, "22 on time 0"),
                pane("end", at_4, at_6, "3 on time 0"), pane("end", at_6, at_8, "12 on time 0")});
    CHECK(windows.late().empty());
    auto all = triggered(global(), on::event_time(), when);
    CHECK(replay(all).as_batch().run() == panes{"end begin-end: 51 on time 0"});
  });
}

TEST_CASE("ten scores in fixed windows with a watermark: what is late is missing") {
  with_and_without_restarts([](restarts when) {
    auto windows = triggered(fixed, on::event_time(), when);
    CHECK(replay(windows).run() ==
          panes{pane("6:00", noon, at_2, "5 on time 0"), pane("7:00", at_2, at_4, "14 on time 0"),
                pane("7:45", at_4, at_6, "3 on time 0"), pane("9:20", at_6, at_8, "12 on time 0")});
    CHECK(windows.late() == points{8, 9});
  });
}

TEST_CASE("ten scores with early results each minute of processing time") {
  with_and_without_restarts([](restarts when) {
    auto windows = triggered(fixed, each_minute, when);
    CHECK(replay(windows).run() ==
          panes{pane("6:00", noon, at_2, "5 early 0"), pane("6:00", at_2, at_4, "7 early 0"),
                pane("6:00", noon, at_2, "5 on time 1"), pane("7:00", at_2, at_4, "14 early 1"),
                pane("7:00", at_2, at_4, "14 on time 2"), pane("7:45", at_4, at_6, "3 on time 0"),
                pane("8:00", at_6, at_8, "3 early 0"), pane("9:00", at_6, at_8, "11 early 1"),
                pane("9:20", at_6, at_8, "12 on time 2")});
    CHECK(windows.late() == points{8, 9});
  });
}

TEST_CASE("ten scores with early and late results and a minute of allowed lateness") {
  with_and_without_restarts([](restarts when) {
    auto windows = triggered(fixed, each_minute.late(on::count(1)), when, 1min);
    CHECK(replay(windows).run() ==
          panes{pane("6:00", noon, at_2, "5 early 0"), pane("6:00", at_2, at_4, "7 early 0"),
                pane("6:00", noon, at_2, "5 on time 1"), pane("7:00", at_2, at_4, "14 early 1"),
                pane("7:00", at_2, at_4, "14 on time 2"), pane("7:06", at_2, at_4, "22 late 3"),
                pane("7:45", at_4, at_6, "3 on time 0"), pane("8:00", at_6, at_8, "3 early 0"),
                pane("9:00", at_6, at_8, "11 early 1"), pane("9:20", at_6, at_8, "12 on time 2")});
    CHECK(windows.late() == points{9});
  });
}

TEST_CASE("ten scores, early and late, in panes that discard what has come out") {
  with_and_without_restarts([](restarts when) {
    auto windows = triggered(fixed, each_minute.late(on::count(1)), when, 1min, true);
    CHECK(replay(windows).run() ==
          panes{pane("6:00", noon, at_2, "5 early 0"), pane("6:00", at_2, at_4, "7 early 0"),
                pane("7:00", at_2, at_4, "7 early 1"), pane("7:06", at_2, at_4, "8 late 2"),
                pane("7:45", at_4, at_6, "3 on time 0"), pane("8:00", at_6, at_8, "3 early 0"),
                pane("9:00", at_6, at_8, "8 early 1"), pane("9:20", at_6, at_8, "1 on time 2")});
    CHECK(windows.late() == points{9});
  });
}

TEST_CASE("ten scores in sessions with a gap of a minute, early and late") {
  with_and_without_restarts([](restarts when) {
    auto windows = triggered(sessions(1min), each_minute.late(on::count(1)), when, 1min);
    CHECK(replay(windows).run() == panes{pane("6:00", {0, 26}, {1, 26}, "5 early 0"),
                                 pane("6:00", {2, 26}, {3, 26}, "7 early 0"),
                                 pane("6:00", {0, 26}, {1, 26}, "5 on time 1"),
                                 pane("7:00", {3, 39}, {4, 59}, "7 early 0"),
                                 pane("7:00", {2, 26}, {3, 26}, "7 on time 1"),
                                 // 12:03:06 closes the gap between the two.
                                 pane("7:45", {2, 26}, {4, 59}, "22 on time 2"),
                                 pane("8:00", {5, 19}, {6, 19}, "3 early 0"),
                                 pane("8:00", {6, 39}, {7, 39}, "3 early 0"),
                                 pane("9:00", {6, 39}, {8, 26}, "11 early 1"),
                                 pane("9:20", {5, 19}, {6, 19}, "3 on time 1"),
                                 pane("end", {6, 39}, {8, 46}, "12 on time 2")});
    CHECK(windows.late() == points{9});
  });
}
