#pragma once

#include <cstddef>
#include <cstdint>

#include "limit_table.hpp"

namespace bench {

/// What keyed-sum by hand keeps for a key.
struct alignas(32) count_slot { // two to a cache line, none on two lines
  std::uint64_t key;
  std::uint64_t count;
  std::uint64_t sum;
};

/// The counts and sums of so many keys.
class count_table : public slot_table<count_slot> {
 public:
  explicit count_table(std::uint64_t keys) : slot_table(keys, {no_key, 0, 0}) {}

  /// The slot of `key`, from its home on; a new one where it has none.
  count_slot& find_key(std::size_t home, std::uint64_t key) const {
    return find(
        home, [&](const count_slot& s) { return s.key == key; },
        [](const count_slot& s) { return s.key == no_key; }, [&](count_slot& s) { s.key = key; });
  }

 private:
  static constexpr std::uint64_t no_key = ~std::uint64_t{0};
};

} // namespace bench
