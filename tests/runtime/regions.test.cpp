#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/memory_sink.hpp>
#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t records = 30'000;
constexpr std::uint64_t keys = 11;
constexpr std::uint32_t parallelism = 2;

using key_count = counted<std::uint64_t>;

/// What one part of the job has done, over all restarts.
struct part {
  std::shared_ptr<committed_records<key_count>> results = std::make_shared<committed_records<key_count>>();
  std::shared_ptr<std::atomic<int>> opened = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<int>> failures_to_come = std::make_shared<std::atomic<int>>(0);
};

/// Counts how often its instances have started.
struct counting_sink : memory_sink<key_count> {
  explicit counting_sink(const part& of) : memory_sink(of.results), opened(of.opened) {}
  void open(const operator_context& context) {
    ++*opened;
    memory_sink::open(context);
  }
  std::shared_ptr<std::atomic<int>> opened;
};

void add_part(topology& job, const std::string& name, const part& of) {
  job.source(name + " numbers", generate(
                                    [](std::uint64_t i) {
                                      if (i % 64 == 0)
                                        std::this_thread::sleep_for(200us);
                                      return i;
                                    },
                                    records))
      .map(name + " bomb",
           [bombs = of.failures_to_come](std::uint64_t i) {
             if (i % 1'000 == 999 && bombs->load() > 0 && bombs->fetch_sub(1) > 0)
               throw std::runtime_error("boom");
             return i;
           })
      .key_by([](std::uint64_t i) { return i % keys; })
      .count(name + " count")
      .sink(name + " results", counting_sink{of});
}

/// Every count of every key once.
void check_complete(const part& of) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> got, wanted;
  for (const key_count& one : of.results->visible())
    got.emplace_back(one.key, one.count);
  for (std::uint64_t i = 0; i < records; ++i)
    wanted.emplace_back(i % keys, i / keys + 1);
  std::sort(got.begin(), got.end());
  std::sort(wanted.begin(), wanted.end());
  CHECK(got == wanted);
  CHECK(of.results->pending() == 0);
}

} // namespace

TEST_CASE("a failure restarts the part of the topology that it is in, and no other") {
  for (const checkpoint_mode mode : {checkpoint_mode::exactly_once, checkpoint_mode::unaligned}) {
    const temporary_directory place;
    const part calm, failing;
    *failing.failures_to_come = 5;
    topology job{"parts"};
    add_part(job, "calm", calm);
    add_part(job, "failing", failing);
    job_config config = hasty_config(place / "state");
    config.checkpoint.mode = mode;
    const job_report report = start_job(job, config)->wait();
    CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
    CHECK(report.restarts >= 1);
    CHECK(*calm.opened == int{parallelism});
    CHECK(*failing.opened == int(parallelism * (1 + report.restarts)));
    check_complete(calm);
    check_complete(failing);
  }
}

TEST_CASE("with recovery.region off all tasks restart") {
  const temporary_directory place;
  const part calm, failing;
  *failing.failures_to_come = 1;
  topology job{"parts"};
  add_part(job, "calm", calm);
  add_part(job, "failing", failing);
  job_config config = hasty_config(place / "state");
  config.restart.region = false;
  const job_report report = start_job(job, config)->wait();
  CHECK(report.what == job_report::outcome::finished);
  CHECK(report.restarts == 1);
  CHECK(*calm.opened == 2 * int{parallelism});
  CHECK(*failing.opened == 2 * int{parallelism});
  check_complete(calm);
  check_complete(failing);
}

TEST_CASE("parts that fail again and again, also at a time, and killed tasks, lose and double nothing") {
  const temporary_directory place;
  const part first, second, third;
  *first.failures_to_come = 8;
  *second.failures_to_come = 8;
  topology job{"parts"};
  add_part(job, "first", first);
  add_part(job, "second", second);
  add_part(job, "third", third);
  const auto running = start_job(job, hasty_config(place / "state"));
  for (std::uint32_t i = 0; i < 12; ++i) {
    running->kill_task(i % 3 == 0 ? "third count" : i % 3 == 1 ? "first results" : "second bomb", i % parallelism);
    std::this_thread::sleep_for(5ms);
  }
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  for (const part* one : {&first, &second, &third})
    check_complete(*one);
}

TEST_CASE("a job that is stopped while a part of it restarts takes its last checkpoint, and goes on later") {
  const temporary_directory place;
  const part calm, failing;
  topology job{"parts"};
  add_part(job, "calm", calm);
  add_part(job, "failing", failing);
  job_config config = hasty_config(place / "state");
  config.restart.delay = 500ms;
  {
    *failing.failures_to_come = 1;
    const auto running = start_job(job, config);
    for (int i = 0; i < 30'000 && *failing.failures_to_come > 0; ++i)
      std::this_thread::sleep_for(1ms);
    // The failed part waits for most of its delay. Where the machine is so slow that the failure is heard of only after
    // the stop, it is one during the last checkpoint.
    std::this_thread::sleep_for(20ms);
    running->stop();
    const job_report report = running->wait();
    if (report.what == job_report::outcome::failed)
      CHECK(report.failure.find("stopped without a last checkpoint") == 0);
    else
      CHECK(report.what == job_report::outcome::stopped);
  }
  const job_report report = start_job(job, config)->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  check_complete(calm);
  check_complete(failing);
}

TEST_CASE("a part that fails more often than the restart strategy bears takes the job with it") {
  const temporary_directory place;
  const part calm, failing;
  *failing.failures_to_come = 1'000'000;
  topology job{"parts"};
  add_part(job, "calm", calm);
  add_part(job, "failing", failing);
  job_config config = hasty_config(place / "state");
  config.restart.attempts = 3;
  const job_report report = start_job(job, config)->wait();
  CHECK(report.what == job_report::outcome::failed);
  CHECK(report.restarts == 3);
  CHECK(report.failure.find("boom") != std::string::npos);
}

TEST_CASE("regions are what edges connect, whichever way they point") {
  job_plan plan;
  plan.chains.resize(7);
  const auto connect = [&](std::uint32_t from, std::uint32_t to) {
    planned_edge edge{};
    edge.from_chain = from;
    edge.to_chain = to;
    plan.edges.push_back(edge);
  };
  CHECK(regions_of(plan) == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6});
  connect(5, 2);
  connect(6, 2);
  connect(1, 3);
  CHECK(regions_of(plan) == std::vector<std::uint32_t>{0, 1, 2, 1, 3, 2, 2});
  connect(6, 3);
  connect(6, 6);
  CHECK(regions_of(plan) == std::vector<std::uint32_t>{0, 1, 1, 1, 2, 1, 1});
}
