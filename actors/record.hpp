#pragma once

#include <concepts>

namespace weir {

/// What can flow through a topology: a value that can be copied, moved and default-constructed, as
/// batches keep constructed records for reuse.
template <class T>
concept record = std::semiregular<T>;

} // namespace weir
