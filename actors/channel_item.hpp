#pragma once

#include <variant>

#include <weir/actors/batch.hpp>
#include <weir/actors/marker.hpp>

namespace weir {

/// What a channel carries, in order.
using channel_item = std::variant<batch_ptr, marker>;

} // namespace weir
