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
#include <weir/actors/operators/aligned_window.hpp>
#include <weir/actors/operators/triggered_window.hpp>
#include <weir/actors/triggers.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

struct click {
  std::uint64_t user = 0;
  std::int64_t time = 0;
  bool operator==(const click&) const = default;
};

std::uint64_t user_of(const click& in) {
  return in.user;
}

using pane = windowed<std::uint64_t, std::uint64_t>;
using window_run = stateful_run<click, pane>;

template <class Op, class Windows, class Rules>
window_run run_of(Windows windows, Rules rules) {
  return {[=] { return std::make_unique<Op>(&user_of, count_fold{}, windows, rules); },
          std::make_shared<manual_clock>()};
}

/// What is known of the records sent so far; goes back with the operator when that starts from a checkpoint.
struct known_records {
  std::uint64_t sent = 0;
  std::uint64_t late = 0;
  std::map<std::pair<std::uint64_t, event_time>, std::uint64_t> taken; ///< by key and start: of the last pane
  std::int64_t watermark = -1000;
};

void note(known_records& known, const std::vector<pane>& panes) {
  for (const pane& one : panes)
    known.taken[{one.key, one.window.start}] = one.value;
}

/// Random records with restarts, of which some lose what came after the checkpoint. `known.late` counts what
/// came out of the side output, where it is read.
void check_counts(window_run run, std::uint64_t seed, bool is_read, bool each_in_one_window) {
  CAPTURE(seed);
  CAPTURE(is_read);
  std::mt19937_64 random(seed);
  if (!is_read)
    run.leave_side_outputs();
  const auto backend = static_cast<state_backend>(seed % 3);
  const auto parallelism = [&] { return 1 + static_cast<std::uint32_t>(random() % 3); };
  known_records known;
  known_records stored;
  run.start(backend, parallelism());
  run.checkpoint();
  for (int step = 0; step < 2000; ++step) {
    const std::uint64_t what = random() % 100;
    if (what < 80) {
      const click in{random() % 6, known.watermark + 30 - static_cast<std::int64_t>(random() % 120)};
      ++known.sent;
      note(known, run.send(hash_of(in.user), in, 0, at(in.time)));
      known.late += run.take_late().size();
    } else if (what < 97) {
      known.watermark += static_cast<std::int64_t>(random() % 15);
      note(known, run.watermark(at(known.watermark)));
    } else {
      if (random() % 3 != 0) {
        run.checkpoint();
        stored = known;
      }
      run.start(backend, parallelism());
      known = stored;
    }
    const record_counts counts = run.counts();
    REQUIRE(counts.in == known.sent);
    if (is_read)
      REQUIRE((counts.late == known.late && counts.dropped == 0));
    else
      REQUIRE((counts.late == 0 && known.late == 0));
  }
  note(known, run.watermark(last_watermark));
  const record_counts counts = run.counts();
  CHECK((is_read ? counts.late : counts.dropped) > 0);
  std::uint64_t taken = 0;
  for (const auto& [window, count] : known.taken)
    taken += count;
  if (each_in_one_window)
    CHECK(counts.in == taken + counts.late + counts.dropped);
}

} // namespace

TEST_CASE("every record is taken, late or dropped, and counted as such once, across restarts and rescaling") {
  using aligned = aligned_window_operator<click, decltype(&user_of), count_fold>;
  using trigger = decltype(triggers::event_time());
  using session = triggered_window_operator<click, decltype(&user_of), session_windows<std::chrono::milliseconds>,
                                            count_fold, trigger>;
  for (std::uint64_t seed = 1; seed <= 6; ++seed)
    for (const bool is_read : {true, false}) {
      for (const std::chrono::milliseconds lateness : {0ms, 20ms})
        check_counts(run_of<aligned>(tumbling(10ms), lateness), seed, is_read, true);
      check_counts(run_of<aligned>(sliding(30ms, 10ms), 0ms), seed, is_read, false);
      check_counts(run_of<session>(sessions(5ms), firing_rules<trigger>{triggers::event_time()}), seed, is_read, false);
    }
}

TEST_CASE("whether the late records are read does not change how many there are") {
  using aligned = aligned_window_operator<click, decltype(&user_of), count_fold>;
  auto read = run_of<aligned>(sliding(30ms, 10ms), 10ms);
  auto unread = run_of<aligned>(sliding(30ms, 10ms), 10ms);
  unread.leave_side_outputs();
  std::mt19937_64 random(7);
  std::uint64_t late = 0;
  for (window_run* run : {&read, &unread})
    run->start(state_backend::memory, 2);
  for (std::int64_t now = 0; now < 1000; ++now) {
    const click in{random() % 5, now - static_cast<std::int64_t>(random() % 80)};
    // In time for a window if its last one is.
    const std::int64_t last_end = (in.time < 0 ? -((9 - in.time) / 10) : in.time / 10) * 10 + 30;
    late += now > 0 && last_end <= now - 1 - 10;
    for (window_run* run : {&read, &unread}) {
      run->send(hash_of(in.user), in, 0, at(in.time));
      run->watermark(at(now));
    }
  }
  CHECK(late > 100);
  CHECK(read.counts() == record_counts{1000, late, 0});
  CHECK(unread.counts() == record_counts{1000, 0, late});
  CHECK(read.take_late().size() == late);
}
