#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include <weir/base/clock.hpp>

namespace weir {

/// How a failed job comes back.
enum class restart_kind : std::uint8_t {
  automatic,         ///< exponential_delay where checkpoints are stored, none where they are not
  none,              ///< the first failure ends the job
  fixed_delay,       ///< up to `attempts` restarts, each after `delay`
  exponential_delay, ///< each restart waits longer than the one before
  failure_rate,      ///< restarts until there are too many failures within a time
};

/// The knobs of all strategies; each strategy reads its own.
struct restart_config {
  restart_kind strategy = restart_kind::automatic;

  /// fixed_delay and exponential_delay: restarts in all (exponential_delay: since the last reset)
  /// before the job is given up. 0: no limit.
  std::uint32_t attempts = 0;

  /// fixed_delay and failure_rate: the delay; exponential_delay: the first delay.
  duration delay = std::chrono::milliseconds{50};

  /// exponential_delay: the longest delay.
  duration maximum_delay = std::chrono::seconds{30};

  /// exponential_delay: each delay is this many times the one before.
  double backoff = 2.0;

  /// exponential_delay: after running this long without a failure the delay starts over.
  duration reset_after = std::chrono::minutes{1};

  /// Whether a failure restarts only those tasks that the failed one is connected with, and the others go on.
  bool region = true;

  /// failure_rate: the job is given up at more failures than this within `rate_interval`.
  std::uint32_t rate_maximum = 3;
  duration rate_interval = std::chrono::minutes{1};
};

/// The rule that answers one question: the job has failed, restart it, and when?
///
/// Plain data, time passed in.
///
/// Thread safety: one thread.
class restart_strategy {
 public:
  /// `config.strategy` must not be `automatic` any more.
  explicit restart_strategy(const restart_config& config) : config_(config) {}

  /// The delay before the next attempt, or nothing when the job is to be given up.
  std::optional<duration> on_failure(time_point now);

  /// Failures seen so far, all in all.
  std::uint32_t failures() const noexcept { return failures_; }

 private:
  std::optional<duration> next_exponential_delay(time_point now);

  restart_config config_;
  std::uint32_t failures_ = 0;
  std::uint32_t attempts_since_reset_ = 0;
  duration next_delay_{};
  std::optional<time_point> restarted_at_;
  std::deque<time_point> recent_;
};

} // namespace weir
