#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/option.hpp>
#include <weir/base/units.hpp>

namespace weir {

/// An option that a job declared: `--NAME` on the command line, `NAME = ...` under `[job]` in the
/// file, WEIR_JOB_NAME in the environment.
struct job_option {
  std::string name;
  std::string description;
  std::string word;         ///< stands for the value in `--help`: "N"
  std::string default_text; ///< empty where the default is empty, or there is none
  bool is_required = false;
  bool is_boolean = false;

  /// Reads a value. The error says what is allowed and what was found.
  std::function<status(std::string_view)> assign;

  /// The value that it has, as a person would write it.
  std::function<std::string()> show;
};

namespace detail {

template <class T>
inline constexpr bool is_chrono_duration = false;
template <class Rep, class Period>
inline constexpr bool is_chrono_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
concept plain_integer = std::integral<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> &&
                        !std::is_same_v<T, wchar_t> && !std::is_same_v<T, char8_t> &&
                        !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>;

} // namespace detail

/// The types that an option of a job may have: std::string, integers, floating-point numbers, bool,
/// and the durations of std::chrono.
template <class T>
concept option_value = std::is_same_v<T, std::string> || std::is_same_v<T, bool> ||
    detail::plain_integer<T> || std::floating_point<T> || detail::is_chrono_duration<T>;

namespace detail {

template <option_value T>
result<T> read_option(std::string_view text) {
  const auto as = [](auto parsed) -> result<T> {
    if (!parsed)
      return parsed.failure();
    return static_cast<T>(*parsed);
  };
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string{text};
  } else if constexpr (std::is_same_v<T, bool>) {
    return parse_boolean(text);
  } else if constexpr (std::is_floating_point_v<T>) {
    return as(parse_real(text));
  } else if constexpr (std::is_signed_v<T>) {
    return as(parse_integer(text, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  } else if constexpr (std::is_unsigned_v<T>) {
    return as(parse_count(text, 0, std::numeric_limits<T>::max()));
  } else {
    const result<duration> length = parse_duration(text);
    if (!length)
      return length.failure();
    const T rounded = std::chrono::duration_cast<T>(*length);
    if (std::chrono::duration_cast<duration>(rounded) != *length)
      return error{errc::invalid_setting,
                   "expected a multiple of " +
                       duration_text(std::chrono::duration_cast<duration>(T{1})) + ", found " +
                       in_quotes(text)};
    return rounded;
  }
}

template <option_value T>
std::string option_text(const T& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return value;
  else if constexpr (std::is_same_v<T, bool>)
    return boolean_text(value);
  else if constexpr (std::is_floating_point_v<T>)
    return real_text(value);
  else if constexpr (std::is_integral_v<T>)
    return std::to_string(value);
  else
    return duration_text(std::chrono::duration_cast<duration>(value));
}

template <option_value T>
std::string option_word() {
  if constexpr (std::is_same_v<T, std::string>)
    return "TEXT";
  else if constexpr (std::is_same_v<T, bool>)
    return "BOOL";
  else if constexpr (std::is_floating_point_v<T>)
    return "X";
  else if constexpr (std::is_integral_v<T>)
    return "N";
  else
    return "DURATION";
}

} // namespace detail

/// The options that a job declares for itself, beside the settings that every job has.
///
/// Thread safety: one thread, while the topology is built and the command line is read.
/// Errors:        declaring never fails; problems() tells what is wrong with the names.
class option_table {
 public:
  /// Declares an option. The handle holds `initial` until another value is read. The name is lower
  /// case with dashes: "fail-every".
  template <option_value T>
  option<T> declare(std::string name, std::string description, T initial) {
    option<T> handle(std::move(initial));
    add<T>(std::move(name), std::move(description), handle, false);
    return handle;
  }

  /// Declares an option without which the job does not run.
  template <option_value T>
  option<T> declare_required(std::string name, std::string description) {
    option<T> handle(T{});
    add<T>(std::move(name), std::move(description), handle, true);
    return handle;
  }

  /// In the order of their declaration.
  std::span<const job_option> options() const noexcept { return options_; }

  /// The option of this name, or nullptr.
  const job_option* find(std::string_view name) const;

  /// Names that cannot be used: malformed, declared twice, or already the flag of a setting.
  std::vector<std::string> problems() const;

 private:
  template <option_value T>
  void add(std::string name, std::string description, option<T> handle, bool is_required) {
    job_option entry;
    entry.name = std::move(name);
    entry.description = std::move(description);
    entry.word = detail::option_word<T>();
    entry.default_text = is_required ? std::string{} : detail::option_text(*handle);
    entry.is_required = is_required;
    entry.is_boolean = std::is_same_v<T, bool>;
    entry.assign = [handle](std::string_view text) mutable -> status {
      result<T> value = detail::read_option<T>(text);
      if (!value)
        return value.failure();
      handle.assign(*std::move(value));
      return {};
    };
    entry.show = [handle] { return detail::option_text(*handle); };
    options_.push_back(std::move(entry));
  }

  std::vector<job_option> options_;
};

} // namespace weir
