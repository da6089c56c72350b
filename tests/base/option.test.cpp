#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <weir/base/option.hpp>

using weir::option;
using weir::parameter;

TEST_CASE("a parameter shows a value, or an option whose value comes later") {
  CHECK(*parameter<std::string>{"text"} == "text");
  option<int> later{1};
  const parameter<int> shown{later};
  later.assign(7);
  CHECK(*shown == 7);
}

TEST_CASE("a parameter takes integers of other types, and refuses those it cannot hold") {
  CHECK(*parameter<std::uint16_t>{65535} == 65535);
  CHECK(*parameter<std::int8_t>{-128L} == -128);
  CHECK(*parameter<bool>{true});
  CHECK_THROWS_AS(parameter<std::uint16_t>{65536}, std::out_of_range);
  CHECK_THROWS_AS(parameter<std::uint16_t>{-1}, std::out_of_range);
  CHECK_THROWS_AS(parameter<std::uint64_t>{-1}, std::out_of_range);
  CHECK_THROWS_AS(parameter<std::int32_t>{std::numeric_limits<std::uint32_t>::max()}, std::out_of_range);
}
