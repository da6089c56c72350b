#include <weir/base/units.hpp>

#include <random>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir;

namespace {

template <class T>
std::string failure_of(const result<T>& parsed) {
  return parsed ? "" : parsed.failure().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a duration is a number and a unit") {
  CHECK(*parse_duration("200ms") == 200ms);
  CHECK(*parse_duration("1s") == 1s);
  CHECK(*parse_duration("1.5s") == 1500ms);
  CHECK(*parse_duration("10min") == 10min);
  CHECK(*parse_duration("2h") == 2h);
  CHECK(*parse_duration("3d") == 72h);
  CHECK(*parse_duration("50us") == 50us);
  CHECK(*parse_duration("7ns") == 7ns);
  CHECK(*parse_duration("10 min") == 10min);
  CHECK(*parse_duration("0.25h") == 15min);
}

TEST_CASE("only a duration of zero needs no unit") {
  CHECK(*parse_duration("0") == 0ns);
  CHECK(*parse_duration("0.0") == 0ns);
  CHECK(*parse_duration("0s") == 0ns);
  CHECK(failure_of(parse_duration("5")) ==
        "expected a duration such as 200ms, 1.5s or 10min (units: ns, us, ms, s, min, h, d), "
        "found \"5\"");
}

TEST_CASE("a duration that is not one is an error that quotes it") {
  for (const char* text : {"", "s", "-1s", "+1s", " 1s", "1s ", "1 parsec", "1.s", ".5s", "1..5s",
                           "1e3s", "1S", "0x1s", "1s1s", "nan", "1,5s"}) {
    CAPTURE(text);
    const std::string message = failure_of(parse_duration(text));
    CHECK(contains(message, "expected a duration"));
    CHECK(contains(message, "found " + in_quotes(text)));
  }
}

TEST_CASE("a duration that does not fit is an error") {
  CHECK(*parse_duration("9223372036854775807ns") == duration::max());
  CHECK(contains(failure_of(parse_duration("9223372036854775808ns")), "below 292 years"));
  CHECK(contains(failure_of(parse_duration("3000000h")), "below 292 years"));
  CHECK(contains(failure_of(parse_duration("99999999999999999999999999999999999999999999d")),
                 "below 292 years"));
}

TEST_CASE("a duration finer than a nanosecond is cut off but never becomes zero") {
  CHECK(*parse_duration("1.0000000019s") == 1s + 1ns);
  CHECK(*parse_duration("1.00000000000000000000000000000000001s") == 1s);
  CHECK(contains(failure_of(parse_duration("0.5ns")), "at least 1ns"));
}

TEST_CASE("a size is a number of bytes with or without a unit") {
  CHECK(*parse_size("4096") == 4096);
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_size("17B") == 17);
  CHECK(*parse_size("64KiB") == 65536);
  CHECK(*parse_size("64 kib") == 65536);
  CHECK(*parse_size("1GiB") == std::uint64_t{1} << 30);
  CHECK(*parse_size("1.5GiB") == 1'610'612'736);
  CHECK(*parse_size("10MB") == 10'000'000);
  CHECK(*parse_size("2TiB") == std::uint64_t{1} << 41);
  CHECK(*parse_size("18446744073709551615") == 18446744073709551615u);
}

TEST_CASE("a size that is not one or does not fit is an error") {
  for (const char* text : {"", "KiB", "-1", "1K", "1 000", "12x", "1e6", "0.5",
                           "18446744073709551616", "16777216TiB", "99999999999999999999999999TB"}) {
    CAPTURE(text);
    const std::string message = failure_of(parse_size(text));
    CHECK(contains(message, "expected a size"));
    CHECK(contains(message, "found " + in_quotes(text)));
  }
}

TEST_CASE("counts and integers keep to their range and say it") {
  CHECK(*parse_count("0") == 0);
  CHECK(*parse_count("18446744073709551615") == 18446744073709551615u);
  CHECK(failure_of(parse_count("0", 1, 64)) == "expected a whole number from 1 to 64, found \"0\"");
  for (const char* text :
       {"", "-1", "+1", "65", "1.0", "one", " 1", "1 ", "0x1", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_count(text, 1, 64));
  }
  CHECK(*parse_integer("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK_FALSE(parse_integer("9223372036854775808"));
  CHECK_FALSE(parse_integer("-6", -5, 5));
}

TEST_CASE("a real number is finite") {
  CHECK(*parse_real("2") == 2.0);
  CHECK(*parse_real("-0.25") == -0.25);
  CHECK(*parse_real("1e6") == 1e6);
  for (const char* text : {"", "inf", "nan", "1e999", "1,5", "2x", " 2"}) {
    CAPTURE(text);
    CHECK(contains(failure_of(parse_real(text)), "expected a number"));
  }
}

TEST_CASE("a truth value has a few spellings and no others") {
  for (const char* text : {"true", "yes", "on", "1", "True", "YES"})
    CHECK(*parse_boolean(text));
  for (const char* text : {"false", "no", "off", "0", "FALSE"})
    CHECK_FALSE(*parse_boolean(text));
  CHECK(failure_of(parse_boolean("maybe")) ==
        "expected true or false (or yes, no, on, off, 1, 0), found \"maybe\"");
  CHECK_FALSE(parse_boolean(""));
}

TEST_CASE("values print in the largest unit that loses nothing") {
  CHECK(duration_text(0ns) == "0");
  CHECK(duration_text(200ms) == "200ms");
  CHECK(duration_text(90s) == "90s");
  CHECK(duration_text(10min) == "10min");
  CHECK(duration_text(24h) == "1d");
  CHECK(duration_text(-5s) == "-5s");
  CHECK(size_text(0) == "0");
  CHECK(size_text(std::uint64_t{256} << 30) == "256GiB");
  CHECK(size_text(10'000'000) == "10MB");
  CHECK(size_text(1023) == "1023B");
  CHECK(real_text(2.0) == "2");
  CHECK(real_text(0.1) == "0.1");
}

TEST_CASE("what is printed reads back as the same value") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 5'000; ++i) {
    const std::uint64_t bits = random() >> (random() % 64);
    CHECK(*parse_size(size_text(bits)) == bits);
    const duration length{static_cast<std::int64_t>(bits >> 1)};
    CHECK(*parse_duration(duration_text(length)) == length);
    const double number = static_cast<double>(bits) / 1000.0;
    CHECK(*parse_real(real_text(number)) == number);
  }
}

TEST_CASE("quoted text stays on one line") {
  CHECK(in_quotes("plain") == "\"plain\"");
  CHECK(in_quotes("a \"b\" \\ c\n\t\x01") == R"("a \"b\" \\ c\n\t\x01")");
  CHECK(in_quotes("Größe") == "\"Größe\"");
}
