#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir {

/// Levels of the log, from the least to the most important.
enum class log_level : std::uint8_t { debug, info, warning, error, off };

/// How a log line looks: for a person, or one JSON object a line for a machine.
enum class log_format : std::uint8_t { text, json };

/// One named value of a log line: `task=count/1`, or a member of the JSON object.
struct log_field {
  std::string_view name;
  std::string value;
  bool is_literal = false; ///< a number or a truth value: JSON writes it without quotes

  log_field(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
  log_field(std::string_view field, std::string_view text) : name(field), value(text) {}
  log_field(std::string_view field, const char* text) : name(field), value(text) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  log_field(std::string_view field, Number number)
      : name(field), value(std::to_string(number)), is_literal(true) {}
  log_field(std::string_view field, bool truth)
      : name(field), value(truth ? "true" : "false"), is_literal(true) {}
};

/// Sets what is logged and how. The log goes to standard error: standard output belongs to the job.
/// The default is `info` as text.
///
/// Thread safety: call before other threads log.
void configure_log(log_level lowest, log_format format);

/// Writes one line: a message in plain words, then its fields.
///
/// Thread safety: any thread; lines do not mix.
void log(log_level level, std::string_view message, std::initializer_list<log_field> fields = {});

inline void log_debug(std::string_view message, std::initializer_list<log_field> fields = {}) {
  log(log_level::debug, message, fields);
}
inline void log_info(std::string_view message, std::initializer_list<log_field> fields = {}) {
  log(log_level::info, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<log_field> fields = {}) {
  log(log_level::warning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<log_field> fields = {}) {
  log(log_level::error, message, fields);
}

} // namespace weir
