#pragma once

#include <string>
#include <string_view>

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

/// The name of a type as a programmer would write it: "std::string", "order", "counted<std::string>".
template <class T>
std::string type_name() {
  std::string name{detail::raw_type_name<T>()};
  for (const std::string_view spelled_out :
       {"std::__cxx11::basic_string<char>", "std::basic_string<char>"})
    for (std::size_t at = name.find(spelled_out); at != std::string::npos;
         at = name.find(spelled_out, at))
      name.replace(at, spelled_out.size(), "std::string");
  return name;
}

} // namespace weir
