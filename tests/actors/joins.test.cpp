#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>
#include <weir/actors/operators/joins.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

/// A record of either stream.
struct item {
  std::string key;
  std::int64_t time = 0;
  std::uint64_t number = 0;
  auto operator<=>(const item&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(key, time, number);
  }
};

std::string key_of(const item& in) {
  return in.key;
}

using pair = std::pair<std::uint64_t, std::uint64_t>; // the numbers of both

pair make_pair_of(const item& a, const item& b) {
  return {a.number, b.number};
}

/// What a window has of one key.
struct group {
  std::string key;
  time_window window;
  std::vector<std::uint64_t> first;
  std::vector<std::uint64_t> second;
  auto operator<=>(const group&) const = default;
};

std::vector<std::uint64_t> numbers_of(const std::vector<item>& items) {
  std::vector<std::uint64_t> numbers;
  for (const item& one : items)
    numbers.push_back(one.number);
  return numbers;
}

void make_group(const std::string& key, const time_window& window, const std::vector<item>& first,
                const std::vector<item>& second, emitter<group>& out) {
  out({key, window, numbers_of(first), numbers_of(second)});
}

using interval = interval_join<std::string, item, item, decltype(&make_pair_of)>;
using cogroup = window_cogroup<std::string, item, item, group, decltype(&make_group)>;

template <class Join>
stateful_run<item, typename Join::output> run_of(Join how) {
  using op = join_operator<item, decltype(&key_of), item, decltype(&key_of), Join>;
  return {[how] { return std::make_unique<op>(&key_of, &key_of, how); }, std::make_shared<manual_clock>()};
}

template <class Run>
auto give(Run& run, std::size_t port, const item& in) {
  return run.send(hash_of(in.key), in, port, at(in.time));
}

template <class T>
std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

/// What is known of the records sent so far; goes back with the operator when that starts from a checkpoint.
struct known_records {
  std::vector<item> in_time[2];
  std::vector<item> late[2];
  std::map<std::pair<std::string, std::int64_t>, group> open; ///< by key and start: windows still to come
  std::int64_t watermark = -1000;
  std::uint64_t next = 0;
};

/// Random records for a join, with restarts, of which some lose what came after the checkpoint.
/// `send(known, port, record)` gives one to the operator, and says whether it is in time; `advance(known)`
/// gives the watermark. They check what comes out.
template <class Run, class Send, class Advance>
void drive(Run& run, std::uint64_t seed, Send&& send, Advance&& advance) {
  std::mt19937_64 random(seed);
  const bool is_read = random() % 2 == 0;
  CAPTURE(seed);
  CAPTURE(is_read);
  if (!is_read)
    run.leave_side_outputs();
  const auto backend = static_cast<state_backend>(seed % 3);
  const auto start = [&] { run.start(backend, 1 + static_cast<std::uint32_t>(random() % 3)); };
  known_records known;
  start();
  advance(known);
  run.checkpoint();
  known_records stored = known;
  for (int step = 0; step < 1200; ++step) {
    const std::uint64_t what = random() % 100;
    if (what < 80) {
      const std::size_t port = random() % 2;
      const item in{"key " + std::to_string(random() % 4),
                    known.watermark + 40 - static_cast<std::int64_t>(random() % 80), known.next++};
      (send(known, port, in) ? known.in_time : known.late)[port].push_back(in);
    } else if (what < 95) {
      known.watermark += static_cast<std::int64_t>(random() % 25);
      advance(known);
    } else {
      for (const std::size_t port : {0, 1}) {
        std::vector<item> late = known.late[port];
        late.erase(late.begin(), late.begin() + static_cast<std::ptrdiff_t>(stored.late[port].size()));
        // All since the last start.
        CHECK(sorted(run.take_late(port + 1)) == (is_read ? sorted(late) : std::vector<item>{}));
      }
      if (random() % 3 != 0) {
        run.checkpoint();
        stored = known;
      } else {
        known = stored;
      }
      start();
    }
    const std::uint64_t late = known.late[0].size() + known.late[1].size();
    const std::uint64_t taken = known.in_time[0].size() + known.in_time[1].size();
    REQUIRE(run.counts() ==
            record_counts{taken + late, is_read ? late : 0, is_read ? std::uint64_t{0} : late});
  }
  CHECK(known.late[0].size() > 20);
  CHECK(known.late[1].size() > 20);
  known.watermark = last_watermark.time_since_epoch().count();
  advance(known);
  run.checkpoint(true);
  CHECK(run.bytes() == 0); // nothing is kept of what is over
}

} // namespace

TEST_CASE("an interval join pairs what a batch function pairs, and counts the rest, whatever happens to it") {
  const std::pair<std::int64_t, std::int64_t> intervals[] = {{0, 20},  {-15, 5}, {-30, -10},
                                                             {10, 12}, {0, 0},   {-100, 100}};
  for (const auto& [lower, upper] : intervals)
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      CAPTURE(lower);
      CAPTURE(upper);
      auto run = run_of(
          interval(std::chrono::milliseconds{lower}, std::chrono::milliseconds{upper}, &make_pair_of));
      std::uint64_t pairs = 0;
      drive(
          run, seed,
          [&, lower = lower, upper = upper](const known_records& known, std::size_t port, const item& in) {
            std::vector<pair> wanted;
            const bool is_in_time = in.time >= known.watermark;
            if (is_in_time)
              for (const item& other : known.in_time[1 - port]) {
                const item& first = port == 0 ? in : other;
                const item& second = port == 0 ? other : in;
                const std::int64_t apart = second.time - first.time;
                if (first.key == second.key && apart >= lower && apart <= upper)
                  wanted.emplace_back(first.number, second.number);
              }
            pairs += wanted.size();
            CHECK(sorted(give(run, port, in)) == sorted(wanted));
            return is_in_time;
          },
          [&](known_records& known) { CHECK(run.watermark(at(known.watermark)).empty()); });
      CHECK(pairs > 0);
    }
}

TEST_CASE("a co-group has the records of its window, in the order in which they came, and counts the rest") {
  for (const aligned_windows& windows : {tumbling(20ms), sliding(30ms, 10ms), tumbling(7ms, 3ms)})
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      CAPTURE(windows.size());
      auto run = run_of(cogroup(windows, &make_group));
      std::uint64_t groups = 0;
      drive(
          run, seed,
          [&](known_records& known, std::size_t port, const item& in) {
            bool is_in_time = false;
            for (std::int64_t start = windows.last_start(in.time); start + windows.size() > in.time;
                 start -= windows.slide()) {
              if (start + windows.size() <= known.watermark)
                continue;
              is_in_time = true;
              group& of = known.open[{in.key, start}];
              of.key = in.key;
              of.window = {at(start), at(start + windows.size())};
              (port == 0 ? of.first : of.second).push_back(in.number);
            }
            CHECK(give(run, port, in).empty());
            return is_in_time;
          },
          [&](known_records& known) {
            std::vector<group> wanted;
            for (const auto& [place, one] : known.open)
              if (one.window.end <= at(known.watermark))
                wanted.push_back(one);
            for (const group& one : wanted)
              known.open.erase({one.key, one.window.start.time_since_epoch().count()});
            groups += wanted.size();
            CHECK(sorted(run.watermark(at(known.watermark))) == sorted(wanted));
          });
      CHECK(groups > 20);
    }
}

TEST_CASE("a record that is added to the many of its key is alone in the next checkpoint") {
  const auto bytes_of_one_more = [](auto how, state_backend backend) {
    auto run = run_of(std::move(how));
    run.start(backend, 1);
    for (std::uint64_t i = 0; i < 20'000; ++i)
      give(run, i % 2, {"key", static_cast<std::int64_t>(i), i});
    run.checkpoint();
    give(run, 0, {"key", 10'000, 20'000});
    operator_snapshot made = run.running(0).begin_snapshot({checkpoint_id{2}, checkpoint_id{1}});
    while (!run.running(0).write_snapshot(made))
      ;
    CAPTURE(static_cast<int>(backend));
    std::size_t bytes = 0;
    for (const key_group_snapshot& group : made.key_groups)
      bytes += group.source ? group.source->read(group.group)->data.size() : group.data.size();
    CHECK(bytes > 0);
    return bytes;
  };
  for (const state_backend backend : {state_backend::memory, state_backend::lmdb}) {
    const interval narrow(0ms, 0ms, &make_pair_of);
    CHECK(bytes_of_one_more(narrow, backend) < 500);
    CHECK(bytes_of_one_more(cogroup(tumbling(100s), &make_group), backend) < 500);
  }
  // Nothing comes out: the two sides are never so far apart.
  const interval wide(1h, 2h, &make_pair_of);
  CHECK(bytes_of_one_more(wide, state_backend::memory) < 500);
  CHECK(bytes_of_one_more(wide, state_backend::lmdb) < 500);
}

TEST_CASE("records without event times are an error that says what to do") {
  auto run = run_of(interval(0ms, 1ms, &make_pair_of));
  run.start(state_backend::memory, 1);
  CHECK_THROWS_WITH_AS(run.send(hash_of(std::string("a")), {"a", 0, 0}), doctest::Contains("assign_times"),
                       std::exception);
  CHECK_THROWS_AS(interval(2ms, 1ms, &make_pair_of), std::invalid_argument);
}
