#include <weir/state/blob_buffers.hpp>

#include <new>
#include <utility>
#include <vector>

namespace weir {

namespace {

class lent_snapshot : public operator_snapshot {
 public:
  lent_snapshot(operator_snapshot&& made, std::shared_ptr<blob_buffers> buffers)
      : operator_snapshot(std::move(made)), buffers_(std::move(buffers)) {}
  lent_snapshot(const lent_snapshot&) = delete;
  lent_snapshot& operator=(const lent_snapshot&) = delete;
  ~lent_snapshot() {
    for (key_group_snapshot& group : key_groups)
      buffers_->give_back(std::move(group.data));
  }

 private:
  std::shared_ptr<blob_buffers> buffers_;
};

} // namespace

bytes blob_buffers::take(std::size_t size) {
  bytes taken;
  if (size >= least_size) {
    const std::lock_guard alone(mutex_);
    // One that is much larger would never be let go, once snapshots have become small.
    if (const auto found = buffers_.lower_bound(size); found != buffers_.end() && found->first / 2 <= size) {
      held_ -= found->first;
      taken = std::move(found->second.memory);
      buffers_.erase(found);
      return taken;
    }
  }
  taken.reserve(size + size / 8); // the next time it may be a little more
  return taken;
}

void blob_buffers::give_back(bytes used) noexcept {
  const std::size_t capacity = used.capacity();
  if (capacity < least_size)
    return;
  used.clear();
  try {
    const std::lock_guard alone(mutex_);
    if (capacity > most_held - held_)
      return;
    buffers_.emplace(capacity, buffer{std::move(used), snapshots_});
    held_ += capacity;
  } catch (const std::bad_alloc&) { // then it is freed like any other
  }
}

void blob_buffers::next_snapshot() {
  std::vector<bytes> unneeded; // freed when others can go on
  const std::lock_guard alone(mutex_);
  ++snapshots_;
  for (auto at = buffers_.begin(); at != buffers_.end();) {
    if (snapshots_ - at->second.given_back <= 2) {
      ++at;
      continue;
    }
    held_ -= at->first;
    unneeded.push_back(std::move(at->second.memory));
    at = buffers_.erase(at);
  }
}

std::size_t blob_buffers::held() const {
  const std::lock_guard alone(mutex_);
  return held_;
}

std::shared_ptr<operator_snapshot> shared_snapshot(operator_snapshot made, std::shared_ptr<blob_buffers> buffers) {
  return std::make_shared<lent_snapshot>(std::move(made), std::move(buffers));
}

} // namespace weir
