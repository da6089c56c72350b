#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// Values as JSON, written by appending to a string.
///
/// A string that is not UTF-8 becomes {"hex": "00ff"}, and so do raw bytes. Numbers are exact digits, also
/// beyond 2^53; a number that is infinite or not a number is a string.
///
/// Thread safety: any thread.
void append_json_string(std::string& out, std::string_view text);
void append_json_hex(std::string& out, std::string_view data);
void append_json_number(std::string& out, double number);
void append_json_number(std::string& out, float number);

/// Keys and values that are JSON already: an object where all keys are strings and no two are the same,
/// otherwise an array of pairs.
void append_json_map(std::string& out, std::span<const std::pair<std::string, std::string>> entries);

bool is_utf8(std::string_view text) noexcept;

/// So many times num/den seconds: "1500ms", "2h"; "5 x 7/3s" where there is no such unit.
std::string length_text(std::string_view count, std::int64_t num, std::int64_t den);

/// So many times num/den seconds after 1970 as "2026-11-22T02:33:41.250Z"; outside of the years 0 to 9999 as
/// "1970 + 9223372036854775807ms".
std::string time_text(std::int64_t count, std::int64_t num = 1, std::int64_t den = 1000);

} // namespace weir
