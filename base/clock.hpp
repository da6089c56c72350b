#pragma once

#include <chrono>

namespace weir {

/// A point on a clock that only goes forward. All timeouts, intervals and delays are measured on it.
using time_point = std::chrono::steady_clock::time_point;

/// A length of time. Settings are read into it; rules calculate with it.
using duration = std::chrono::nanoseconds;

/// Event time: milliseconds since the Unix epoch, as records carry it.
using event_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The last watermark: no record follows it. End of input sends it.
inline constexpr event_time last_watermark = event_time::max();

/// The watermark before the first one: nothing is known yet.
inline constexpr event_time no_watermark = event_time::min();

} // namespace weir
