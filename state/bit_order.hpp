#pragma once

#include <cstdint>

namespace weir {

/// The bits of `x` in reverse: the lowest becomes the highest.
///
/// Numbers in the order of their reversed bits are those with the same last bits one after the other, however many
/// bits that are: the slots of a hash table of any power of two are contiguous in it.
constexpr std::uint64_t reversed_bits(std::uint64_t x) noexcept {
  x = (x >> 1 & 0x5555555555555555) | (x & 0x5555555555555555) << 1;
  x = (x >> 2 & 0x3333333333333333) | (x & 0x3333333333333333) << 2;
  x = (x >> 4 & 0x0F0F0F0F0F0F0F0F) | (x & 0x0F0F0F0F0F0F0F0F) << 4;
  return __builtin_bswap64(x);
}

} // namespace weir
