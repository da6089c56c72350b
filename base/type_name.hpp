#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace weir {

namespace detail {

template <class T>
constexpr std::string_view raw_type_name() {
  // "... [with T = NAME; ...]" (GCC) or "... [T = NAME]" (Clang)
  constexpr std::string_view signature = __PRETTY_FUNCTION__;
  constexpr std::size_t first = signature.find("T = ") + 4;
  constexpr std::size_t semicolon = signature.find(';', first);
  constexpr std::size_t last =
      semicolon == std::string_view::npos ? signature.rfind(']') : semicolon;
  return signature.substr(first, last - first);
}

} // namespace detail

/// The name of a type as a programmer would write it: "std::string", "order", "unsigned long".
template <class T>
std::string type_name() {
  if constexpr (std::is_same_v<T, std::string>)
    return "std::string";
  else
    return std::string{detail::raw_type_name<T>()};
}

} // namespace weir
