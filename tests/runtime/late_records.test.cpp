#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t records = 6000;
constexpr std::uint64_t keys = 13;
constexpr std::int64_t size = 40;

/// A record per ms, out of order by up to 200.
std::int64_t time_of(std::uint64_t i) {
  return static_cast<std::int64_t>(i) - static_cast<std::int64_t>(mix(i) % 200) + 1000;
}

/// The watermark right behind a record, of some.
std::optional<event_time> watermark_behind(std::uint64_t i) {
  if (i % 16 != 0)
    return std::nullopt;
  return event_time{std::chrono::milliseconds{static_cast<std::int64_t>(i) - 30 + 1000}};
}

using counted_window = std::tuple<std::uint64_t, std::int64_t, std::uint64_t>; // key, start, records

/// What a program computes that reads the records one by one.
struct expected_results {
  std::vector<counted_window> windows;
  std::vector<std::uint64_t> late;
};

expected_results expected() {
  expected_results all;
  std::map<std::pair<std::uint64_t, std::int64_t>, std::uint64_t> windows;
  std::int64_t watermark = 0;
  for (std::uint64_t i = 0; i < records; ++i) {
    const std::int64_t start = time_of(i) / size * size;
    if (start + size <= watermark)
      all.late.push_back(i);
    else
      ++windows[{i % keys, start}];
    if (const auto next = watermark_behind(i))
      watermark = std::max<std::int64_t>(watermark, next->time_since_epoch().count());
  }
  for (const auto& [window, count] : windows)
    all.windows.emplace_back(window.first, window.second, count);
  return all;
}

template <class T>
std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

record_counts counts_of(const job_report& report, const std::string& name) {
  for (const operator_report& one : report.operators)
    if (one.name == name)
      return one.counts;
  FAIL("the report lacks the operator " << name);
  return {};
}

struct outputs {
  std::shared_ptr<committed_records<counted_window>> windows =
      std::make_shared<committed_records<counted_window>>();
  std::shared_ptr<committed_records<std::uint64_t>> late = std::make_shared<committed_records<std::uint64_t>>();
};

/// The same windows twice: the late records of the first are read, those of the second are not. One instance
/// gives the times, so that what is late is the same in every run; `seen` is called with each record.
template <class Seen>
void build(topology& job, const outputs& to, Seen seen) {
  const auto by_key = job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
                          .parallelism(1)
                          .assign_times("times",
                                        [](std::uint64_t i) {
                                          return event_time{std::chrono::milliseconds{time_of(i)}};
                                        },
                                        punctuated([seen](std::uint64_t i, event_time) {
                                          seen(i);
                                          return watermark_behind(i);
                                        }))
                          .parallelism(1)
                          .key_by([](std::uint64_t i) { return i % keys; });
  const auto flat = [](const windowed<std::uint64_t, std::uint64_t>& in) {
    return counted_window{in.key, in.window.start.time_since_epoch().count(), in.value};
  };
  const auto read = by_key.window(tumbling(std::chrono::milliseconds{size})).count("read");
  read.map("flat", flat).sink("out", memory_sink<counted_window>{to.windows});
  read.late().sink("late", memory_sink<std::uint64_t>{to.late});
  by_key.window(tumbling(std::chrono::milliseconds{size})).count("unread").sink("nowhere", [](const auto&) {});
}

void check(const job_report& report, const outputs& found) {
  const expected_results wanted = expected();
  CHECK(wanted.late.size() > records / 10);
  CHECK(sorted(found.windows->visible()) == wanted.windows);
  CHECK(sorted(found.late->visible()) == wanted.late);
  CHECK(counts_of(report, "times") == record_counts{records, 0, 0});
  CHECK(counts_of(report, "read") == record_counts{records, wanted.late.size(), 0});
  CHECK(counts_of(report, "unread") == record_counts{records, 0, wanted.late.size()});
  CHECK(counts_of(report, "late") == record_counts{wanted.late.size(), 0, 0});
  CHECK(counts_of(report, "out") == record_counts{wanted.windows.size(), 0, 0});
}

} // namespace

TEST_CASE("a job reports what was late and what was dropped as if nothing had happened to it, in every mode") {
  in_every_mode([&](const job_mode& mode) {
    const outputs found;
    topology job{"late"};
    build(job, found, [](std::uint64_t) {});
    const job_report report = run_in_mode(job, mode, {"numbers", "read", "unread", "out", "late"});
    CHECK(report.operators.size() == 8);
    check(report, found);
  });
}

TEST_CASE("a join gives the late records of both streams to the side, each counted once, in every mode") {
  using sizes = std::pair<std::uint64_t, std::uint64_t>; // of a group: of the first stream, of the second
  in_every_mode([&](const job_mode& mode) {
    const auto groups = std::make_shared<committed_records<sizes>>();
    const auto late_first = std::make_shared<committed_records<std::uint64_t>>();
    const auto late_second = std::make_shared<committed_records<std::string>>();
    topology job{"late-joins"};
    const auto timed = job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
                           .parallelism(1)
                           .assign_times("times",
                                         [](std::uint64_t i) {
                                           return event_time{std::chrono::milliseconds{time_of(i)}};
                                         },
                                         punctuated([](std::uint64_t i, event_time) {
                                           return watermark_behind(i);
                                         }))
                           .parallelism(1);
    const auto second = timed.map("text", [](std::uint64_t i) { return std::to_string(i); }).parallelism(1);
    const auto both = timed.key_by([](std::uint64_t i) { return i % keys; })
                          .connect(second.key_by([](const std::string& text) -> std::uint64_t {
                            return std::stoull(text) % keys;
                          }));
    const auto grouped = both.cogroup<sizes>(
        "groups", tumbling(std::chrono::milliseconds{size}),
        [](std::uint64_t, const time_window&, const std::vector<std::uint64_t>& a,
           const std::vector<std::string>& b, emitter<sizes>& out) { out({a.size(), b.size()}); });
    grouped.sink("out", memory_sink<sizes>{groups});
    grouped.late_first().sink("late first", memory_sink<std::uint64_t>{late_first});
    grouped.late_second().sink("late second", memory_sink<std::string>{late_second});
    const auto within =
        both.join_within("within", 0ms, 50ms, [](std::uint64_t i, const std::string&) { return i; });
    within.sink("nowhere", [](std::uint64_t) {});
    within.late_first().sink("nowhere either", [](std::uint64_t) {}); // late_second() is not read
    const job_report report = run_in_mode(job, mode, {"numbers", "groups", "within", "out", "late second"});

    std::uint64_t taken = 0;
    for (const auto& [a, b] : groups->visible())
      taken += a + b;
    const std::uint64_t late = late_first->visible().size() + late_second->visible().size();
    CHECK(late > records / 20); // of which stream depends on which is ahead
    CHECK(taken + late == 2 * records);
    CHECK(counts_of(report, "groups") == record_counts{2 * records, late, 0});
    const record_counts narrow = counts_of(report, "within");
    CHECK(narrow.in == 2 * records);
    CHECK(narrow.late == counts_of(report, "nowhere either").in);
    CHECK(narrow.late + narrow.dropped > records / 20);
  });
}

TEST_CASE("the counts of a job that is stopped and started again at another parallelism go on") {
  const temporary_directory directory;
  const outputs found;
  job_report report;
  for (std::uint64_t run = 1; run <= 5; ++run) {
    // Each run but the last one is stopped when it has seen some records.
    const std::uint64_t last = run == 5 ? records : run * records / 6;
    const auto reached = std::make_shared<std::promise<void>>();
    const auto waits = std::make_shared<std::atomic<bool>>(run != 5);
    topology job{"late"};
    build(job, found, [=](std::uint64_t i) {
      if (i >= last && waits->exchange(false))
        reached->set_value();
    });
    job_config config;
    config.lowest_level = log_level::off;
    config.task.batch_size = 16;
    config.parallelism = 1 + static_cast<std::uint32_t>(run % 3);
    config.checkpoint.directory = directory / "checkpoints";
    config.checkpoint.map_size = std::uint64_t{1} << 28;
    auto started = job::start(job, config);
    if (!started)
      FAIL(started.failure().message);
    std::thread waiting([&] {
      report = (*started)->wait();
      if (waits->exchange(false))
        reached->set_value(); // it had already read more
    });
    if (run != 5) {
      reached->get_future().wait();
      (*started)->stop();
    }
    waiting.join();
    REQUIRE(report.what != job_report::outcome::failed);
    const record_counts read = counts_of(report, "read");
    const record_counts unread = counts_of(report, "unread");
    CHECK(read.in >= last);
    CHECK(read == record_counts{unread.in, unread.dropped, 0});
    CHECK(counts_of(report, "late").in == read.late);
  }
  CHECK(report.what == job_report::outcome::finished);
  check(report, found);
}
