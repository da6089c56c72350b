#include <support/job_modes.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/base/hash.hpp>
#include <weir/base/log.hpp>

namespace weir::testing {

namespace {

// Jobs that are killed on purpose would fill the output of the tests with their complaints.
[[maybe_unused]] const bool is_quiet = (configure_log(log_level::off, log_format::text), true);

/// Whether the running test takes a mode: in a sanitizer's build, where each takes a second, every fourth, others in
/// each test, so that all of them come in all tests together.
bool is_taken([[maybe_unused]] const job_mode& mode) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const std::string key = doctest::getContextOptions()->currentTest->m_name + std::to_string(mode.seed);
  return hash_bytes(key.data(), key.size()) % 4 == 0;
#else
  return true;
#endif
}

} // namespace

void on_workers(const std::function<void(const job_mode&)>& check) {
#if defined(__SANITIZE_THREAD__)
  // Messages of other actor systems come from CAF's library alone, which ThreadSanitizer does not see into: it takes
  // every one of them for a race.
  MESSAGE("not on workers: this is a build with ThreadSanitizer");
  return;
#endif
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::uint32_t least = 3; // in such a build each takes seconds
#else
  constexpr std::uint32_t least = 1;
#endif
  std::uint32_t seed = 1;
  for (std::uint32_t parallelism = least; parallelism <= 3; ++parallelism)
    for (const bool killed : {false, true}) {
      const bool overtakes = (parallelism + killed) % 2 != 0;
      const state_backend backend = overtakes ? state_backend::lmdb : state_backend::memory;
      const job_mode mode{killed ? 16u : 1024u, overtakes, parallelism, killed, backend, seed++,
                          overtakes ? checkpoint_mode::unaligned : checkpoint_mode::exactly_once, 3, parallelism == 3};
      CAPTURE(mode.batch_size);
      CAPTURE(mode.parallelism);
      CAPTURE(mode.killed);
      CAPTURE(mode.seed);
      check(mode);
    }
}

void while_rescaled(const std::function<void(const job_mode&)>& check) {
  std::uint32_t seed = 1;
  for (const bool killed : {false, true})
    for (const state_backend backend : {state_backend::memory, state_backend::lmdb}) {
      const bool overtakes = killed == (backend == state_backend::memory);
      const job_mode mode{killed ? 16u : 1024u, !overtakes, 2, killed, backend, seed++,
                          overtakes ? checkpoint_mode::unaligned : checkpoint_mode::exactly_once, 0, true};
      CAPTURE(mode.batch_size);
      CAPTURE(mode.chaining);
      CAPTURE(mode.killed);
      CAPTURE(static_cast<int>(mode.backend));
      CAPTURE(mode.seed);
      check(mode);
    }
}

void in_every_mode(const std::function<void(const job_mode&)>& check) {
  constexpr state_backend backends[] = {state_backend::memory, state_backend::directory,
                                        state_backend::lmdb};
  std::uint32_t seed = 1;
  for (const std::uint32_t batch_size : {1u, 1024u})
    for (const bool chaining : {true, false})
      for (const std::uint32_t parallelism : {1u, 2u, 3u})
        for (const bool killed : {false, true})
          for (const state_backend backend : backends) {
            // Every two of all the settings come together.
            const bool overtakes = (batch_size + chaining + parallelism + killed + static_cast<std::uint32_t>(backend)) % 2 != 0;
            const job_mode mode{batch_size, chaining, parallelism, killed, backend, seed++,
                                overtakes ? checkpoint_mode::unaligned : checkpoint_mode::exactly_once};
            if (!is_taken(mode))
              continue;
            CAPTURE(mode.batch_size);
            CAPTURE(mode.chaining);
            CAPTURE(mode.parallelism);
            CAPTURE(mode.killed);
            CAPTURE(static_cast<int>(mode.backend));
            CAPTURE(static_cast<int>(mode.checkpoints));
            CAPTURE(mode.seed);
            check(mode);
          }
  while_rescaled(check);
  on_workers(check);
}

job_report run_in_mode(topology& job, const job_mode& mode, const std::vector<std::string>& victims) {
  using namespace std::chrono_literals;
  const temporary_directory directory;
  job_config config = job.config();
  config.task.batch_size = mode.batch_size;
  config.chaining = mode.chaining;
  config.parallelism = mode.parallelism;
  config.lowest_level = log_level::off;
  config.checkpoint.directory = directory / "checkpoints";
  config.checkpoint.interval = 2ms;
  config.checkpoint.mode = mode.checkpoints;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  config.state.backend = mode.backend;
  config.state.map_size = std::uint64_t{1} << 28;
  config.state.cache_size = std::uint64_t{1} << 16; // far too small: rows come and go
  config.restart.strategy = restart_kind::fixed_delay;
  config.restart.delay = 1ms;

  if (mode.workers != 0) {
    config.cluster.listen = "127.0.0.1:0";
    config.cluster.workers = mode.workers; // the first one need not wait for others that may come
    config.state.cache_size = std::uint64_t{1} << 20; // the least that can be set from outside
  }
  const std::unique_ptr<weir::job> started = start_job(job, config);
  weir::job& running = *started;
  std::vector<std::unique_ptr<worker>> workers;
  for (std::uint32_t i = 0; i < mode.workers; ++i)
    workers.push_back(join_job(job, running, 1));
  std::atomic<bool> done = false;
  std::thread killer([&] {
    std::mt19937 random(mode.seed);
    for (int kills = 0; mode.killed && kills < 6 && !done; ++kills) {
      std::this_thread::sleep_for(std::chrono::microseconds{random() % 4000});
      running.kill_task(victims[random() % victims.size()], random() % mode.parallelism);
    }
  });
  std::thread rescaler([&] {
    std::mt19937 random(mode.seed + 1);
    for (int times = 0; mode.rescaled && times < 4 && !done;) {
      if (running.rescale(1 + random() % 3)) // until it runs it says that it does not
        ++times;
      std::this_thread::sleep_for(std::chrono::microseconds{random() % 2000});
    }
  });
  const job_report report = running.wait();
  done = true;
  killer.join();
  rescaler.join();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
  return report;
}

} // namespace weir::testing
