#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <support/stateful_run.hpp>
#include <weir/actors/operators/count_window.hpp>
#include <weir/actors/operators/triggered_window.hpp>
#include <weir/actors/triggers.hpp>

namespace weir::testing {

struct score {
  std::uint64_t player = 0;
  std::int64_t time = 0;
  std::uint64_t points = 1;
  bool operator==(const score&) const = default;
};

inline std::uint64_t player_of(const score& in) {
  return in.player;
}

/// Adds points up.
struct sum_points {
  using accumulator = std::uint64_t;
  void add(accumulator& so_far, const score& in) const { so_far += in.points; }
  void merge(accumulator& so_far, accumulator other) const { so_far += other; }
  std::uint64_t result(accumulator so_far) const { return so_far; }
};

using sum_fold = aggregate_fold<sum_points>;

/// A pane as "0-10: 5 early 0", with several values as "1+2"; of another player than 0 as "player 1, ...".
inline std::string text_of(std::uint64_t value) {
  return std::to_string(value);
}
inline std::string text_of(const std::vector<score>& all) {
  std::string text;
  for (const score& one : all)
    text += (text.empty() ? "" : "+") + std::to_string(one.points);
  return text;
}
inline std::string text_of(event_time time) {
  return time == no_watermark ? "begin" : time == last_watermark ? "end" : std::to_string(time.time_since_epoch().count());
}
template <class Value>
std::string text_of(const windowed<std::uint64_t, Value>& pane) {
  const char* const timings[] = {"early", "on time", "late"};
  return (pane.key == 0 ? "" : "player " + std::to_string(pane.key) + ", ") + text_of(pane.window.start) + "-" +
         text_of(pane.window.end) + ": " + text_of(pane.value) + " " +
         timings[static_cast<int>(pane.pane.timing)] + " " + std::to_string(pane.pane.index);
}

/// What has come out, as text.
struct panes : std::vector<std::string> {
  using std::vector<std::string>::vector;

  friend std::ostream& operator<<(std::ostream& out, const panes& all) {
    for (const std::string& one : all)
      out << "\n    " << one;
    return out;
  }
};

/// Whether a window_run ends its operator before each step and starts it from a checkpoint, with 1 to 3
/// instances, and with which state.
struct restarts {
  bool at_each_step = false;
  state_backend backend = state_backend::memory;
};

/// Calls run(restarts) without restarts, and with one before each step on every backend.
template <class Run>
void with_and_without_restarts(Run&& run) {
  run(restarts{});
  for (const state_backend backend : {state_backend::memory, state_backend::directory, state_backend::lmdb}) {
    CAPTURE(static_cast<int>(backend));
    run(restarts{true, backend});
  }
}

/// A window operator, driven by hand on a clock that is, too. Panes are told as text.
template <class Value>
class window_run {
 public:
  window_run(std::function<std::unique_ptr<operator_base>()> make, restarts when, bool batch = false)
      : clock_(std::make_shared<manual_clock>(at(0))), when_(when), run_(std::move(make), clock_) {
    run_.skip_early_panes(batch);
    run_.start(when_.backend, 1);
  }

  panes give(std::int64_t time, std::uint64_t points = 1, std::uint64_t player = 0) {
    restart();
    return texts(run_.send(hash_of(player), {player, time, points}, 0, at(time)));
  }
  panes give_untimed(std::uint64_t points) {
    restart();
    return texts(run_.send(hash_of(std::uint64_t{0}), {0, 0, points}, 0));
  }
  panes watermark(std::int64_t time) { return watermark(at(time)); }
  panes watermark(event_time time) {
    restart();
    return texts(run_.watermark(time));
  }
  panes end() { return watermark(last_watermark); }

  /// What comes out as the clock goes on to `time`.
  panes clock(std::int64_t time) {
    restart();
    clock_->advance(at(time) - clock_->now());
    return texts(run_.wake());
  }

  /// Points of the late records since the last call.
  std::vector<std::uint64_t> late() {
    keep_late();
    return std::exchange(late_, {});
  }

  /// Whether nothing is kept.
  bool is_empty() {
    run_.checkpoint(true);
    return run_.bytes() == 0;
  }

 private:
  using pane = windowed<std::uint64_t, Value>;

  void restart() {
    if (!when_.at_each_step)
      return;
    keep_late();
    run_.checkpoint();
    run_.start(when_.backend, 1 + ++starts_ % 3);
  }
  void keep_late() {
    for (const score& one : run_.take_late())
      late_.push_back(one.points);
  }
  static panes texts(const std::vector<pane>& all) {
    panes made;
    for (const pane& one : all)
      made.push_back(text_of(one));
    return made;
  }

  std::shared_ptr<manual_clock> clock_;
  restarts when_;
  std::uint32_t starts_ = 0;
  stateful_run<score, pane> run_;
  std::vector<std::uint64_t> late_;
};

/// Windows of the sums, or of all points, of each player.
template <class Fold = sum_fold, class Windows, class Trigger>
auto triggered(Windows windows, Trigger trigger, restarts when = {}, std::chrono::milliseconds lateness = {},
               bool discards = false, bool in_processing_time = false, bool batch = false) {
  using op = triggered_window_operator<score, decltype(&player_of), Windows, Fold, Trigger>;
  const firing_rules<Trigger> rules{trigger, lateness, discards, in_processing_time};
  return window_run<typename op::value_type>(
      [=] { return std::make_unique<op>(&player_of, Fold{}, windows, rules); }, when, batch);
}

template <class Fold = sum_fold>
auto count_run(count_windows windows, restarts when = {}) {
  using function = count_window_function<score, std::uint64_t, Fold>;
  using op = keyed_process_operator<score, decltype(&player_of), function>;
  return window_run<typename function::value_type>(
      [=] { return std::make_unique<op>(&player_of, function(windows, Fold{})); }, when);
}

} // namespace weir::testing
