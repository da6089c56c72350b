#pragma once

#include <cstdint>
#include <vector>

#include <weir/base/clock.hpp>

namespace weir {

/// Every stride-th number from `next` to below `end`: the part of a numbered input that is left for
/// one sequence.
struct index_range {
  std::uint64_t next = 0;
  std::uint64_t stride = 1;
  std::uint64_t end = 0;

  /// The numbers from 0 to below `count` as one sequence for each of `parallelism` instances; none
  /// for instances that would get nothing.
  static std::vector<index_range> divide(std::uint64_t count, std::uint32_t parallelism);

  /// How many numbers are left, and how many of them are below `limit`.
  std::uint64_t left() const noexcept { return left_below(end); }
  std::uint64_t left_below(std::uint64_t limit) const noexcept {
    const std::uint64_t stop = limit < end ? limit : end;
    return next < stop ? (stop - next - 1) / stride + 1 : 0;
  }

  /// Passes over `n` numbers, at most left().
  void advance(std::uint64_t n) noexcept {
    next = n == left() ? end : next + n * stride;
  }

  bool operator==(const index_range&) const = default;
};

/// When numbered records are due: number i at i / rate seconds after the start.
///
/// After a restart the first number that is left is due at once, and the others follow at the rate.
///
/// Thread safety: one thread.
class index_pace {
 public:
  index_pace(double rate, const std::vector<index_range>& left);

  /// The numbers below this one are due.
  std::uint64_t due(time_point now) const;

  /// How long to wait until something is due.
  duration wait(const std::vector<index_range>& left, time_point now) const;

 private:
  double rate_;
  std::uint64_t first_;
  time_point start_;
};

} // namespace weir
