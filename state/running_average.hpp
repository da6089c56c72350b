#pragma once

#include <cstdint>

namespace weir {

/// How large something is on average, where what was seen lately counts more.
class running_average {
 public:
  /// So many more were seen, which together were so large.
  void add(std::uint64_t count, std::uint64_t sum) noexcept {
    if (count_ + count > most) {
      count_ /= 2;
      sum_ /= 2;
    }
    count_ += count;
    sum_ += sum;
  }

  bool is_known() const noexcept { return count_ != 0; }
  /// 0 where it is not known.
  std::uint64_t value() const noexcept { return count_ == 0 ? 0 : sum_ / count_; }

 private:
  static constexpr std::uint64_t most = 16 * 1024;

  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

} // namespace weir
