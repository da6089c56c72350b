#pragma once

#include <functional>
#include <string>
#include <vector>

#include <weir/runtime/job_report.hpp>
#include <weir/runtime/topology.hpp>

namespace weir::testing {

/// One way to run a job that must not change its results.
struct job_mode {
  std::uint32_t batch_size = 1024;
  bool chaining = true;
  std::uint32_t parallelism = 1;
  bool killed = false; ///< tasks are killed while it runs
  state_backend backend = state_backend::memory;
  std::uint32_t seed = 1;
  checkpoint_mode checkpoints = checkpoint_mode::exactly_once;
  std::uint32_t workers = 0; ///< with one slot each, that run the tasks; 0: the job's own process does
  bool rescaled = false;     ///< its parallelism changes while it runs
};

/// Runs `check` on jobs whose parallelism changes while they run, some with tasks that are killed, and some with unaligned
/// checkpoints.
void while_rescaled(const std::function<void(const job_mode&)>& check);

/// Runs `check` on three workers that are actor systems of their own in this process: at parallelism 1 to 3, killed and
/// not, rescaled and not, with different backends, batches and kinds of checkpoints.
void on_workers(const std::function<void(const job_mode&)>& check);

/// Runs `check` for batches of 1 and 1024, chained and not, parallelism 1 to 3, killed and not, on every
/// state backend, half of them with unaligned checkpoints; while it is rescaled; and on workers.
void in_every_mode(const std::function<void(const job_mode&)>& check);

/// Runs `job` to its end with short checkpoints in a directory of its own. Where the mode says so,
/// kills tasks of `victims` at random moments.
job_report run_in_mode(topology& job, const job_mode& mode, const std::vector<std::string>& victims);

} // namespace weir::testing
