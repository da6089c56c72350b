#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
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
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t records = 200'000;

using output = committed_records<std::uint64_t>;

/// How often a call of a sink fails yet.
struct faults {
  std::atomic<int> pre_commits = 0;
  std::atomic<int> commits = 0;
  std::atomic<int> writes = 0; ///< so far

  static void meet(std::atomic<int>& left, const char* what) {
    if (left > 0 && left-- > 0)
      throw std::runtime_error(std::string("no ") + what + " today");
  }
};

class faulty_sink : public memory_sink<std::uint64_t> {
 public:
  faulty_sink(std::shared_ptr<output> records_to, std::shared_ptr<faults> plan)
      : memory_sink(std::move(records_to)), plan_(std::move(plan)) {}

  void write(transaction& open, const std::uint64_t& record) {
    ++plan_->writes;
    memory_sink::write(open, record);
  }
  void pre_commit(transaction& open) {
    faults::meet(plan_->pre_commits, "pre-commit");
    memory_sink::pre_commit(open);
  }
  void commit(const transaction& done) {
    faults::meet(plan_->commits, "commit");
    memory_sink::commit(done);
  }

 private:
  std::shared_ptr<faults> plan_;
};

topology faulty_job(const std::shared_ptr<output>& results, const std::shared_ptr<faults>& plan) {
  topology job{"faulty"};
  job.source("numbers", generate(
                            [](std::uint64_t i) {
                              if (i % 64 == 0)
                                std::this_thread::sleep_for(20us); // so that many checkpoints are taken
                              return i;
                            },
                            records))
      .sink("results", faulty_sink{results, plan});
  return job;
}

job_config faulty_config(const temporary_directory& directory) {
  job_config config;
  config.parallelism = 2;
  config.task.batch_size = 64;
  config.lowest_level = log_level::off;
  config.checkpoint.directory = directory / "checkpoints";
  config.checkpoint.interval = 1ms;
  config.checkpoint.tolerated_failures = 1000;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  config.restart.strategy = restart_kind::fixed_delay;
  config.restart.delay = 1ms;
  return config;
}

job_report run(const topology& job, const job_config& config) {
  return start_job(job, config)->wait();
}

void check_complete(const output& results) {
  std::vector<std::uint64_t> got = results.visible();
  std::sort(got.begin(), got.end());
  REQUIRE(got.size() == records);
  for (std::uint64_t i = 0; i < records; ++i)
    REQUIRE(got[i] == i);
  CHECK(results.pending() == 0);
}

} // namespace

TEST_CASE("a pre-commit that fails fails the checkpoint and not the data: no restart, and all comes out once") {
  const temporary_directory directory;
  const auto results = std::make_shared<output>();
  const auto plan = std::make_shared<faults>();
  plan->pre_commits = 3;
  const job_report report = run(faulty_job(results, plan), faulty_config(directory));
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  CHECK(plan->pre_commits == 0);
  CHECK(report.failed_checkpoints >= 2); // two instances may fail the same one
  CHECK(report.restarts == 0);
  check_complete(*results);
}

TEST_CASE("pre-commits that fail more often in a row than is tolerated take the job back, and lose nothing") {
  const temporary_directory directory;
  const auto results = std::make_shared<output>();
  const auto plan = std::make_shared<faults>();
  plan->pre_commits = 3;
  job_config config = faulty_config(directory);
  config.checkpoint.tolerated_failures = 0;
  const job_report report = run(faulty_job(results, plan), config);
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  CHECK(report.restarts >= 1);
  check_complete(*results);
}

TEST_CASE("a commit that fails is called again after a restart until it succeeds") {
  const temporary_directory directory;
  const auto results = std::make_shared<output>();
  const auto plan = std::make_shared<faults>();
  plan->commits = 4;
  const job_report report = run(faulty_job(results, plan), faulty_config(directory));
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  CHECK(plan->commits == 0);
  CHECK(report.restarts >= 2);
  check_complete(*results);
}

TEST_CASE("a commit that fails when the job is started is called again, too, and what is given up stays to be committed") {
  const temporary_directory directory;
  const auto results = std::make_shared<output>();
  const auto plan = std::make_shared<faults>();
  plan->commits = 1'000'000;
  job_config config = faulty_config(directory);
  config.restart.attempts = 2;
  for (int i = 0; i < 2; ++i) {
    const job_report report = run(faulty_job(results, plan), config);
    CHECK(report.what == job_report::outcome::failed);
    CHECK(report.restarts == 2);
    CHECK(report.failure.find("operator 'results'") != std::string::npos);
    CHECK(report.failure.find("while committing: std::runtime_error: no commit today") != std::string::npos);
    CHECK(results->visible().empty());
  }
  plan->commits = 1;
  const job_report report = run(faulty_job(results, plan), config);
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  CHECK(report.restarts >= 1);
  check_complete(*results);
}

TEST_CASE("a job that cannot commit as it stops starts again until it can") {
  const temporary_directory directory;
  const auto results = std::make_shared<output>();
  const auto plan = std::make_shared<faults>();
  plan->commits = 2;
  job_config config = faulty_config(directory);
  config.checkpoint.interval = 0s;
  {
    auto started = job::start(faulty_job(results, plan), config);
    REQUIRE(started);
    for (int i = 0; i < 30'000 && plan->writes == 0; ++i)
      std::this_thread::sleep_for(1ms);
    (*started)->stop();
    const job_report report = (*started)->wait();
    CHECK_MESSAGE(report.what == job_report::outcome::stopped, report.failure);
    CHECK(report.restarts >= 1);
    CHECK(plan->commits == 0);
    CHECK(results->pending() == 0);
  }
  CHECK(run(faulty_job(results, plan), config).what == job_report::outcome::finished);
  check_complete(*results);
}

TEST_CASE("transactions that no complete checkpoint owns are aborted") {
  const temporary_directory directory;
  const auto results = std::make_shared<output>();
  const auto plan = std::make_shared<faults>();
  job_config config = faulty_config(directory);
  config.restart.strategy = restart_kind::none;
  auto started = job::start(faulty_job(results, plan), config);
  REQUIRE(started);
  (*started)->kill_task("results", 0); // whatever it is about to do
  CHECK((*started)->wait().what == job_report::outcome::failed);
  started->reset();
  const job_report report = run(faulty_job(results, plan), config);
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  check_complete(*results);
}
