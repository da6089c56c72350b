#include <weir/base/json_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

namespace weir {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

// The length of the character at the start of `text`, or 0: overlong forms and surrogates are none (RFC 3629).
std::size_t character_size(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80)
    return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size)
    return 0;
  unsigned char least = 0x80, most = 0xBF;
  if (first == 0xE0)
    least = 0xA0;
  else if (first == 0xED)
    most = 0x9F;
  else if (first == 0xF0)
    least = 0x90;
  else if (first == 0xF4)
    most = 0x8F;
  if (at(1) < least || at(1) > most)
    return 0;
  for (std::size_t i = 2; i < size; ++i)
    if (at(i) < 0x80 || at(i) > 0xBF)
      return 0;
  return size;
}

template <class Number>
void append_number(std::string& out, Number number) {
  if (std::isfinite(number)) {
    std::array<char, 40> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
  } else {
    out += std::isnan(number) ? "\"NaN\"" : number < 0 ? "\"-Infinity\"" : "\"Infinity\"";
  }
}

struct unit {
  std::int64_t num, den;
  const char* name;
};
constexpr unit units[] = {{1, 1, "s"},           {1, 1000, "ms"}, {1, 1000000, "us"},
                          {1, 1000000000, "ns"}, {60, 1, "min"},  {3600, 1, "h"},
                          {86400, 1, "d"}};

} // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0)
      return false;
    text.remove_prefix(size);
  }
  return true;
}

void append_json_string(std::string& out, std::string_view text) {
  if (!is_utf8(text)) {
    append_json_hex(out, text);
    return;
  }
  out += '"';
  for (const char c : text) {
    switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default:
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        out += "\\u00";
        out += hex_digits[static_cast<unsigned char>(c) >> 4];
        out += hex_digits[c & 15];
      } else {
        out += c;
      }
    }
  }
  out += '"';
}

void append_json_hex(std::string& out, std::string_view data) {
  out += "{\"hex\":\"";
  for (const char c : data) {
    out += hex_digits[static_cast<unsigned char>(c) >> 4];
    out += hex_digits[c & 15];
  }
  out += "\"}";
}

void append_json_number(std::string& out, double number) {
  append_number(out, number);
}
void append_json_number(std::string& out, float number) {
  append_number(out, number);
}

void append_json_map(std::string& out, std::span<const std::pair<std::string, std::string>> entries) {
  bool is_object = std::ranges::all_of(entries, [](const auto& entry) { return entry.first.starts_with('"'); });
  if (is_object) {
    std::vector<std::string_view> keys;
    for (const auto& entry : entries)
      keys.push_back(entry.first);
    std::ranges::sort(keys);
    is_object = std::ranges::adjacent_find(keys) == keys.end();
  }
  out += is_object ? '{' : '[';
  for (std::size_t i = 0; i < entries.size(); ++i) {
    out += i == 0 ? "" : ",";
    if (is_object)
      out.append(entries[i].first).append(":").append(entries[i].second);
    else
      out.append("[").append(entries[i].first).append(",").append(entries[i].second).append("]");
  }
  out += is_object ? '}' : ']';
}

std::string length_text(std::string_view count, std::int64_t num, std::int64_t den) {
  for (const unit& one : units)
    if (one.num == num && one.den == den)
      return std::string(count) + one.name;
  return std::string(count) + " x " + std::to_string(num) + (den == 1 ? "" : "/" + std::to_string(den)) + "s";
}

std::string time_text(std::int64_t count, std::int64_t num, std::int64_t den) {
  constexpr std::int64_t first_second = -62167219200, last_second = 253402300799;
  const int digits = den == 1 ? 0 : den == 1000 ? 3 : den == 1000000 ? 6 : den == 1000000000 ? 9 : -1;
  __extension__ using wide = __int128;
  const wide total = static_cast<wide>(count) * num;
  const wide whole = den <= 0 ? 0 : total / den - (total % den < 0 ? 1 : 0);
  if (digits < 0 || whole < first_second || whole > last_second)
    return "1970 + " + length_text(std::to_string(count), num, den);
  using namespace std::chrono;
  const sys_seconds at{seconds{static_cast<std::int64_t>(whole)}};
  const sys_days day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss time{at - day};
  std::array<char, 64> text;
  int size = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                           static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                           static_cast<int>(time.seconds().count()));
  if (digits > 0)
    size += std::snprintf(text.data() + size, text.size() - static_cast<std::size_t>(size), ".%0*d", digits,
                          static_cast<int>(total - whole * den));
  return std::string(text.data(), static_cast<std::size_t>(size)) + "Z";
}

} // namespace weir
