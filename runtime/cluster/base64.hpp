#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// Bytes as text of RFC 4648, section 4, with padding.
std::string to_base64(std::string_view data);

/// The bytes; nothing when the text is none that to_base64() makes.
std::optional<std::string> from_base64(std::string_view text);

} // namespace weir
