#pragma once

#include <cstddef>

namespace weir {

/// Memory for a hash table. Blocks of 2 MiB and more are aligned to huge pages and ask for them:
/// random access to a large table costs mostly page walks otherwise.
///
/// Errors: throws std::bad_alloc.
std::byte* allocate_table(std::size_t size, std::size_t alignment);

/// Gives back what allocate_table returned for the same size and alignment.
void free_table(std::byte* memory, std::size_t size, std::size_t alignment) noexcept;

} // namespace weir
