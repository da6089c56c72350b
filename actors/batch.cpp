#include <weir/actors/batch.hpp>

namespace weir {

batch_base::~batch_base() = default;

event_time* batch_base::enable_times(bool enabled) {
  timed_ = enabled;
  if (enabled && !times_)
    times_ = std::make_unique_for_overwrite<event_time[]>(capacity_);
  return times();
}

std::uint64_t* batch_base::enable_hashes() {
  hashed_ = true;
  if (!hashes_)
    hashes_ = std::make_unique_for_overwrite<std::uint64_t[]>(capacity_);
  return hashes_.get();
}

void batch_base::swap_base(batch_base& other) noexcept {
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(timed_, other.timed_);
  std::swap(hashed_, other.hashed_);
  times_.swap(other.times_);
  hashes_.swap(other.hashes_);
}

} // namespace weir
