#include <support/running_job.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

namespace weir::testing {

using namespace std::chrono_literals;

job_config hasty_config(const std::filesystem::path& checkpoints) {
  job_config config;
  config.parallelism = 2;
  config.task.batch_size = 64;
  config.lowest_level = log_level::off;
  config.checkpoint.directory = checkpoints;
  config.checkpoint.interval = 5ms;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  config.state.map_size = std::uint64_t{1} << 28;
  config.restart.strategy = restart_kind::fixed_delay;
  config.restart.delay = 1ms;
  return config;
}

std::unique_ptr<job> start_job(const topology& what, const job_config& config) {
  auto started = job::start(what, config);
  if (!started)
    FAIL(started.failure().message);
  return std::move(*started);
}

std::unique_ptr<worker> join_job(const topology& what, const job& coordinator, std::uint32_t slots, job_config own) {
  own.lowest_level = log_level::off;
  if (own.threads == 0)
    own.threads = 1;
  own.cluster.join = "127.0.0.1:" + std::to_string(coordinator.port());
  own.cluster.slots = slots;
  auto joined = worker::start(what, own);
  if (!joined)
    FAIL(joined.failure().message);
  return std::move(*joined);
}

bool becomes_true(const std::function<bool()>& what) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!what()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

} // namespace weir::testing
