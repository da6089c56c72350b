#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <sys/mman.h>

namespace bench {

/// Compiled for AVX2, too, and chosen when the program starts: for loops that the compiler turns into
/// vector code. (AVX-512 was no faster.)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#  define BENCH_VECTORIZED [[gnu::target_clones("default", "avx2")]]
#else
#  define BENCH_VECTORIZED
#endif

/// The slots of an open-addressing table with linear probing, all equal to `empty` at first; in huge
/// pages where there are many.
///
/// A slot's place is the high end of a product with 2^64 / golden ratio, which spreads keys that
/// follow each other evenly.
template <class Slot>
class slot_table {
 public:
  /// Room for `keys` keys at a load of at most one half.
  slot_table(std::uint64_t keys, const Slot& empty)
      : size_(std::bit_ceil(std::max<std::uint64_t>(2, keys * 2))),
        shift_(64 - std::countr_zero(size_)) {
    static_assert(std::is_trivially_copyable_v<Slot>);
    slots_ = static_cast<Slot*>(::operator new(bytes(), alignment()));
    if (bytes() >= huge_page)
      ::madvise(slots_, bytes(), MADV_HUGEPAGE);
    std::uninitialized_fill_n(slots_, size_, empty);
  }
  slot_table(slot_table&& other) noexcept
      : size_(other.size_), shift_(other.shift_), slots_(std::exchange(other.slots_, nullptr)) {}
  slot_table& operator=(const slot_table&) = delete;
  ~slot_table() { ::operator delete(slots_, alignment()); }

  std::size_t home(std::uint64_t key) const noexcept {
    return (key * 0x9E3779B97F4A7C15) >> shift_;
  }
  [[gnu::always_inline]] void prefetch(std::size_t at) const noexcept { __builtin_prefetch(slots_ + at, 1); }

  /// Looks from `at` on for a slot that `fits`. On the first one that `is_free`, calls fill(slot).
  template <class Fits, class IsFree, class Fill>
  Slot& find(std::size_t at, Fits fits, IsFree is_free, Fill fill) const {
    while (!fits(slots_[at])) [[unlikely]] {
      if (is_free(slots_[at])) {
        fill(slots_[at]);
        break;
      }
      at = (at + 1) & (size_ - 1);
    }
    return slots_[at];
  }

  Slot* begin() const noexcept { return slots_; }
  Slot* end() const noexcept { return slots_ + size_; }

 private:
  static constexpr std::size_t huge_page = std::size_t{2} << 20;

  std::size_t bytes() const noexcept { return size_ * sizeof(Slot); }
  std::align_val_t alignment() const noexcept {
    return std::align_val_t{bytes() >= huge_page ? huge_page : 64};
  }

  std::size_t size_;
  int shift_;
  Slot* slots_;
};

} // namespace bench
