#include <weir/runtime/restart_strategy.hpp>

#include <algorithm>

namespace weir {

std::optional<duration> restart_strategy::on_failure(time_point now) {
  ++failures_;
  switch (config_.strategy) {
  case restart_kind::automatic:
  case restart_kind::none: return std::nullopt;
  case restart_kind::fixed_delay:
    if (config_.attempts != 0 && failures_ > config_.attempts)
      return std::nullopt;
    return config_.delay;
  case restart_kind::exponential_delay: return next_exponential_delay(now);
  case restart_kind::failure_rate:
    recent_.push_back(now);
    while (recent_.size() > 1 && now - recent_.front() >= config_.rate_interval)
      recent_.pop_front();
    if (recent_.size() > config_.rate_maximum)
      return std::nullopt;
    return config_.delay;
  }
  return std::nullopt;
}

std::optional<duration> restart_strategy::next_exponential_delay(time_point now) {
  const bool reset = restarted_at_ && now - *restarted_at_ >= config_.reset_after;
  if (!restarted_at_ || reset) {
    attempts_since_reset_ = 0;
    next_delay_ = config_.delay;
  }
  if (config_.attempts != 0 && attempts_since_reset_ >= config_.attempts)
    return std::nullopt;
  ++attempts_since_reset_;
  const duration delay = std::min(next_delay_, config_.maximum_delay);
  restarted_at_ = now + delay;
  const double grown = static_cast<double>(delay.count()) * config_.backoff;
  const double longest = static_cast<double>(config_.maximum_delay.count());
  next_delay_ = duration{static_cast<duration::rep>(std::min(grown, longest))};
  return delay;
}

} // namespace weir
