#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir {

/// What a misspelt name was probably meant to be: the candidate that a few keystrokes turn it into,
/// else one that it is the beginning or the last part of, else nothing.
std::string closest_name(std::string_view name, std::span<const std::string> candidates);

} // namespace weir
