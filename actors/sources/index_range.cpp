#include <weir/actors/sources/index_range.hpp>

#include <algorithm>
#include <limits>

namespace weir {

namespace {

constexpr duration shortest_wait = std::chrono::microseconds{100};
constexpr duration longest_wait = std::chrono::seconds{1};

std::uint64_t first_of(const std::vector<index_range>& ranges) {
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  for (const index_range& range : ranges)
    if (range.left() != 0)
      first = std::min(first, range.next);
  return first;
}

} // namespace

std::vector<index_range> index_range::divide(std::uint64_t count, std::uint32_t parallelism) {
  std::vector<index_range> parts;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, parallelism); ++i)
    parts.push_back({i, parallelism, count});
  return parts;
}

index_pace::index_pace(double rate, const std::vector<index_range>& left)
    : rate_(rate), first_(0), start_(std::chrono::steady_clock::now()) {
  // Sequences of one input start less than a stride apart; all instances count from its first number.
  if (const std::uint64_t next = first_of(left); next != std::numeric_limits<std::uint64_t>::max())
    first_ = next - next % left.front().stride;
}

std::uint64_t index_pace::due(time_point now) const {
  const double passed = std::chrono::duration<double>(now - start_).count() * rate_;
  const auto rest = static_cast<double>(std::numeric_limits<std::uint64_t>::max() - first_);
  if (passed >= rest)
    return std::numeric_limits<std::uint64_t>::max();
  return first_ + static_cast<std::uint64_t>(passed) + 1;
}

duration index_pace::wait(const std::vector<index_range>& left, time_point now) const {
  const double seconds = static_cast<double>(first_of(left) - first_) / rate_ -
                         std::chrono::duration<double>(now - start_).count();
  if (seconds >= std::chrono::duration<double>(longest_wait).count())
    return longest_wait;
  return std::max(shortest_wait, std::chrono::duration_cast<duration>(
                                     std::chrono::duration<double>(seconds)));
}

} // namespace weir
