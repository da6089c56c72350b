#include <weir/state/table_memory.hpp>

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace weir {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t least_in_chunk = std::size_t{64} << 10;
constexpr auto cache_line = std::align_val_t{64};

std::byte* allocate_pages(std::size_t size) {
  auto* memory = static_cast<std::byte*>(::operator new(size, std::align_val_t{huge_page}));
#ifdef MADV_HUGEPAGE
  ::madvise(memory, size, MADV_HUGEPAGE);
#endif
  return memory;
}

void free_pages(std::byte* memory) noexcept {
  ::operator delete(memory, std::align_val_t{huge_page});
}

// The least number of huge pages of which at most an eighth is left over.
std::size_t chunk_size(std::size_t block) {
  std::size_t size = huge_page;
  while (size % block > size / 8)
    size += huge_page;
  return size;
}

} // namespace

table_memory::~table_memory() {
  for (const chunk& one : chunks_)
    free_pages(one.memory);
}

std::byte* table_memory::allocate(std::size_t size) {
  if (size < least_in_chunk)
    return static_cast<std::byte*>(::operator new(size, cache_line));
  if (size >= huge_page)
    return allocate_pages(size);
  size = (size + 63) / 64 * 64;
  auto found = std::find_if(chunks_.begin(), chunks_.end(), [&](const chunk& one) {
    return one.block == size && !one.unused.empty();
  });
  if (found == chunks_.end()) {
    chunk made{nullptr, chunk_size(size), size, {}};
    made.unused.reserve(made.size / size);
    chunks_.reserve(chunks_.size() + 1);
    made.memory = allocate_pages(made.size);
    for (std::size_t at = made.size / size; at != 0; --at)
      made.unused.push_back(made.memory + (at - 1) * size);
    chunks_.push_back(std::move(made));
    found = chunks_.end() - 1;
  }
  std::byte* block = found->unused.back();
  found->unused.pop_back();
  return block;
}

void table_memory::free(std::byte* memory, std::size_t size) noexcept {
  if (size < least_in_chunk) {
    ::operator delete(memory, cache_line);
    return;
  }
  if (size >= huge_page) {
    free_pages(memory);
    return;
  }
  const auto owner = std::find_if(chunks_.begin(), chunks_.end(), [&](const chunk& one) {
    return memory >= one.memory && memory < one.memory + one.size;
  });
  owner->unused.push_back(memory);
  if (owner->unused.size() == owner->size / owner->block) {
    free_pages(owner->memory);
    chunks_.erase(owner);
  }
}

} // namespace weir
