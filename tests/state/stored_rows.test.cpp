#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <cereal/types/string.hpp>
#include <doctest/doctest.h>

#include <weir/base/codec.hpp>
#include <weir/base/schema.hpp>
#include <weir/state/stored_rows.hpp>

using namespace weir;

namespace {

using cells = std::vector<bytes>;

/// A section: keys, and the cells of each state.
bytes section(const std::vector<std::string>& keys, std::initializer_list<cells> states) {
  byte_writer out;
  out.write_raw(std::uint64_t{keys.size()});
  for (const std::string& key : keys)
    encode(out, key);
  for (const cells& column : states) {
    bytes block;
    for (const bytes& cell : column)
      block += cell;
    out.write_text(block);
  }
  return std::move(out).take();
}

template <class... Ts>
bytes joined(const Ts&... values) {
  return (encoded(values) + ...);
}

constexpr std::uint8_t yes = 1, no = 0;
constexpr std::int64_t noon = 1700049600000; // 2023-11-15T12:00:00Z

using u64 = std::uint64_t;

std::map<std::string, std::string> values_of(const state_schema& schema, const bytes& data) {
  const auto layout = stored_layout::make("string", {schema});
  if (!layout)
    FAIL(layout.failure().message);
  const auto rows = stored_rows::read(*layout, data);
  if (!rows)
    return {{"error", rows.failure().message}};
  std::map<std::string, std::string> found;
  for (std::size_t row = 0; row < rows->size(); ++row)
    if (rows->has_value(row, 0)) {
      const auto refreshed = rows->refreshed_text(row, 0);
      found[rows->key(row)] = rows->value_text(row, 0) + (refreshed ? " " + *refreshed : "");
    }
  return found;
}

using values = std::map<std::string, std::string>;

} // namespace

TEST_CASE("a value replaces the one before, and is gone where there is none any more") {
  const state_schema schema{"s", "value", "u64", false};
  CHECK(values_of(schema, section({"a", "b"}, {{joined(yes, u64{1}), joined(yes, u64{2})}}) +
                              section({"b", "c"}, {{joined(no), joined(yes, u64{3})}}) +
                              section({"a"}, {{joined(yes, u64{9})}})) == values{{"\"a\"", "9"}, {"\"c\"", "3"}});
  const state_schema timed{"s", "folding", "string", true};
  CHECK(values_of(timed, section({"a"}, {{joined(yes, noon, std::string("x"))}})) ==
        values{{"\"a\"", "\"x\" \"2023-11-15T12:00:00.000Z\""}});
}

TEST_CASE("a list loses its first elements, has others replaced, and grows") {
  const state_schema schema{"s", "list", "list<u64>", false};
  const bytes first = section({"a"}, {{joined(u64{0}, u64{0}, u64{3}, u64{10}, u64{11}, u64{12})}});
  CHECK(values_of(schema, first) == values{{"\"a\"", "[10,11,12]"}});
  const bytes added = section({"a"}, {{joined(u64{1}, u64{3}, u64{1}, u64{13})}});
  CHECK(values_of(schema, first + added) == values{{"\"a\"", "[11,12,13]"}});
  const bytes replaced = section({"a"}, {{joined(u64{1}, u64{2}, u64{2}, u64{7}, u64{8})}});
  CHECK(values_of(schema, first + added + replaced) == values{{"\"a\"", "[11,7,8]"}});
  const bytes removed = section({"a"}, {{joined(u64{0}, u64{0}, u64{0})}});
  CHECK(values_of(schema, first + removed).empty());
  const bytes anew = section({"a"}, {{joined(u64{5}, u64{5}, u64{1}, u64{1})}});
  CHECK(values_of(schema, first + removed + anew) == values{{"\"a\"", "[1]"}});
  const bytes gap = section({"a"}, {{joined(u64{0}, u64{9}, u64{0})}});
  CHECK(values_of(schema, first + gap)["error"].find("elements of a list from index 9") != std::string::npos);
}

TEST_CASE("a map loses removed keys, gets new ones, and may begin anew") {
  const state_schema schema{"s", "map", "map<string, u64>", true};
  const auto entry = [](const std::string& key, u64 value) { return joined(noon, key, value); };
  const std::string at = "\"2023-11-15T12:00:00.000Z\"";
  const bytes first = section({"a"}, {{joined(yes, u64{0}, u64{2}) + entry("x", 1) + entry("y", 2)}});
  CHECK(values_of(schema, first) == values{{"\"a\"", "{\"x\":1,\"y\":2} {\"x\":" + at + ",\"y\":" + at + "}"}});
  const bytes changed =
      section({"a"}, {{joined(no, u64{2}, std::string("x"), std::string("?"), u64{2}) + entry("y", 5) + entry("z", 6)}});
  CHECK(values_of(schema, first + changed)["\"a\""].starts_with("{\"y\":5,\"z\":6} "));
  const bytes anew = section({"a"}, {{joined(yes, u64{0}, u64{1}) + entry("n", 1)}});
  CHECK(values_of(schema, first + changed + anew)["\"a\""].starts_with("{\"n\":1} "));
  CHECK(values_of(schema, first + section({"a"}, {{joined(yes, u64{0}, u64{0})}})).empty());
}

TEST_CASE("timers and the operators' own rows are decoded") {
  CHECK(values_of({"weir.timers", "timers", "list<{i64, u8}>", false},
                  section({"a"}, {{joined(u64{2}, noon, no, noon + 1, yes)}})) ==
        values{{"\"a\"", "[{\"time\":\"2023-11-15T12:00:00.000Z\",\"domain\":\"event\"},"
                         "{\"time\":\"2023-11-15T12:00:00.001Z\",\"domain\":\"processing\"}]"}});
  CHECK(values_of({"accumulator", "count", "u64", false}, section({"a"}, {{joined(u64{7})}})) ==
        values{{"\"a\"", "7"}});
  // An accumulator that says when it is empty has a flag before it.
  CHECK(values_of({"accumulator", "aggregate", "string", false},
                  section({"a", "b"}, {{joined(yes, std::string("x")), joined(no)}})) == values{{"\"a\"", "\"x\""}});
  CHECK(values_of({"accumulator", "windows of 5 ms every 5 ms from 0", "{u64, bool, u32}", false},
                  section({"a", "b"}, {{joined(yes, u64{7}, true, std::uint32_t{0}), joined(no)}})) ==
        values{{"\"a\"", "{\"content\":7,\"has_content\":true,\"panes\":0}"}});
}

TEST_CASE("one of several states is read without the others") {
  const std::vector<state_schema> states{{"first", "value", "a::type of its own", false}, {"second", "value", "u64", false}};
  const auto layout = stored_layout::make("string", states, "second");
  REQUIRE(layout);
  const auto rows = stored_rows::read(*layout, section({"a"}, {{bytes("whatever")}, {joined(yes, u64{5})}}));
  REQUIRE(rows);
  CHECK(rows->value_text(*rows->find("\"a\""), 1) == "5");
  const auto all = stored_layout::make("string", states);
  REQUIRE(all);
  const auto failed = stored_rows::read(*all, section({"a"}, {{bytes("\x01whatever")}, {joined(yes, u64{5})}}));
  REQUIRE_FALSE(failed);
  CHECK(failed.failure().message.find("a::type of its own has no description") != std::string::npos);
}

TEST_CASE("what does not decode by its schema is an error that names the state") {
  const state_schema schema{"s", "value", "u64", false};
  for (const bytes& data :
       {section({"a"}, {{joined(yes)}}), section({"a"}, {{joined(yes, u64{1}, u64{2})}}), bytes("x"),
        section({"a"}, {{joined(std::uint8_t{2}, u64{1})}}), section({"a"}, {{joined(yes, u64{1})}}).substr(0, 20)})
    CHECK(values_of(schema, data)["error"].find("decode by") != std::string::npos);
  for (const state_schema& unknown : {state_schema{"s", "heap", "u64", false}, {"s", "map", "u64", false},
                                      {"s", "value", "list<", false}}) {
    const auto layout = stored_layout::make("string", {unknown});
    REQUIRE_FALSE(layout);
    CHECK(layout.failure().code == errc::wrong_version);
    CHECK(layout.failure().message.find("\"s\"") != std::string::npos);
  }
}
