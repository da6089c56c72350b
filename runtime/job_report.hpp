#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/state/record_counts.hpp>

namespace weir {

/// What all instances of one operator have received since the job's first start.
struct operator_report {
  std::string name;
  record_counts counts;
};

/// How a job ended, and what it took.
struct job_report {
  enum class outcome : std::uint8_t {
    finished, ///< all input was processed and committed
    stopped,  ///< on request, after a last checkpoint
    failed,   ///< given up, or stopped after a failure; `failure` says why
  };

  outcome what = outcome::finished;
  std::string failure;
  std::uint32_t restarts = 0;         ///< of the whole job or of a region of it
  std::uint32_t checkpoints = 0;      ///< completed
  std::uint32_t failed_checkpoints = 0; ///< given up, or overtaken by a later one
  duration checkpoint_time{};         ///< of all of them, from trigger to durable
  duration longest_pause{};           ///< for which a task has done nothing but its part of a checkpoint
  std::uint64_t checkpoint_bytes = 0; ///< of the last one

  /// In the order of their declaration. They are those of the last checkpoint: every record is in them once,
  /// however often the job was restarted (in the mode at-least-once: at least once). Those of a failed job say
  /// how far its last attempt came.
  std::vector<operator_report> operators;
};

} // namespace weir
