#include <weir/connectors/line_buffer.hpp>

#include <algorithm>

namespace weir {

void line_buffer::make_room(std::size_t size) {
  const std::size_t kept = this->size();
  if (capacity_ < kept + size) {
    const std::size_t larger = std::max(kept + size, capacity_ + capacity_);
    auto data = std::make_unique_for_overwrite<char[]>(larger);
    if (kept != 0)
      std::memcpy(data.get(), data_.get() + begin_, kept);
    data_ = std::move(data);
    capacity_ = larger;
  } else if (kept != 0) {
    std::memmove(data_.get(), data_.get() + begin_, kept);
  }
  scanned_ -= begin_;
  begin_ = 0;
  end_ = kept;
}

} // namespace weir
