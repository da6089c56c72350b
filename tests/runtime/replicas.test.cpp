#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <support/counting_job.hpp>
#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/runtime/cluster/worker.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>
#include <weir/snapshot/checkpoint_reader.hpp>

// Jobs on workers do not run under ThreadSanitizer: see on_workers.
#if !defined(__SANITIZE_THREAD__)

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const paced_counts counts{.pause = 400us};

job_config coordinator_config(const fs::path& directory, std::uint32_t workers) {
  job_config config = hasty_config(directory);
  config.cluster.listen = "127.0.0.1:0";
  config.cluster.workers = workers;
  return config;
}

std::unique_ptr<worker> join(const topology& what, const job& coordinator, const fs::path& directory) {
  job_config own;
  own.checkpoint.directory = directory;
  return join_job(what, coordinator, 2, own);
}

std::size_t checkpoints_in(const fs::path& directory) {
  const auto opened = checkpoint_reader::open(directory);
  if (!opened)
    return 0;
  const auto known = (*opened)->ids();
  return known ? known->size() : 0;
}

/// Runs the job on two workers until it has committed something, and stops it with a last checkpoint.
void run_for_a_while(const topology& what, const key_counts& results, const fs::path& place, std::uint32_t replicas = 0) {
  job_config config = coordinator_config(place / "state", 2);
  config.checkpoint.replicas = replicas;
  const auto running = start_job(what, config);
  const auto first = join(what, *running, place / "first"), second = join(what, *running, place / "second");
  REQUIRE(becomes_true([&] { return !results.visible().empty(); }));
  running->stop();
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::stopped, report.failure);
  CHECK(report.failed_checkpoints == 0);
}

} // namespace

TEST_CASE("a checkpoint directory that is lost is replaced by what a worker has kept") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const topology what = counts.job(results);
  run_for_a_while(what, *results, place.path());
  const std::size_t committed = results->visible().size();
  REQUIRE(committed < counts.records);
  fs::remove_all(place / "state");
  const auto running = start_job(what, coordinator_config(place / "state", 2));
  const auto first = join(what, *running, place / "first"), second = join(what, *running, place / "second");
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  counts.check_complete(*results);
}

TEST_CASE("a worker's directory that is lost is replaced by copies elsewhere, from the first checkpoint on") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const topology what = counts.job(results);
  run_for_a_while(what, *results, place.path(), 3);
  for (const char* worker : {"first", "second"})
    CHECK(checkpoints_in(place / worker / "workers" / "0") != 0);
  fs::remove_all(place / "first");
  job_config config = coordinator_config(place / "state", 2);
  config.checkpoint.interval = 0ms; // so that only what the job starts from can be copied
  config.checkpoint.replicas = 3;
  {
    const auto running = start_job(what, config);
    const auto first = join(what, *running, place / "first"), second = join(what, *running, place / "second");
    REQUIRE(becomes_true([&] { return checkpoints_in(place / "first" / "workers" / "0") != 0; }));
    running->tell({.what = job_order::kind::cancel, .drain = false, .savepoint = {}, .done = {}});
    running->wait();
  }
  // And from that copy alone the job comes to its end.
  fs::remove_all(place / "state");
  fs::remove_all(place / "second");
  const auto running = start_job(what, coordinator_config(place / "state", 2));
  const auto first = join(what, *running, place / "first"), second = join(what, *running, place / "second");
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  counts.check_complete(*results);
}

TEST_CASE("a checkpoint that too few processes can keep is not complete, and says so") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const topology what = counts.job(results);
  job_config config = coordinator_config(place / "state", 1);
  config.checkpoint.replicas = 3;
  config.checkpoint.tolerated_failures = 0;
  config.restart.strategy = restart_kind::none;
  const auto running = start_job(what, config);
  const auto only = join(what, *running, place / "only");
  const job_report report = running->wait();
  CHECK(report.what == job_report::outcome::failed);
  CHECK_MESSAGE(report.failure.find("of 1 workers to keep a copy") != std::string::npos, report.failure);
  CHECK(results->visible().empty());
  CHECK(checkpoints_in(place / "state") == 0);
}

TEST_CASE("a job that is to begin from the beginning does not go on from what workers have kept") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const topology what = counts.job(results);
  run_for_a_while(what, *results, place.path());
  fs::remove_all(place / "state");
  const auto again = std::make_shared<key_counts>();
  const topology whole = counts.job(again);
  job_config config = coordinator_config(place / "state", 2);
  config.checkpoint.discard = true;
  const auto running = start_job(whole, config);
  const auto first = join(whole, *running, place / "first"), second = join(whole, *running, place / "second");
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  counts.check_complete(*again);
}

TEST_CASE("two workers that are given the same directory keep their copies side by side in it") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const topology what = counts.job(results);
  job_config config = coordinator_config(place / "state", 2);
  config.checkpoint.replicas = 3;
  const auto running = start_job(what, config);
  const auto first = join(what, *running, place / "state"), second = join(what, *running, place / "state");
  const job_report report = running->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  counts.check_complete(*results);
  for (const char* number : {"0", "1"})
    CHECK(checkpoints_in(place / "state" / "workers" / number) != 0);
}

#endif
