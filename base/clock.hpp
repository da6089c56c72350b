#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace weir {

/// A point on a clock that only goes forward. All timeouts, intervals and delays are measured on it.
using time_point = std::chrono::steady_clock::time_point;

/// A length of time. Settings are read into it; rules calculate with it.
using duration = std::chrono::nanoseconds;

/// Event time: milliseconds since the Unix epoch, as records carry it. Processing time is told in it,
/// too.
using event_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The last watermark: no record follows it. End of input sends it.
inline constexpr event_time last_watermark = event_time::max();

/// The watermark before the first one: nothing is known yet.
inline constexpr event_time no_watermark = event_time::min();

/// Records are between these two, 36 million years from 1970: so windows and timers can be calculated without
/// thinking of overflow. What lies beyond is a mistake, such as a largest number for "no time".
inline constexpr event_time earliest_event_time{std::chrono::milliseconds{-(std::int64_t{1} << 60)}};
inline constexpr event_time latest_event_time{std::chrono::milliseconds{std::int64_t{1} << 60}};

/// No length of event or processing time is longer than this; one that is means the same.
inline constexpr std::chrono::milliseconds longest_time{std::int64_t{1} << 59};

constexpr bool is_event_time(event_time time) noexcept {
  return time >= earliest_event_time && time <= latest_event_time;
}

/// What time it is where records are processed. State with a time to live counts in it.
///
/// Thread safety: any thread.
class processing_clock {
 public:
  virtual ~processing_clock() = default;
  virtual event_time now() const = 0;

  /// How long to sleep until it may be `time`.
  virtual duration until(event_time time) const { return std::max(duration::zero(), duration{time - now()}); }
};

/// The machine's clock.
class system_clock final : public processing_clock {
 public:
  event_time now() const override {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

/// A clock that stands still until it is told to go on, for tests.
class manual_clock final : public processing_clock {
 public:
  explicit manual_clock(event_time start = event_time{std::chrono::milliseconds{1}})
      : now_(start.time_since_epoch().count()) {}

  event_time now() const override { return event_time{std::chrono::milliseconds{now_.load()}}; }

  /// It may be told to go on at any moment, so whoever waits for it looks again soon.
  duration until(event_time time) const override {
    return time <= now() ? duration::zero() : std::chrono::milliseconds{1};
  }
  void advance(std::chrono::milliseconds by) { now_ += by.count(); }

 private:
  std::atomic<event_time::rep> now_;
};

} // namespace weir
