#pragma once

#include <cstdint>
#include <memory>

#include <weir/actors/task_config.hpp>
#include <weir/base/clock.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>
#include <weir/runtime/restart_strategy.hpp>
#include <weir/snapshot/checkpoint_config.hpp>
#include <weir/state/state_config.hpp>

namespace weir {

/// Whether anybody waits for results while a job runs.
enum class execution_mode : std::uint8_t {
  streaming, ///< windows come out early as their triggers say
  batch,     ///< early panes that come again with everything are left out; nothing else changes
};

/// Everything about a job that is set from outside its code. Defaults stand at the members; the
/// job's code, a TOML file, the environment and the command line override them, in this order.
struct job_config {
  checkpoint_config checkpoint;
  restart_config restart;
  state_config state;
  task_config task;
  cluster_config cluster;

  execution_mode mode = execution_mode::streaming;

  /// Instances of each operator that does not set its own.
  std::uint32_t parallelism = 1;

  /// In how many groups keys are placed. Fixed by the job's first checkpoint; the upper limit of the
  /// parallelism of keyed operators.
  std::uint32_t key_groups = 128;

  /// Whether operators that need no exchange between them share a task.
  bool chaining = true;

  /// Threads that run tasks. 0: one per core.
  std::uint32_t threads = 0;

  /// What time it is for state with a time to live. Only code can set it; tests do.
  std::shared_ptr<const processing_clock> clock = std::make_shared<system_clock>();

  log_level lowest_level = log_level::info;
  log_format format = log_format::text;
};

} // namespace weir
