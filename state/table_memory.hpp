#pragma once

#include <cstddef>
#include <vector>

namespace weir {

/// Memory for the segments of a hash table, in huge pages where there is much of it: random access to a
/// large table costs mostly page walks otherwise.
///
/// Blocks of 2 MiB and more are aligned to huge pages and ask for them. Blocks from 64 KiB on are cut
/// from chunks of whole huge pages, each chunk for blocks of one size; a chunk goes when its last block
/// does. Smaller ones come from the heap.
///
/// Thread safety: one thread.
/// Errors:        throws std::bad_alloc.
class table_memory {
 public:
  table_memory() = default;
  table_memory(const table_memory&) = delete;
  table_memory& operator=(const table_memory&) = delete;
  ~table_memory();

  /// A block aligned to a cache line. Not zeroed.
  std::byte* allocate(std::size_t size);

  /// Gives back what allocate returned for the same size.
  void free(std::byte* memory, std::size_t size) noexcept;

 private:
  struct chunk {
    std::byte* memory;
    std::size_t size;
    std::size_t block;
    std::vector<std::byte*> unused; ///< blocks
  };

  std::vector<chunk> chunks_;
};

} // namespace weir
