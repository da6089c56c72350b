#include "output.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <weir/base/json_text.hpp>

namespace weir {

namespace {

constexpr std::size_t write_at_once = std::size_t{1} << 16;

} // namespace

void output::write(std::string_view text) {
  if (is_closed_)
    return;
  buffer_.append(text);
  if (buffer_.size() >= write_at_once)
    flush();
}

void output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && !is_closed_) {
    const ssize_t count = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0) {
      is_closed_ = true;
      failure_ = errno == EPIPE ? 0 : errno;
    } else {
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  buffer_.clear();
}

std::string text_table::text() const {
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size())
        line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

json_object& json_object::add(std::string_view name, std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return add_json(name, json);
}

json_object& json_object::add(std::string_view name, std::uint64_t number) {
  return add_json(name, std::to_string(number));
}

json_object& json_object::add_json(std::string_view name, std::string_view json) {
  text_ += text_.size() == 1 ? "" : ",";
  append_json_string(text_, name);
  text_.append(":").append(json);
  return *this;
}

std::string json_array(const std::vector<std::string>& members) {
  std::string text = "[";
  for (const std::string& member : members)
    text.append(text.size() == 1 ? "" : ",").append(member);
  return text + "]";
}

std::string rounded_size(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(units); ++unit)
    size /= 1024;
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.*f %s", unit == 0 ? 0 : 1, size, units[unit]);
  return text.data();
}

std::string csv_field(const std::string& json) {
  const std::string text = json.starts_with('"') ? nlohmann::json::parse(json).get<std::string>() : json;
  if (text.find_first_of(",\"\r\n") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"')
      quoted += c;
  }
  return quoted + "\"";
}

} // namespace weir
