#pragma once

#include <concepts>
#include <iosfwd>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>

namespace weir {

namespace detail {

/// Calls write(stream, value) with a stream that appends to `line`.
void append_streamed(std::string& line, const void* value,
                     void (*write)(std::ostream&, const void*));

} // namespace detail

/// Has a text of its own: convertible to std::string_view or std::string, or `<<` to a stream.
template <class T>
concept has_text = std::convertible_to<const T&, std::string_view> ||
                   std::convertible_to<const T&, std::string> ||
                   requires(std::ostream& out, const T& value) { out << value; };

/// The format of sinks that are given none: the record's own text.
struct plain_line {
  template <has_text T>
  void operator()(const T& value, std::string& line) const {
    if constexpr (std::convertible_to<const T&, std::string_view>)
      line += static_cast<std::string_view>(value);
    else if constexpr (std::convertible_to<const T&, std::string>)
      line += static_cast<std::string>(value);
    else if constexpr (std::is_integral_v<T> && sizeof(T) > 1)
      line += std::to_string(value);
    else
      detail::append_streamed(line, &value, [](std::ostream& out, const void* what) {
        out << *static_cast<const T*>(what);
      });
  }
};

/// Makes a line of a record: `void f(const T&, std::string& line)`, which appends to the empty
/// `line`, or `std::string f(const T&)`. The line is without its newline.
template <class F, class T>
concept line_format = std::copy_constructible<F> &&
                      (std::invocable<F&, const T&, std::string&> ||
                       requires(F& f, const T& value, std::string& line) { line += f(value); });

/// Appends the record's line to `line`, which must be empty.
template <class T, line_format<T> F>
void append_line(F& format, const T& value, std::string& line) {
  if constexpr (std::invocable<F&, const T&, std::string&>)
    format(value, line);
  else
    line += format(value);
}

} // namespace weir
