#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/counting_job.hpp>
#include <support/memory_sink.hpp>
#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t records = 20'000;
constexpr std::uint64_t keys = 37;

/// A fast source, a count, and something slow behind it.
topology slow_job(std::shared_ptr<key_counts> results,
                  std::shared_ptr<std::atomic<std::uint64_t>> slowly_done) {
  topology job{"slow"};
  job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
      .key_by([](std::uint64_t i) { return i % keys; })
      .count("count")
      .rebalance()
      .map("slow",
           [slowly_done](const key_count& one) {
             std::this_thread::sleep_for(20us);
             ++*slowly_done;
             return one;
           })
      .sink("results", memory_sink<key_count>{std::move(results)});
  return job;
}

job_config slow_config(const temporary_directory& directory, std::uint32_t parallelism) {
  job_config config;
  config.parallelism = parallelism;
  config.task.batch_size = 16;
  config.chaining = false;
  config.lowest_level = log_level::off;
  config.checkpoint.directory = directory / "checkpoints";
  config.checkpoint.interval = duration::zero();
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  return config;
}

std::uint64_t records_under_way(job_config config) {
  const auto store = checkpoint_store::open("slow", config.checkpoint);
  REQUIRE(store);
  const auto known = (*store)->list();
  REQUIRE(known);
  REQUIRE(!known->empty());
  const auto contents = (*store)->load(known->back().id);
  REQUIRE(contents);
  std::uint64_t all = 0;
  for (const operator_snapshot& one : contents->operators)
    for (const channel_snapshot& channel : one.channels)
      all += channel.records;
  return all;
}

/// Runs until something slow has been done, and then stops with a checkpoint.
void stop_when_begun(const topology& job, const job_config& config, const std::atomic<std::uint64_t>& slowly_done) {
  const auto running = start_job(job, config);
  CHECK(becomes_true([&] { return slowly_done >= 50; }));
  running->stop();
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::stopped, report.failure);
}

void finish(const topology& job, const job_config& config) {
  const job_report report = start_job(job, config)->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
}

void run_and_stop(const job_config& config, const std::shared_ptr<key_counts>& results) {
  const auto slowly_done = std::make_shared<std::atomic<std::uint64_t>>(0);
  stop_when_begun(slow_job(results, slowly_done), config, *slowly_done);
}

void run_to_end(const job_config& config, const std::shared_ptr<key_counts>& results) {
  finish(slow_job(results, std::make_shared<std::atomic<std::uint64_t>>(0)), config);
}

/// Every count of every key once.
void check_complete(const key_counts& results) {
  paced_counts{.records = records, .keys = keys}.check_complete(results);
}

} // namespace

TEST_CASE("an unaligned checkpoint holds what was under way, and the job goes on from it at any parallelism") {
  for (const auto& [before, after] : {std::pair{1u, 1u}, {2u, 2u}, {2u, 3u}, {3u, 1u}}) {
    CAPTURE(before);
    CAPTURE(after);
    const temporary_directory directory;
    const auto results = std::make_shared<key_counts>();
    job_config config = slow_config(directory, before);
    config.checkpoint.mode = checkpoint_mode::unaligned;
    run_and_stop(config, results);
    CHECK(records_under_way(config) >= 5 * config.task.batch_size);
    config.parallelism = after;
    config.checkpoint.mode = checkpoint_mode::exactly_once;
    run_to_end(config, results);
    check_complete(*results);
  }
}

TEST_CASE("what comes again may be under way once more in the next unaligned checkpoint") {
  const temporary_directory directory;
  const auto results = std::make_shared<key_counts>();
  job_config config = slow_config(directory, 2);
  config.checkpoint.mode = checkpoint_mode::unaligned;
  for (int i = 0; i < 4; ++i) {
    run_and_stop(config, results);
    config.parallelism = i % 2 == 0 ? 2 : 3;
  }
  run_to_end(config, results);
  check_complete(*results);
}

TEST_CASE("where something was under way there is a channel again, though the operators could be chained") {
  const temporary_directory directory;
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  const auto slowly_done = std::make_shared<std::atomic<std::uint64_t>>(0);
  topology job{"slow"};
  job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
      .map("slow",
           [slowly_done](std::uint64_t i) {
             std::this_thread::sleep_for(20us);
             ++*slowly_done;
             return i;
           })
      .sink("results", memory_sink<std::uint64_t>{results});
  job_config config = slow_config(directory, 1);
  config.checkpoint.mode = checkpoint_mode::unaligned;
  stop_when_begun(job, config, *slowly_done);
  CHECK(records_under_way(config) >= 5 * config.task.batch_size);
  config.chaining = true;
  finish(job, config);
  std::vector<std::uint64_t> got = results->visible();
  std::sort(got.begin(), got.end());
  REQUIRE(got.size() == records);
  for (std::uint64_t i = 0; i < records; ++i)
    REQUIRE(got[i] == i);
}

TEST_CASE("an aligned checkpoint holds nothing that was under way") {
  const temporary_directory directory;
  const auto results = std::make_shared<key_counts>();
  const job_config config = slow_config(directory, 2);
  run_and_stop(config, results);
  CHECK(records_under_way(config) == 0);
  run_to_end(config, results);
  check_complete(*results);
}

TEST_CASE("a checkpoint whose alignment takes too long becomes an unaligned one") {
  const temporary_directory directory;
  const auto results = std::make_shared<key_counts>();
  job_config config = slow_config(directory, 2);
  config.checkpoint.alignment_timeout = 1ms;
  run_and_stop(config, results);
  CHECK(records_under_way(config) > 0);
  run_to_end(config, results);
  check_complete(*results);
}

TEST_CASE("records under way on a connection that is no more are an error that says what to do") {
  const temporary_directory directory;
  const auto results = std::make_shared<key_counts>();
  job_config config = slow_config(directory, 1);
  config.checkpoint.mode = checkpoint_mode::unaligned;
  run_and_stop(config, results);

  topology changed{"slow"};
  changed.source("numbers", generate([](std::uint64_t i) { return i; }, records))
      .key_by([](std::uint64_t i) { return i % keys; })
      .count("count")
      .map("slower", [](const key_count& one) { return one.count; })
      .map("another", [](std::uint64_t one) { return key_count{one, one}; })
      .sink("results", memory_sink<key_count>{results});
  const auto started = job::start(changed, config);
  REQUIRE(!started);
  CHECK(started.failure().code == errc::state_mismatch);
  CHECK(started.failure().message.find("under way from 'count' to 'slow'") != std::string::npos);
  CHECK(started.failure().message.find("take a checkpoint that holds none") != std::string::npos);
}

TEST_CASE("windows have every record, though records were under way to them and there are more or fewer instances now") {
  for (const auto& [before, after] : {std::pair{2u, 2u}, {2u, 1u}, {1u, 3u}, {3u, 2u}}) {
    CAPTURE(before);
    CAPTURE(after);
    const temporary_directory directory;
    const auto late = std::make_shared<committed_records<std::uint64_t>>();
    const auto results = std::make_shared<committed_records<std::uint64_t>>();
    const auto slowly_done = std::make_shared<std::atomic<std::uint64_t>>(0);
    topology job{"slow"};
    const auto windows =
        job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
            .assign_times("times", [](std::uint64_t i) { return event_time{std::chrono::milliseconds{i}}; },
                          bounded_disorder{std::chrono::milliseconds{100}})
            .key_by([](std::uint64_t i) { return i % keys; })
            .window(tumbling(std::chrono::milliseconds{500}))
            .count("count");
    windows.late().sink("late", memory_sink<std::uint64_t>{late});
    windows
        .map("slow",
             [slowly_done](const windowed<std::uint64_t, std::uint64_t>& one) {
               std::this_thread::sleep_for(500us);
               ++*slowly_done;
               return one.value;
             })
        .sink("results", memory_sink<std::uint64_t>{results});
    job_config config = slow_config(directory, before);
    config.checkpoint.mode = checkpoint_mode::unaligned;
    stop_when_begun(job, config, *slowly_done);
    config.parallelism = after;
    finish(job, config);
    // Each instance of the source counts upwards: whatever was under way, nothing is late.
    std::uint64_t counted = 0;
    for (const std::uint64_t one : results->visible())
      counted += one;
    CHECK(late->visible().empty());
    CHECK(counted == records);
  }
}

TEST_CASE("records under way are found where they belong though their edge is divided in another way now") {
  for (const bool was_rebalanced : {true, false}) {
    CAPTURE(was_rebalanced);
    const temporary_directory directory;
    const auto results = std::make_shared<committed_records<std::uint64_t>>();
    const auto slowly_done = std::make_shared<std::atomic<std::uint64_t>>(0);
    const auto make = [&](bool is_rebalanced) {
      topology job{"slow"};
      auto numbers = job.source("numbers", generate([](std::uint64_t i) { return i; }, records));
      (is_rebalanced ? numbers.rebalance() : numbers)
          .map("slow",
               [slowly_done](std::uint64_t i) {
                 std::this_thread::sleep_for(20us);
                 ++*slowly_done;
                 return i;
               })
          .sink("results", memory_sink<std::uint64_t>{results});
      return job;
    };
    job_config config = slow_config(directory, 2);
    config.checkpoint.mode = checkpoint_mode::unaligned;
    stop_when_begun(make(was_rebalanced), config, *slowly_done);
    CHECK(records_under_way(config) > 0);
    finish(make(!was_rebalanced), config);
    std::vector<std::uint64_t> got = results->visible();
    std::sort(got.begin(), got.end());
    REQUIRE(got.size() == records);
    for (std::uint64_t i = 0; i < records; ++i)
      REQUIRE(got[i] == i);
  }
}

TEST_CASE("what was not divided by key cannot be, and what was divided cannot be broadcast: both are said") {
  const temporary_directory directory;
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  const auto slowly_done = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto slow = [slowly_done](std::uint64_t i) {
    std::this_thread::sleep_for(20us);
    ++*slowly_done;
    return i;
  };
  topology plain{"slow"};
  plain.source("numbers", generate([](std::uint64_t i) { return i; }, records)).rebalance().map("slow", slow)
      .sink("results", memory_sink<std::uint64_t>{results});
  job_config config = slow_config(directory, 2);
  config.checkpoint.mode = checkpoint_mode::unaligned;
  stop_when_begun(plain, config, *slowly_done);

  topology keyed{"slow"};
  keyed.source("numbers", generate([](std::uint64_t i) { return i; }, records))
      .key_by([](std::uint64_t i) { return i; })
      .map("slow", slow)
      .sink("results", memory_sink<std::uint64_t>{results});
  auto started = job::start(keyed, config);
  if (started) {
    const job_report report = (*started)->wait();
    CHECK(report.what == job_report::outcome::failed);
    CHECK(report.failure.find("was not divided by key then") != std::string::npos);
    started->reset();
  }

  topology broadcast{"slow"};
  broadcast.source("numbers", generate([](std::uint64_t i) { return i; }, records)).broadcast().map("slow", slow)
      .sink("results", memory_sink<std::uint64_t>{results});
  const auto refused = job::start(broadcast, config);
  REQUIRE(!refused);
  CHECK(refused.failure().message.find("is a broadcast now") != std::string::npos);
}

TEST_CASE("records that cannot be stored are found before an unaligned job starts") {
  struct unstorable {
    std::shared_ptr<int> shared;
  };
  const temporary_directory directory;
  topology job{"unstorable"};
  job.source("numbers", generate([](std::uint64_t) { return unstorable{}; }, 1))
      .rebalance()
      .map("next", [](const unstorable&) { return 1; })
      .sink("out", [](int) {});
  job_config config = slow_config(directory, 1);
  CHECK(job::start(job, config));
  for (const bool by_mode : {true, false}) {
    job_config other = config;
    (by_mode ? other.checkpoint.mode = checkpoint_mode::unaligned : other.checkpoint.mode);
    other.checkpoint.alignment_timeout = by_mode ? 0s : 1s;
    const auto started = job::start(job, other);
    REQUIRE(!started);
    CHECK(started.failure().message.find("from 'numbers' to 'next'") != std::string::npos);
    CHECK(started.failure().message.find("cannot be stored") != std::string::npos);
  }
}
