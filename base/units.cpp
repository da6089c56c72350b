#include <weir/base/units.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace weir {

namespace {

__extension__ using wide = unsigned __int128;

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array duration_units{
    unit{"d", 86'400'000'000'000},
    unit{"h", 3'600'000'000'000},
    unit{"min", 60'000'000'000},
    unit{"s", 1'000'000'000},
    unit{"ms", 1'000'000},
    unit{"us", 1'000},
    unit{"ns", 1},
};

constexpr std::array binary_size_units{
    unit{"TiB", std::uint64_t{1} << 40}, unit{"GiB", std::uint64_t{1} << 30},
    unit{"MiB", std::uint64_t{1} << 20}, unit{"KiB", std::uint64_t{1} << 10}};

constexpr std::array decimal_size_units{unit{"TB", 1'000'000'000'000}, unit{"GB", 1'000'000'000},
                                        unit{"MB", 1'000'000}, unit{"kB", 1'000}, unit{"B", 1}};

constexpr std::string_view duration_expected =
    "a duration such as 200ms, 1.5s or 10min (units: ns, us, ms, s, min, h, d)";
constexpr std::string_view size_expected =
    "a size such as 64KiB, 1.5GiB or 10MB (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)";

error unexpected(std::string_view expected, std::string_view text) {
  return {errc::invalid_setting,
          "expected " + std::string{expected} + ", found " + in_quotes(text)};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

struct decimal {
  wide whole = 0;
  std::uint64_t fraction = 0;
  std::uint64_t fraction_scale = 1;

  bool is_zero() const { return whole == 0 && fraction == 0; }
  wide times(std::uint64_t factor) const {
    return whole * factor + wide{fraction} * factor / fraction_scale;
  }
};

std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const auto count = static_cast<std::size_t>(end - text.begin());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

bool take_decimal(std::string_view& text, decimal& number) {
  constexpr wide ceiling = wide{1} << 64;
  constexpr std::size_t fraction_digits = 18;
  const std::string_view whole = take_digits(text);
  for (const char digit : whole)
    number.whole = std::min(number.whole * 10 + static_cast<unsigned>(digit - '0'), ceiling);
  if (whole.empty())
    return false;
  if (!text.starts_with('.'))
    return true;
  text.remove_prefix(1);
  const std::string_view fraction = take_digits(text);
  for (const char digit : fraction.substr(0, fraction_digits)) {
    number.fraction = number.fraction * 10 + static_cast<unsigned>(digit - '0');
    number.fraction_scale *= 10;
  }
  return !fraction.empty();
}

std::string exact_multiple(std::uint64_t value, std::span<const unit> units) {
  for (const unit& each : units)
    if (value % each.factor == 0)
      return std::to_string(value / each.factor) + std::string{each.name};
  return {};
}

template <class Number>
result<Number> parse_whole(std::string_view text, Number least, Number most) {
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number < least || number > most)
    return unexpected(
        "a whole number from " + std::to_string(least) + " to " + std::to_string(most), text);
  return number;
}

} // namespace

result<duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  decimal number;
  if (!take_decimal(rest, number))
    return unexpected(duration_expected, text);
  if (rest.empty() && number.is_zero())
    return duration::zero();
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const auto found = std::ranges::find(duration_units, rest, &unit::name);
  if (found == duration_units.end())
    return unexpected(duration_expected, text);
  const wide length = number.times(found->factor);
  if (length > static_cast<wide>(duration::max().count()))
    return unexpected("a duration below 292 years", text);
  if (length == 0 && !number.is_zero())
    return unexpected("a duration of 0 or at least 1ns", text);
  return duration{static_cast<duration::rep>(length)};
}

result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  decimal number;
  if (!take_decimal(rest, number))
    return unexpected(size_expected, text);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  std::uint64_t factor = rest.empty() ? 1 : 0;
  for (const auto units :
       {std::span<const unit>{binary_size_units}, std::span<const unit>{decimal_size_units}})
    for (const unit& each : units)
      if (same_word(each.name, rest))
        factor = each.factor;
  if (factor == 0)
    return unexpected(size_expected, text);
  const wide size = number.times(factor);
  if (size > std::numeric_limits<std::uint64_t>::max())
    return unexpected("a size below 16777216TiB", text);
  if (size == 0 && !number.is_zero())
    return unexpected("a size of 0 or at least 1 byte", text);
  return static_cast<std::uint64_t>(size);
}

result<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most) {
  return parse_whole(text, least, most);
}

result<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t most) {
  return parse_whole(text, least, most);
}

result<double> parse_real(std::string_view text) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
    return unexpected("a number such as 2, 0.25 or 1e6", text);
  return number;
}

result<bool> parse_boolean(std::string_view text) {
  for (const std::string_view word : {"true", "yes", "on", "1"})
    if (same_word(text, word))
      return true;
  for (const std::string_view word : {"false", "no", "off", "0"})
    if (same_word(text, word))
      return false;
  return unexpected("true or false (or yes, no, on, off, 1, 0)", text);
}

std::string duration_text(duration length) {
  if (length == duration::zero())
    return "0";
  const auto count = static_cast<std::uint64_t>(length.count());
  if (length > duration::zero())
    return exact_multiple(count, duration_units);
  return exact_multiple(0 - count, duration_units).insert(0, 1, '-');
}

std::string size_text(std::uint64_t size) {
  if (size == 0)
    return "0";
  const std::string binary = exact_multiple(size, binary_size_units);
  return binary.empty() ? exact_multiple(size, decimal_size_units) : binary;
}

std::string real_text(double number) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

std::string boolean_text(bool value) {
  return value ? "true" : "false";
}

std::string in_quotes(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out.append(1, '\\').append(1, c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (code < 0x20 || code == 0x7F)
      out.append("\\x").append(1, digits[code >> 4]).append(1, digits[code & 15]);
    else
      out += c;
  }
  return out += '"';
}

} // namespace weir
