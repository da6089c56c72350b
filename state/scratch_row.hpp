#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace weir {

/// A row that belongs to no key, for one that is on disk.
template <class Rows>
class scratch_row {
 public:
  explicit scratch_row(const Rows& rows) : rows_(rows), memory_(rows.size() / sizeof(std::max_align_t) + 1) {}

  /// Calls what(row) with an empty one.
  template <class Use>
  void use(Use&& what) {
    auto* const row = reinterpret_cast<std::byte*>(memory_.data());
    rows_.construct(row);
    const auto destroy = [this](std::byte* used) { rows_.destroy(used); };
    const std::unique_ptr<std::byte, decltype(destroy)> until_the_end(row, destroy);
    what(row);
  }

 private:
  const Rows& rows_;
  std::vector<std::max_align_t> memory_;
};

} // namespace weir
