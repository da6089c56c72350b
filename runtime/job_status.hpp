#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/runtime/job_order.hpp>
#include <weir/runtime/job_report.hpp>

namespace weir {

/// What a running job is doing.
enum class job_state : std::uint8_t {
  waiting,    ///< for workers with enough slots
  starting,   ///< its first tasks restore their state
  running,
  restarting, ///< all of it, or a region
  rescaling,
  draining,   ///< as if all input had ended
  stopping,   ///< its last checkpoint is taken, or its tasks end
};

/// "waiting", "starting", ...
std::string_view to_string(job_state state) noexcept;

/// One task of the attempt that runs, or ran last.
struct task_status {
  std::string name;   ///< "split -> count [1]"
  std::string state;  ///< opening, running, ended (all its input has), or stopped
  std::string worker; ///< that runs it; empty: the job's own process
};

/// One process that runs tasks for the job, or could.
struct worker_status {
  std::string name;
  std::string address; ///< HOST:PORT where other workers reach it
  std::uint32_t slots = 0;
  std::uint32_t tasks = 0;
};

/// What there is to say about a running job at one moment.
struct job_status {
  std::string name;
  job_state state = job_state::starting;
  std::uint32_t parallelism = 0; ///< of the operators that do not set their own
  std::uint64_t attempt = 0;     ///< 0: before the first
  std::int64_t started_ms = 0;   ///< Unix time at which its process began it
  std::optional<std::int64_t> running_since_ms; ///< when all tasks began to run the last time; nothing: they have not yet
  std::uint32_t restarts = 0;
  std::string last_failure; ///< why it restarted last; empty: it has not
  std::uint32_t checkpoints = 0;        ///< completed since it started
  std::uint32_t failed_checkpoints = 0;
  std::optional<completed_checkpoint> last_checkpoint; ///< nothing: there is none yet
  std::vector<operator_report> operators; ///< with the counts of that checkpoint
  std::vector<task_status> tasks;
  bool has_workers = false; ///< whether workers run the tasks
  std::vector<worker_status> workers;
};

/// Asks a running job what it is doing.
struct status_order {
  using answer = result<job_status>;

  order_answer<answer> done;
};

} // namespace weir
