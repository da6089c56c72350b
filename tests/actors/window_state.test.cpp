#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>
#include <weir/actors/operators/count_window.hpp>
#include <weir/actors/operators/triggered_window.hpp>
#include <weir/actors/triggers.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace on = weir::triggers;

// What windows keep is gone when their allowed lateness has passed: otherwise a job whose keys change grows for ever.

namespace {

struct click {
  std::uint64_t user = 0;
  std::int64_t time = 0;
  std::int64_t gap = 1;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(user, time, gap);
  }
};

struct user_of {
  std::uint64_t operator()(const click& in) const { return in.user; }
};
struct gap_of {
  std::chrono::milliseconds operator()(const click& in) const { return std::chrono::milliseconds{in.gap}; }
};

constexpr auto lateness = 40ms;
constexpr std::int64_t longest = 60; ///< window or gap

template <class Operator>
using run_of = stateful_run<click, typename Operator::output_type>;

/// Gives random records of ever new keys to several instances, with watermarks that some are late for. Whenever the
/// watermark is then beyond all of it, the lateness included, a checkpoint has no rows, whatever it had before.
template <class Operator>
void check_that_state_goes(const std::string& name, const std::function<std::unique_ptr<Operator>()>& make,
                           bool until_input_ends = false) {
  for (const state_backend backend : {state_backend::memory, state_backend::lmdb})
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      CAPTURE(name);
      CAPTURE(seed);
      CAPTURE(static_cast<int>(backend));
      const auto clock = std::make_shared<manual_clock>();
      run_of<Operator> run([&] { return make(); }, clock);
      std::mt19937_64 random(seed);
      run.start(backend, 2);
      std::int64_t now = 0;
      std::int64_t watermark = -100;
      for (int span = 0; span < 3; ++span) {
        for (int step = 0; step < 400; ++step) {
          const std::uint64_t what = random() % 100;
          const std::uint64_t user = static_cast<std::uint64_t>(span) * 10 + random() % 10;
          if (what < 80) {
            const click in{user, now - static_cast<std::int64_t>(random() % 90),
                           1 + static_cast<std::int64_t>(random() % longest)};
            run.send(hash_of(in.user), in, 0, at(in.time));
          } else if (what < 95) {
            now += static_cast<std::int64_t>(random() % 12);
            watermark = std::max(watermark, now - static_cast<std::int64_t>(random() % 30));
            run.watermark(at(watermark));
            clock->advance(std::chrono::milliseconds{random() % 3});
            run.wake();
          } else if (what == 99) {
            run.checkpoint();
            run.start(backend, 1 + static_cast<std::uint32_t>(random() % 3));
          }
        }
        run.checkpoint(true);
        CHECK(run.bytes() > 0);
        // Sessions may have run together, but no record is later than now, nor any gap longer.
        watermark = now = now + longest + lateness.count();
        run.watermark(at(watermark));
        run.checkpoint(true);
        if (!until_input_ends)
          CHECK(run.bytes() == 0);
        run.start(backend, 2); // nor does it come back
      }
      run.watermark(last_watermark);
      run.checkpoint(true);
      CHECK(run.bytes() == 0);
    }
}

template <class Fold, class Windows, class Trigger>
void check_windows(const std::string& name, Windows windows, Trigger trigger, bool discards = false) {
  using op = triggered_window_operator<click, user_of, Windows, Fold, Trigger>;
  const firing_rules<Trigger> rules{trigger, lateness, discards};
  check_that_state_goes<op>(name, [=] { return std::make_unique<op>(user_of{}, Fold{}, windows, rules); },
                            std::is_same_v<Windows, global_windows>);
}

/// All kinds of windows with one rule and one trigger.
template <class Fold, class Trigger>
void check_all_windows(const std::string& name, Trigger trigger, bool discards = false) {
  check_windows<Fold>("tumbling, " + name, tumbling(50ms, 7ms), trigger, discards);
  check_windows<Fold>("sliding, " + name, sliding(60ms, 15ms), trigger, discards);
  check_windows<Fold>("sliding unevenly, " + name, sliding(25ms, 10ms, 3ms), trigger, discards);
  check_windows<Fold>("sessions, " + name, sessions(gap_of{}), trigger, discards);
  check_windows<Fold>("global, " + name, global(), trigger, discards);
}

using collect_clicks = collect_fold<click>;

} // namespace

TEST_CASE("counts of windows that are over are gone") {
  check_all_windows<count_fold>("count", on::event_time());
}
TEST_CASE("records that were collected for windows that are over are gone") {
  check_all_windows<collect_clicks>("collect", on::event_time());
}
TEST_CASE("records that were collected are gone though panes discarded some of them before") {
  check_all_windows<collect_clicks>("collect, discarding", on::event_time().early(on::repeat(on::count(3))), true);
}
TEST_CASE("what triggers know of windows that are over is gone, their timers, too") {
  check_all_windows<count_fold>("count, by the clock",
                                on::event_time()
                                    .early(on::continuous_processing_time(2ms))
                                    .late(on::any_of(on::processing_time(5ms), on::repeat(on::count(2)))));
  check_all_windows<collect_clicks>("collect, purging",
                                    on::in_sequence(on::repeat(on::purging(on::count(2))), on::event_time()));
}

TEST_CASE("nothing is left of windows of so many records when the input has ended") {
  using whole = count_window_function<click, std::uint64_t, collect_clicks>;
  using counted = count_window_function<click, std::uint64_t, count_fold>;
  for (const count_windows& windows : {tumbling_count(4), sliding_count(6, 4)}) {
    using collecting = keyed_process_operator<click, user_of, whole>;
    using counting = keyed_process_operator<click, user_of, counted>;
    const std::string name = windows.is_tumbling() ? "tumbling_count" : "sliding_count";
    const auto check = [&]<class Operator, class Function>(std::type_identity<Operator>, Function function) {
      const auto clock = std::make_shared<manual_clock>();
      stateful_run<click, typename Function::output> run(
          [=] { return std::make_unique<Operator>(user_of{}, function); }, clock);
      run.start(state_backend::memory, 2);
      for (std::int64_t i = 0; i < 200; ++i)
        run.send(hash_of(static_cast<std::uint64_t>(i % 23)), {static_cast<std::uint64_t>(i % 23), i}, 0, at(i));
      run.checkpoint(true);
      CAPTURE(name);
      CHECK(run.bytes() > 0);
      run.start(state_backend::memory, 3);
      run.watermark(last_watermark);
      run.checkpoint(true);
      CHECK(run.bytes() == 0);
    };
    check(std::type_identity<collecting>{}, whole(windows, collect_clicks{}));
    check(std::type_identity<counting>{}, counted(windows, count_fold{}));
  }
}

TEST_CASE("a tumbling window of so many records leaves nothing when it is full") {
  using function = count_window_function<click, std::uint64_t, collect_clicks>;
  using op = keyed_process_operator<click, user_of, function>;
  stateful_run<click, function::output> run(
      [] { return std::make_unique<op>(user_of{}, function(tumbling_count(4), collect_clicks{})); },
      std::make_shared<manual_clock>());
  run.start(state_backend::memory, 1);
  for (std::uint64_t user = 0; user < 10; ++user)
    for (std::int64_t i = 0; i < 8; ++i)
      run.send(hash_of(user), {user, i}, 0, at(i));
  run.checkpoint(true);
  CHECK(run.bytes() == 0);
}
