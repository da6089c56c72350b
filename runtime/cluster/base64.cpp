#include <weir/runtime/cluster/base64.hpp>

#include <cstdint>

namespace weir {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string to_base64(std::string_view data) {
  std::string text;
  for (std::size_t at = 0; at < data.size(); at += 3) {
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 3; ++i)
      three = three << 8 | (at + i < data.size() ? static_cast<unsigned char>(data[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      text += at + i <= data.size() ? alphabet[three >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string data;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t digit = at + i < text.size() ? alphabet.find(text[at + i]) : std::string_view::npos;
      three = three << 6 | static_cast<std::uint32_t>(digit == std::string_view::npos ? 0 : digit);
    }
    for (std::size_t i = 0; i < 3; ++i)
      data += static_cast<char>(three >> (16 - 8 * i) & 255);
  }
  if (text.ends_with('='))
    data.pop_back();
  if (text.ends_with("=="))
    data.pop_back();
  if (to_base64(data) != text)
    return std::nullopt;
  return data;
}

} // namespace weir
