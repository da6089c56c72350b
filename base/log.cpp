#include <weir/base/log.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include <weir/base/units.hpp>

namespace weir {

namespace {

std::atomic<log_level> lowest_level{log_level::info};
std::atomic<log_format> line_format{log_format::text};

void set_format(spdlog::logger& logger, log_format format) {
  logger.set_pattern(format == log_format::json
                         ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)"
                         : "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$  %v",
                     spdlog::pattern_time_type::utc);
}

spdlog::logger& logger() {
  static spdlog::logger& instance = [&]() -> spdlog::logger& {
    const char* no_colour = std::getenv("NO_COLOR");
    const bool plain = no_colour != nullptr && *no_colour != '\0';
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(
        plain ? spdlog::color_mode::never : spdlog::color_mode::automatic);
    // Never destroyed: other threads and static objects may log until the very end.
    auto* created = new spdlog::logger("weir", std::move(sink));
    created->set_level(spdlog::level::trace);
    set_format(*created, line_format);
    return *created;
  }();
  return instance;
}

spdlog::level::level_enum spdlog_level(log_level level) {
  switch (level) {
  case log_level::debug:
    return spdlog::level::debug;
  case log_level::info:
    return spdlog::level::info;
  case log_level::warning:
    return spdlog::level::warn;
  case log_level::error:
    return spdlog::level::err;
  case log_level::off:
    return spdlog::level::off;
  }
  return spdlog::level::off;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

std::string one_line(std::string_view text) {
  if (std::ranges::none_of(text, is_control))
    return std::string{text};
  std::string line;
  for (const char c : text) {
    const std::string escaped = is_control(c) ? in_quotes({&c, 1}) : std::string{};
    line += escaped.empty() ? std::string(1, c) : escaped.substr(1, escaped.size() - 2);
  }
  return line;
}

bool needs_quotes(std::string_view value) {
  return value.empty() || std::ranges::any_of(value, [](char c) {
           return c == ' ' || c == '"' || c == '=' || is_control(c);
         });
}

std::string text_line(std::string_view message, std::initializer_list<log_field> fields) {
  std::string line = one_line(message);
  std::string_view separator = "  ";
  for (const log_field& field : fields) {
    line.append(separator).append(field.name).append("=");
    line += needs_quotes(field.value) ? in_quotes(field.value) : field.value;
    separator = " ";
  }
  return line;
}

std::string json_line(std::string_view message, std::initializer_list<log_field> fields) {
  nlohmann::ordered_json line;
  line["message"] = message;
  for (const log_field& field : fields) {
    std::string name{field.name};
    while (name == "time" || name == "level" || line.contains(name))
      name += '_';
    nlohmann::ordered_json value;
    if (field.is_literal)
      value = nlohmann::ordered_json::parse(field.value, nullptr, false);
    if (!field.is_literal || value.is_discarded())
      value = field.value;
    line[std::move(name)] = std::move(value);
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).substr(1);
}

} // namespace

void configure_log(log_level lowest, log_format format) {
  lowest_level = lowest;
  line_format = format;
  set_format(logger(), format);
}

void log(log_level level, std::string_view message, std::initializer_list<log_field> fields) {
  if (level < lowest_level.load(std::memory_order_relaxed) || level == log_level::off)
    return;
  const bool json = line_format.load(std::memory_order_relaxed) == log_format::json;
  const std::string line = json ? json_line(message, fields) : text_line(message, fields);
  logger().log(spdlog_level(level), spdlog::string_view_t{line});
}

} // namespace weir
