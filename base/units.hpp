#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// What a person writes for a value in a file, in the environment or on a command line, and back.
///
/// Every parser takes the whole text: blanks around it, a sign where none makes sense, or a value
/// that does not fit its type are errors. Every printer gives the shortest text that its parser
/// reads back as the same value.
///
/// Thread safety: any thread.
/// Errors:        errc::invalid_setting; the message says what is allowed and quotes the text.

/// "200ms", "1.5s", "10min", "0". The units are ns, us, ms, s, min, h and d; only 0 needs none.
/// What is finer than a nanosecond is cut off, unless nothing would be left.
result<duration> parse_duration(std::string_view text);

/// "64KiB", "1.5GiB", "10MB", "4096". KiB, MiB, GiB and TiB count in 1024s, kB, MB, GB and TB in
/// 1000s; no unit, or B, means bytes. Upper and lower case are the same.
result<std::uint64_t> parse_size(std::string_view text);

/// Decimal digits, `least` to `most`.
result<std::uint64_t> parse_count(std::string_view text, std::uint64_t least = 0,
                                  std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

/// Decimal digits after an optional minus sign, `least` to `most`.
result<std::int64_t> parse_integer(std::string_view text,
                                   std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                   std::int64_t most = std::numeric_limits<std::int64_t>::max());

/// "0.25", "1e6". Neither infinite nor "not a number".
result<double> parse_real(std::string_view text);

/// true, yes, on and 1, or false, no, off and 0.
result<bool> parse_boolean(std::string_view text);

std::string duration_text(duration length);
std::string size_text(std::uint64_t size);
std::string real_text(double number);
std::string boolean_text(bool value);

/// The text between double quotes; quotes, backslashes and control characters in it are escaped, so
/// that it stays on one line.
std::string in_quotes(std::string_view text);

} // namespace weir
