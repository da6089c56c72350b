#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/list_state.hpp>
#include <weir/state/map_state.hpp>
#include <weir/state/value_state.hpp>

using namespace weir;
using namespace std::chrono_literals;

namespace {

operator_snapshot stored_with(std::vector<state_schema> states) {
  operator_snapshot stored;
  stored.key_type = "string";
  stored.key_groups.emplace_back().data = "x";
  stored.keyed_states = std::move(states);
  return stored;
}

bool has(const status& checked, const std::string& text) {
  return !checked && checked.failure().code == errc::state_mismatch &&
         checked.failure().message.find(text) != std::string::npos;
}

} // namespace

TEST_CASE("a state of another type in the checkpoint is an error that shows both types") {
  const std::vector<row_column> declared{value_of<std::int64_t>("city").column()};
  const status checked =
      check_keyed_schema(stored_with({{"city", "value", "i32", false}}), "string", declared, true);
  CHECK(has(checked, "'city'"));
  CHECK(has(checked, "i32"));
  CHECK(has(checked, "i64"));
}

TEST_CASE("a registered migration from the stored type is no error, for values, elements and map values") {
  const auto migrate = [](std::int32_t old) { return std::to_string(old); };
  const std::vector<row_column> declared{value_of<std::string>("value", migrate).column(),
                                         list_of<std::string>("list", migrate).column(),
                                         map_of<bool, std::string>("map", migrate).column()};
  const operator_snapshot stored = stored_with({{"value", "value", "i32", false},
                                                {"list", "list", "list<i32>", false},
                                                {"map", "map", "map<bool, i32>", false}});
  CHECK(check_keyed_schema(stored, "string", declared, false));
}

TEST_CASE("a time to live that was switched on or off is an error that names the state") {
  const std::vector<row_column> with{value_of<int>("city", time_to_live{.after = 1h}).column()};
  const std::vector<row_column> without{value_of<int>("city").column()};
  CHECK(has(check_keyed_schema(stored_with({{"city", "value", "i32", false}}), "string", with, true),
            "'city' has a time to live now, and had none"));
  CHECK(has(check_keyed_schema(stored_with({{"city", "value", "i32", true}}), "string", without, true),
            "'city' has no time to live now, and had one"));
  CHECK(check_keyed_schema(stored_with({{"city", "value", "i32", true}}), "string", with, false));
}

TEST_CASE("a state of another kind, keys of another type, and a state that is gone are errors") {
  const std::vector<row_column> declared{value_of<int>("city").column()};
  CHECK(has(check_keyed_schema(stored_with({{"city", "list", "list<i32>", false}}), "string", declared, true),
            "is declared as value of type i32, and the checkpoint holds it as list of type list<i32>"));
  CHECK(has(check_keyed_schema(stored_with({}), "u64", declared, true), "keys of type string"));
  const operator_snapshot more = stored_with({{"old", "value", "i32", false}});
  CHECK(has(check_keyed_schema(more, "string", declared, false), "checkpoint.allow-dropped-state"));
  CHECK(check_keyed_schema(more, "string", declared, true));
}

TEST_CASE("a migration that makes another type than the state has is refused by name") {
  const auto widens = [](std::int32_t old) { return old; };
  CHECK_THROWS_WITH_AS(value_of<std::int64_t>("city", widens).column(), doctest::Contains("'city'"),
                       std::invalid_argument);
  CHECK_THROWS_AS((map_of<bool, std::string>("map", widens).column()), std::invalid_argument);
}
