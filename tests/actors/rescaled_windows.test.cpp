#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/window_run.hpp>
#include <weir/actors/operators/aligned_window.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using pane = windowed<std::uint64_t, std::uint64_t>;
using maker = std::function<std::unique_ptr<operator_base>()>;

using by_event_time = decltype(triggers::event_time());
constexpr std::uint64_t players = 40;

template <class Windows>
maker triggered_windows(Windows windows, std::chrono::milliseconds lateness) {
  using op = triggered_window_operator<score, decltype(&player_of), Windows, sum_fold, by_event_time>;
  return [=] {
    return std::make_unique<op>(&player_of, sum_fold{}, windows,
                                firing_rules<by_event_time>{triggers::event_time(), lateness});
  };
}

maker aligned(aligned_windows windows, std::chrono::milliseconds lateness) {
  using op = aligned_window_operator<score, decltype(&player_of), sum_fold>;
  return [=] { return std::make_unique<op>(&player_of, sum_fold{}, windows, lateness); };
}

/// A point for each player every 10 ms before `end`.
std::vector<pane> play(stateful_run<score, pane>& run, std::int64_t begin, std::int64_t end) {
  std::vector<pane> all;
  for (std::int64_t time = begin; time < end; time += 10)
    for (std::uint64_t player = 0; player < players; ++player)
      for (pane& one : run.send(hash_of(player), {player, time, 1}, 0, at(time)))
        all.push_back(std::move(one));
  return all;
}

/// On time, of each player, by the end of the window.
using on_time_panes = std::map<std::pair<std::uint64_t, event_time>, std::uint64_t>;

void note(on_time_panes& all, const std::vector<pane>& found) {
  for (const pane& one : found) {
    CHECK(one.pane.timing == pane_timing::on_time);
    CHECK_MESSAGE(all.try_emplace({one.key, one.window.end}, one.value).second, text_of(one) << " came out twice");
  }
}

} // namespace

TEST_CASE("windows come out once where instances with other watermarks have become more or fewer") {
  const std::pair<const char*, std::function<maker(std::chrono::milliseconds)>> kinds[] = {
      {"tumbling", [](std::chrono::milliseconds lateness) { return aligned(tumbling(50ms), lateness); }},
      {"sliding", [](std::chrono::milliseconds lateness) { return aligned(sliding(100ms, 20ms), lateness); }},
      {"tumbling, with a trigger", [](std::chrono::milliseconds lateness) { return triggered_windows(tumbling(50ms), lateness); }},
      {"sliding, with a trigger", [](std::chrono::milliseconds lateness) { return triggered_windows(sliding(100ms, 20ms), lateness); }},
  };
  for (const auto& [name, make] : kinds)
    for (const state_backend backend : {state_backend::memory, state_backend::directory, state_backend::lmdb})
      for (const std::chrono::milliseconds lateness : {0ms, 30ms, 1000ms})
        for (const std::uint32_t later : {1u, 3u, 5u}) {
          CAPTURE(name);
          CAPTURE(static_cast<int>(backend));
          CAPTURE(lateness.count());
          CAPTURE(later);
          on_time_panes expected;
          stateful_run<score, pane> undisturbed(make(lateness), std::make_shared<manual_clock>());
          undisturbed.start(backend, 1);
          play(undisturbed, 0, 400);
          note(expected, undisturbed.watermark(last_watermark));

          stateful_run<score, pane> run(make(lateness), std::make_shared<manual_clock>());
          run.start(backend, 2);
          on_time_panes found;
          note(found, play(run, 0, 400));
          note(found, run.watermark(at(110)));
          note(found, run.watermark_for(1, at(290)));
          const std::size_t before = found.size();
          run.checkpoint();
          note(found, run.start(backend, later));
          CHECK(found.size() > before); // those that were behind have caught up
          for (const auto& [of, points] : expected)
            CHECK(found.contains(of) == (of.second <= at(290)));
          for (std::uint64_t player = 0; player < players; ++player) // all are late for what ended at 150
            CHECK(run.send(hash_of(player), {player, 120, 0}, 0, at(120)).empty() == (lateness != 1000ms));
          run.checkpoint();
          note(found, run.start(backend, later));
          note(found, run.watermark(last_watermark));
          CHECK(found == expected);
        }
}

TEST_CASE("an instance catches up with the others before its first record") {
  // A session of each player, of which those of one instance are over.
  const auto make = triggered_windows(sessions(50ms), 0ms);
  for (const std::uint32_t later : {1u, 3u}) {
    CAPTURE(later);
    stateful_run<score, pane> run(make, std::make_shared<manual_clock>());
    run.start(state_backend::memory, 2);
    play(run, 0, 100);
    on_time_panes found;
    note(found, run.watermark_for(0, at(200)));
    CHECK(found.size() > players / 4);
    CHECK(found.size() < players);
    run.checkpoint();
    note(found, run.start(state_backend::memory, later));
    CHECK(found.size() == players);
    play(run, 100, 110); // late for all
    CHECK(run.counts().dropped + run.counts().late == players);
    CHECK(run.watermark(last_watermark).empty());
  }
}
