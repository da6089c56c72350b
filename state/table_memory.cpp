#include <weir/state/table_memory.hpp>

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace weir {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

std::size_t effective_alignment(std::size_t size, std::size_t alignment) noexcept {
  return size >= huge_page ? std::max(alignment, huge_page) : std::max(alignment, std::size_t{64});
}

} // namespace

std::byte* allocate_table(std::size_t size, std::size_t alignment) {
  void* memory = ::operator new(size, std::align_val_t{effective_alignment(size, alignment)});
#ifdef MADV_HUGEPAGE
  if (size >= huge_page)
    ::madvise(memory, size, MADV_HUGEPAGE);
#endif
  return static_cast<std::byte*>(memory);
}

void free_table(std::byte* memory, std::size_t size, std::size_t alignment) noexcept {
  ::operator delete(memory, std::align_val_t{effective_alignment(size, alignment)});
}

} // namespace weir
