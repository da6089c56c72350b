#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <cereal/types/array.hpp>
#include <cereal/types/base_class.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <weir/base/clock.hpp>
#include <weir/base/schema.hpp>
#include <weir/base/schema_value.hpp>

using namespace weir;
using namespace std::chrono_literals;

namespace {

enum class colour : std::uint8_t { red, green };

struct visit {
  std::string page;
  std::uint64_t count = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(page, CEREAL_NVP(count));
  }
};

struct flat_with_fields {
  std::uint64_t key = 1;
  std::uint8_t flag = 2;
  float value = 2.5;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(CEREAL_NVP(key), CEREAL_NVP(flag), CEREAL_NVP(value));
  }
};

struct around_flat {
  flat_with_fields inner;
  std::array<std::uint16_t, 2> pair{3, 4};
  event_time at{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(inner, pair, at);
  }
};

struct point {
  std::uint32_t x = 1;
  std::uint32_t y = 2;
};

struct versioned {
  std::string name;

  template <class Archive>
  void serialize(Archive& archive, std::uint32_t) {
    archive & name;
  }
};

struct derived : visit {
  int extra = 7;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<visit>(this), extra);
  }
};

struct tree {
  std::string name;
  std::vector<tree> children;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, children);
  }
};

struct forest {
  std::uint32_t id = 9;
  std::vector<tree> trees;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(id, trees);
  }
};

struct linked {
  int value = 0;
  std::unique_ptr<linked> next;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, next);
  }
};

/// What is shown of encoded data; the readings are tried one after the other.
std::string shown(const std::string& schema, std::string_view data) {
  const auto type = value_schema::parse(schema);
  if (!type)
    FAIL(type.failure().message);
  for (std::size_t reading = 0; reading < type->readings(); ++reading) {
    try {
      std::string text;
      byte_reader in(data);
      type->read(in, &text, reading);
      byte_reader skipping(data);
      type->read(skipping, nullptr, reading);
      CHECK(in.remaining() == skipping.remaining());
      if (!in.at_end())
        continue;
      CHECK_NOTHROW([[maybe_unused]] auto json = nlohmann::json::parse(text));
      return text;
    } catch (const malformed_bytes&) {
    }
  }
  return "malformed";
}

template <class T>
std::string shown(const T& value) {
  return shown(schema_of<T>(), encoded(value));
}

} // namespace

CEREAL_CLASS_VERSION(versioned, 3)

TEST_CASE("scalars are shown as JSON, and integers keep all their digits") {
  CHECK(shown(true) == "true");
  CHECK(shown('x') == "\"x\"");
  CHECK(shown('\xff') == R"({"hex":"ff"})");
  CHECK(shown(std::int8_t{-5}) == "-5");
  CHECK(shown(std::uint16_t{65535}) == "65535");
  CHECK(shown(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(shown(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(shown("i128", std::string(16, '\xff')) == "-1");
  CHECK(shown("u128", std::string(16, '\xff')) == "340282366920938463463374607431768211455");
  CHECK(shown(0.1) == "0.1");
  CHECK(shown(0.1f) == "0.1");
  CHECK(shown(std::numeric_limits<double>::infinity()) == "\"Infinity\"");
  CHECK(shown(std::numeric_limits<float>::quiet_NaN()) == "\"NaN\"");
  CHECK(shown(colour::green) == "1");
}

TEST_CASE("durations and times are readable") {
  CHECK(shown(1500ms) == "\"1500ms\"");
  CHECK(shown(std::chrono::hours{2}) == "\"2h\"");
  CHECK(shown(std::chrono::duration<double>{1.5}) == "\"1.5s\"");
  CHECK(shown(std::chrono::duration<std::int32_t, std::ratio<7, 3>>{5}) == "\"5 x 7/3s\"");
  CHECK(shown(event_time{1700000000123ms}) == "\"2023-11-14T22:13:20.123Z\"");
  CHECK(shown(event_time{-1ms}) == "\"1969-12-31T23:59:59.999Z\"");
  CHECK(shown(std::chrono::sys_seconds{3s}) == "\"1970-01-01T00:00:03Z\"");
  CHECK(shown(last_watermark) == "\"1970 + 9223372036854775807ms\"");
  CHECK(shown(std::vector<std::chrono::milliseconds>{1ms, 2ms}) == R"(["1ms","2ms"])");
}

TEST_CASE("strings are escaped, and those that are not UTF-8 become hex") {
  CHECK(shown(std::string("a\"b\\c\n\x01")) == R"("a\"b\\c\n\u0001")");
  CHECK(shown(std::string("gr\xc3\xbc\xc3\x9f")) == "\"gr\xc3\xbc\xc3\x9f\"");
  for (const char* broken : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"})
    CHECK(shown(std::string(broken)).starts_with("{\"hex\":\""));
}

TEST_CASE("containers of any kind are shown by their elements") {
  CHECK(shown(std::vector<std::int32_t>{1, -2}) == "[1,-2]");
  CHECK(shown(std::vector<bool>{true, false}) == "[true,false]");
  CHECK(shown(std::set<std::string>{"a", "b"}) == R"(["a","b"])");
  CHECK(shown(std::vector<std::string>{}) == "[]");
  CHECK(shown(std::map<std::string, int>{{"a", 1}, {"b", 2}}) == R"({"a":1,"b":2})");
  CHECK(shown(std::map<int, std::string>{{1, "x"}}) == R"([[1,"x"]])");
  CHECK(shown(std::multimap<std::string, int>{{"a", 1}, {"a", 2}}) == R"([["a",1],["a",2]])");
  CHECK(shown(std::map<std::string, int>{{"\xff", 1}}) == R"([[{"hex":"ff"},1]])");
  CHECK(shown(std::array<std::string, 2>{"a", "b"}) == R"(["a","b"])");
  CHECK(shown(std::array<std::int16_t, 3>{1, 2, 3}) == "[1,2,3]");
  CHECK(shown(std::pair<int, std::string>{1, "x"}) == R"([1,"x"])");
  CHECK(shown(std::tuple<int, bool, std::string>{1, true, "x"}) == R"([1,true,"x"])");
}

TEST_CASE("optionals, variants and pointers are shown by what they hold") {
  CHECK(shown(std::optional<std::string>{}) == "null");
  CHECK(shown(std::optional<std::string>{"a"}) == "\"a\"");
  CHECK(shown(std::optional<std::int32_t>{}) == "null");
  CHECK(shown(std::optional<std::int32_t>{5}) == "5");
  CHECK(shown(std::optional<flat_with_fields>{flat_with_fields{}}) == R"({"key":1,"flag":2,"value":2.5})");
  CHECK(shown(std::vector<std::optional<int>>{std::nullopt, 5}) == "[null,5]");
  CHECK(shown(std::variant<std::string, int>{7}) == "7");
  CHECK(shown(std::variant<std::int8_t, double>{2.5}) == "2.5");
  CHECK(shown(std::variant<std::monostate, int>{}) == "null");
  CHECK(shown(std::vector<std::variant<std::monostate, std::string>>{{}, "x"}) == R"([null,"x"])");
  std::vector<std::unique_ptr<std::string>> owned(2);
  owned[1] = std::make_unique<std::string>("q");
  CHECK(shown(owned) == R"([null,"q"])");
  const auto shared = std::make_shared<std::string>("q");
  CHECK(shown(std::vector<std::shared_ptr<std::string>>{nullptr, shared, shared}) == R"([null,"q","q"])");
}

TEST_CASE("classes are shown by their fields: as they lie in memory alone, one after the other inside of another") {
  CHECK(shown(visit{"a", 3}) == R"({"0":"a","count":3})");
  CHECK(shown(derived{{"a", 3}, 7}) == R"([{"0":"a","count":3},7])");
  CHECK(shown(flat_with_fields{}) == R"({"key":1,"flag":2,"value":2.5})");
  CHECK(shown(std::vector<flat_with_fields>(2)) ==
        R"([{"key":1,"flag":2,"value":2.5},{"key":1,"flag":2,"value":2.5}])");
  CHECK(shown(std::array<flat_with_fields, 1>{}) == R"([{"key":1,"flag":2,"value":2.5}])");
  const std::string inside = R"([{"key":1,"flag":2,"value":2.5},[3,4],"1970-01-01T00:00:00.000Z"])";
  CHECK(shown(around_flat{}) == inside);
  CHECK(shown(std::vector<around_flat>(1)) == "[" + inside + "]");
}

TEST_CASE("a class with a version has it once in a value") {
  CHECK(shown(versioned{"a"}) == R"(["a"])");
  CHECK(shown(std::vector<versioned>{{"a"}, {"b"}}) == R"([["a"],["b"]])");
  std::string other = encoded(versioned{"a"});
  other[0] = 4;
  CHECK(shown(schema_of<versioned>(), other) == "malformed");
}

TEST_CASE("a type that contains itself is followed, whichever of the types around it is meant") {
  CHECK(shown(tree{"a", {{"b", {}}, {"c", {{"d", {}}}}}}) == R"(["a",[["b",[]],["c",[["d",[]]]]]])");
  CHECK(shown(forest{9, {{"a", {{"b", {}}}}}}) == R"([9,[["a",[["b",[]]]]]])");
  linked first{1, std::make_unique<linked>()};
  CHECK(shown(first) == "[1,[0,null]]");
}

TEST_CASE("types of which only the name is known are hex, or an error where their end is not known") {
  CHECK(shown(point{}) == R"({"hex":"0100000002000000"})");
  CHECK(shown("bytes<3>", "abc") == R"({"hex":"616263"})");
  CHECK(shown("map<string, bytes<2, 1> ns::order<a, b>>", encoded(std::uint64_t{0})) == "{}");
  CHECK(shown("some::type", "abc") == "malformed");
  CHECK(shown("bytes<2, 1> (anonymous namespace)::x", "ab") == R"({"hex":"6162"})");
}

TEST_CASE("what is no value of its type is malformed") {
  CHECK(shown("bool", "\x02") == "malformed");
  CHECK(shown("u64", "1234") == "malformed");
  CHECK(shown("string", encoded(std::uint64_t{1000})) == "malformed");
  CHECK(shown("list<string>", std::string(8, '\xff')) == "malformed");
  CHECK(shown("variant<string, i32>", encoded(std::uint32_t{9})) == "malformed");
  CHECK(shown("{...x}", std::string(100, '\0')) == "malformed");
  std::string deep;
  for (int i = 0; i < 100000; ++i)
    deep += encoded(std::uint64_t{1});
  CHECK(shown("{list<...x>}", deep) == "malformed");
}

TEST_CASE("a text that is no schema is another version's") {
  for (const std::string text : {"", "list<", "list<i32", "map<i32>", "array<i32>", "struct<8>i32", "{i32",
                           "duration<string, 1/1>", "i32>", "bytes<x>", "list<i32>>"}) {
    const auto parsed = value_schema::parse(text);
    CAPTURE(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.failure().code == errc::wrong_version);
  }
  CHECK_FALSE(value_schema::parse(std::string(100000, '{')));
}

TEST_CASE("whatever the bytes and the schema are, a value is shown or malformed") {
  std::mt19937 random{1};
  const std::vector<std::string> schemas{schema_of<around_flat>(), schema_of<std::vector<versioned>>(),
                                         schema_of<forest>(), schema_of<std::map<std::string, std::optional<visit>>>(),
                                         schema_of<std::vector<std::shared_ptr<std::string>>>(),
                                         schema_of<std::optional<flat_with_fields>>(),
                                         schema_of<std::variant<std::int8_t, double>>()};
  const auto below = [&](std::size_t limit) { return random() % limit; };
  for (int round = 0; round < 20000; ++round) {
    std::string schema = schemas[below(schemas.size())];
    if (below(2) == 0)
      schema[below(schema.size())] = "<>{},@0 .i"[below(10)];
    std::string data(below(60), '\0');
    for (char& c : data)
      c = below(3) == 0 ? static_cast<char>(random()) : static_cast<char>(below(3));
    const auto type = value_schema::parse(schema);
    if (!type)
      continue;
    for (std::size_t reading = 0; reading < type->readings(); ++reading) {
      try {
        std::string text;
        byte_reader in(data);
        type->read(in, &text, reading);
        CAPTURE(schema);
        CHECK(nlohmann::json::accept(text));
      } catch (const malformed_bytes&) {
      }
    }
  }
}
