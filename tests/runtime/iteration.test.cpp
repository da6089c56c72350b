#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

/// A number on its way to 1, and how many steps it has taken (Collatz).
struct walk {
  std::uint64_t start = 0;
  std::uint64_t at = 0;
  std::uint64_t steps = 0;
  auto operator<=>(const walk&) const = default;
};

walk next(walk from) {
  from.at = from.at % 2 == 0 ? from.at / 2 : 3 * from.at + 1;
  ++from.steps;
  return from;
}

constexpr std::uint64_t walks = 300;

std::vector<walk> ends_of_walks() {
  std::vector<walk> all;
  for (std::uint64_t i = 0; i < walks; ++i) {
    walk one{i + 1, i + 1, 0};
    while (one.at != 1)
      one = next(one);
    all.push_back(one);
  }
  return all;
}

template <class T>
std::vector<T> sorted(std::vector<T> all) {
  std::sort(all.begin(), all.end());
  return all;
}

/// Counts how often it sees each start, and passes everything on.
struct count_visits {
  using output = walk;

  void open(state_registry& states) { visits_ = states.value<std::uint64_t>("visits"); }
  void process(const walk& in, keyed_context<std::uint64_t>&, emitter<walk>& out) {
    const std::uint64_t visits = (visits_ ? *visits_ : 0) + 1;
    visits_.update(visits);
    if (visits != in.steps + 1) // each step once, in order
      CHECK(visits == in.steps + 1);
    out(in);
  }

  value_state<std::uint64_t> visits_;
};

std::string mistakes_of(topology& job) {
  const auto plan = make_plan(*job.graph(), job.config());
  return plan ? "" : plan.failure().message;
}

} // namespace

TEST_CASE("what is fed back goes round until nothing is left, each record once, in every mode") {
  const std::vector<walk> wanted = ends_of_walks();
  in_every_mode([&](const job_mode& mode) {
    const auto results = std::make_shared<committed_records<walk>>();
    topology job{"walks"};
    const auto walking = job.source("starts", generate([](std::uint64_t i) { return walk{i + 1, i + 1, 0}; }, walks))
                             .iterate("walking");
    const auto [going_on, done] =
        walking.key_by([](const walk& one) { return one.start; })
            .process("count", count_visits{})
            .split<walk, walk>("ends", [](const walk& one, emitter<walk>& again, emitter<walk>& end) {
              (one.at == 1 ? end : again)(one);
            });
    walking.feed_back(going_on.map("step", next));
    done.sink("results", memory_sink<walk>{results});
    run_in_mode(job, mode, {"starts", "walking", "count", "results"});
    CHECK(sorted(results->visible()) == wanted);
  });
}

TEST_CASE("checkpoints complete though what is fed back is divided among all that the loop begins with") {
  for (const checkpoint_mode mode :
       {checkpoint_mode::exactly_once, checkpoint_mode::unaligned, checkpoint_mode::at_least_once}) {
    CAPTURE(static_cast<int>(mode));
    const temporary_directory directory;
    const auto results = std::make_shared<committed_records<walk>>();
    topology job{"walks"};
    const auto walking = job.source("starts", generate([](std::uint64_t i) { return walk{i + 1, i + 1, 0}; }, 10 * walks))
                             .iterate("walking");
    const auto [going_on, done] =
        walking.split<walk, walk>("ends", [](const walk& one, emitter<walk>& again, emitter<walk>& end) {
          (one.at == 1 ? end : again)(one);
        });
    walking.feed_back(going_on.map("step", next).rebalance());
    done.sink("results", memory_sink<walk>{results});
    job_config config = job.config();
    config.parallelism = 3;
    config.task.batch_size = 8;
    config.lowest_level = log_level::off;
    config.checkpoint.directory = directory / "state";
    config.checkpoint.interval = 1ms;
    config.checkpoint.mode = mode;
    config.checkpoint.timeout = 20s;
    config.checkpoint.tolerated_failures = 0;
    config.checkpoint.map_size = std::uint64_t{1} << 28;
    auto started = job::start(job, config);
    REQUIRE(started);
    const job_report report = (*started)->wait();
    CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
    CHECK(report.checkpoints > 1);
    CHECK(report.failed_checkpoints == 0);
    CHECK(results->visible().size() == 10 * walks);
  }
}

TEST_CASE("a job is stopped in the middle of a loop that stays full, and goes on from there") {
  const temporary_directory directory;
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  constexpr std::uint64_t numbers = 20'000;
  const auto make = [&](std::uint64_t rounds) {
    topology job{"full"};
    const auto loop = job.source("numbers", generate([](std::uint64_t i) { return std::pair{i, std::uint64_t{0}}; }, numbers))
                          .iterate("loop");
    using step = std::pair<std::uint64_t, std::uint64_t>;
    const auto [again, done] =
        loop.split<step, step>("rounds", [rounds](const step& one, emitter<step>& round, emitter<step>& end) {
          (one.second < rounds ? round : end)({one.first, one.second + 1});
        });
    loop.feed_back(again);
    done.map("number", [](const step& one) { return one.first; }).sink("results", memory_sink<std::uint64_t>{results});
    return job;
  };
  job_config config;
  config.parallelism = 2;
  config.task.batch_size = 4;
  config.task.credits = 1;
  config.lowest_level = log_level::off;
  config.checkpoint.directory = directory / "state";
  config.checkpoint.interval = 0s;
  config.checkpoint.timeout = 20s;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  {
    auto started = job::start(make(1'000'000'000), config); // nothing ever leaves
    REQUIRE(started);
    std::this_thread::sleep_for(50ms);
    (*started)->stop();
    const job_report report = (*started)->wait();
    CHECK_MESSAGE(report.what == job_report::outcome::stopped, report.failure);
  }
  CHECK(results->visible().empty());
  auto started = job::start(make(0), config);
  REQUIRE(started);
  CHECK((*started)->wait().what == job_report::outcome::finished);
  std::vector<std::uint64_t> wanted;
  for (std::uint64_t i = 0; i < numbers; ++i)
    wanted.push_back(i);
  CHECK(sorted(results->visible()) == wanted);
}

TEST_CASE("a loop in which every record makes many others, with little room, does not get stuck") {
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  topology job{"trees"};
  const auto nodes =
      job.source("roots", generate([](std::uint64_t) { return std::uint64_t{12}; }, 20)).iterate("nodes");
  nodes.feed_back(nodes.rebalance().flat_map("children", [](std::uint64_t depth, emitter<std::uint64_t>& out) {
    if (depth != 0) {
      out(depth - 1);
      out(depth - 1);
    }
  }));
  nodes.rebalance().sink("all", memory_sink<std::uint64_t>{results});
  job_config config = job.config();
  config.parallelism = 2;
  config.task.batch_size = 2;
  config.task.credits = 1;
  config.chaining = false;
  config.lowest_level = log_level::off;
  auto started = job::start(job, config);
  REQUIRE(started);
  CHECK((*started)->wait().what == job_report::outcome::finished);
  CHECK(results->visible().size() == 20 * ((1u << 13) - 1));
}

TEST_CASE("a loop may be within one chain, and one loop may follow another") {
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  topology job{"two-loops"};
  const auto down = [](std::uint64_t n, emitter<std::uint64_t>& again, emitter<std::uint64_t>& done) {
    if (n % 10 == 0)
      done(n);
    else
      again(n - 1);
  };
  const auto first = job.source("numbers", generate([](std::uint64_t i) { return i; }, 1000)).iterate("first");
  const auto [first_again, first_done] = first.split<std::uint64_t, std::uint64_t>("down", down);
  first.feed_back(first_again);
  const auto second = first_done.map("and on", [](std::uint64_t n) { return n + 19; }).iterate("second");
  const auto [second_again, second_done] = second.split<std::uint64_t, std::uint64_t>("down again", down);
  second.feed_back(second_again);
  second_done.sink("out", memory_sink<std::uint64_t>{results});
  job.config().parallelism = 2;
  job.config().lowest_level = log_level::off;
  const auto report = run(job);
  REQUIRE(report);
  std::vector<std::uint64_t> wanted;
  for (std::uint64_t i = 0; i < 1000; ++i)
    wanted.push_back(i / 10 * 10 + 10);
  CHECK(sorted(results->visible()) == wanted);
}

TEST_CASE("windows in a loop come out at the end of its input, and what they make goes round") {
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  topology job{"windows"};
  const auto numbers =
      job.source("numbers", generate([](std::uint64_t i) { return i; }, 100))
          .assign_times("times", [](std::uint64_t i) { return event_time{std::chrono::milliseconds{i}}; },
                        bounded_disorder{0s})
          .iterate("loop");
  numbers.feed_back(numbers.filter("first time", [](std::uint64_t n) { return n < 1000; })
                        .key_by([](std::uint64_t) { return std::uint64_t{0}; })
                        .window(tumbling(1h))
                        .count("count")
                        .map("again", [](const windowed<std::uint64_t, std::uint64_t>& one) { return 1000 + one.value; }));
  numbers.filter("second time", [](std::uint64_t n) { return n >= 1000; })
      .sink("out", memory_sink<std::uint64_t>{results});
  job.config().lowest_level = log_level::off;
  const auto report = run(job);
  REQUIRE(report);
  CHECK(results->visible() == std::vector<std::uint64_t>{1100});
}

TEST_CASE("what is fed back at the end of input is dropped, and counted") {
  topology job{"late"};
  const auto loop = job.source("numbers", generate([](std::uint64_t i) { return i; }, 50)).iterate("loop");
  loop.feed_back(loop.key_by([](std::uint64_t n) { return n % 5; })
                     .count("count", emit::at_end)
                     .map("again", [](const counted<std::uint64_t>& one) { return one.count; }));
  job.config().lowest_level = log_level::off;
  const auto report = run(job);
  REQUIRE(report);
  CHECK(report->what == job_report::outcome::finished);
  for (const operator_report& one : report->operators)
    CHECK(one.counts.dropped == (one.name == "loop" ? 5 : 0));
}

TEST_CASE("a loop that cannot be one is found before it starts") {
  topology open{"open"};
  open.source("numbers", generate([](std::uint64_t i) { return i; }, 1)).iterate("loop").sink("out", [](std::uint64_t) {});
  CHECK(mistakes_of(open).find("iteration 'loop': nothing is fed back") != std::string::npos);

  topology other{"other"};
  const auto numbers = other.source("numbers", generate([](std::uint64_t i) { return i; }, 1));
  const auto loop = numbers.iterate("loop");
  loop.feed_back(numbers);
  loop.sink("out", [](std::uint64_t) {});
  CHECK(mistakes_of(other).find("'numbers' is fed back, which does not come from it") != std::string::npos);

  topology nested{"nested"};
  const auto outer = nested.source("numbers", generate([](std::uint64_t i) { return i; }, 1)).iterate("outer");
  const auto inner = outer.iterate("inner");
  inner.feed_back(inner.map("in", [](std::uint64_t n) { return n; }));
  outer.feed_back(inner.map("out", [](std::uint64_t n) { return n; }));
  CHECK(mistakes_of(nested).find("iteration 'inner' lies within iteration 'outer'") != std::string::npos);
}
