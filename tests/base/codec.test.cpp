#include <weir/base/codec.hpp>

#include <map>
#include <optional>
#include <random>
#include <variant>

#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <doctest/doctest.h>

using namespace weir;

namespace {

struct point {
  std::int32_t x = 0;
  double y = 0;
  bool operator==(const point&) const = default;
};

struct order {
  std::string customer;
  std::vector<std::uint64_t> amounts;
  std::map<std::string, std::vector<std::string>> notes;
  std::optional<std::string> coupon;
  std::variant<std::int32_t, std::string> reference;
  bool paid = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(customer, amounts, notes, cereal::make_nvp("coupon", coupon), reference, paid);
  }
  bool operator==(const order&) const = default;
};

order an_order() {
  return {"Ada", {1, 2, 3}, {{"gift", {"red", ""}}, {"", {}}}, "SPRING", std::string{"x1"}, true};
}

template <class T>
bool survives(std::string_view data) {
  try {
    (void)decoded<T>(data);
    return true;
  } catch (const malformed_bytes&) {
    return true;
  }
}

template <class T>
void check_every_truncation(const bytes& whole) {
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS((void)decoded<T>(std::string_view{whole}.substr(0, size)), malformed_bytes);
  }
}

} // namespace

static_assert(storable<int> && storable<point> && storable<std::string> && storable<order>);
static_assert(storable<std::vector<order>>);
static_assert(!storable<int*> && !storable<std::string_view>);

TEST_CASE("what is encoded decodes to the same value") {
  CHECK(decoded<std::int64_t>(encoded(std::int64_t{-7})) == -7);
  CHECK(decoded<bool>(encoded(true)));
  CHECK(decoded<point>(encoded(point{3, 0.5})) == point{3, 0.5});
  CHECK(decoded<std::string>(encoded(std::string{"a\0b", 3})) == std::string("a\0b", 3));
  CHECK(decoded<std::string>(encoded(std::string{})).empty());
  CHECK(decoded<order>(encoded(an_order())) == an_order());
  CHECK(decoded<order>(encoded(order{})) == order{});
  const std::unordered_map<std::string, double> prices{{"tea", 2.5}, {"milk", 1.25}};
  CHECK(decoded<std::unordered_map<std::string, double>>(encoded(prices)) == prices);
  CHECK(decoded<std::vector<order>>(encoded(std::vector{an_order(), order{}})).size() == 2);
}

TEST_CASE("a string and a flat value have the documented form") {
  CHECK(encoded(std::string{"hi"}) == std::string("\x02\0\0\0\0\0\0\0hi", 10));
  CHECK(encoded(std::uint32_t{0x01020304}) == std::string("\x04\x03\x02\x01", 4));
}

TEST_CASE("values follow each other without a gap") {
  byte_writer out;
  encode(out, std::string{"first"});
  encode(out, std::uint16_t{2});
  encode(out, an_order());
  byte_reader in(out.view());
  std::string text;
  std::uint16_t number = 0;
  order last;
  decode(in, text);
  decode(in, number);
  decode(in, last);
  CHECK(text == "first");
  CHECK(number == 2);
  CHECK(last == an_order());
  CHECK(in.at_end());
}

TEST_CASE("data that ends early is malformed wherever it ends") {
  check_every_truncation<std::int64_t>(encoded(std::int64_t{1}));
  check_every_truncation<std::string>(encoded(std::string{"hello"}));
  check_every_truncation<order>(encoded(an_order()));
  check_every_truncation<std::vector<order>>(encoded(std::vector{an_order(), an_order()}));
}

TEST_CASE("data that goes on after the value is malformed") {
  CHECK_THROWS_WITH_AS((void)decoded<std::int32_t>("12345"), "1 bytes left over after the value",
                       malformed_bytes);
}

TEST_CASE("a length beyond the end is refused before memory is asked for") {
  const std::string huge(8, '\xff');
  CHECK_THROWS_AS((void)decoded<std::string>(huge), malformed_bytes);
  CHECK_THROWS_AS((void)decoded<std::vector<std::uint64_t>>(huge), malformed_bytes);
  CHECK_THROWS_AS((void)decoded<std::vector<order>>(huge), malformed_bytes);
}

TEST_CASE("a truth value that is neither is malformed") {
  CHECK_THROWS_AS((void)decoded<bool>("\x02"), malformed_bytes);
  CHECK_THROWS_AS((void)decoded<std::vector<bool>>(std::string("\x01\0\0\0\0\0\0\0\x02", 9)),
                  malformed_bytes);
}

TEST_CASE("a choice that does not exist is malformed") {
  using choice = std::variant<std::int32_t, std::string>;
  bytes data = encoded(choice{1});
  data[0] = 9;
  CHECK_THROWS_AS((void)decoded<choice>(data), malformed_bytes);
}

TEST_CASE("random damage is malformed or another value, never a crash") {
  const bytes whole = encoded(std::vector{an_order(), order{}, an_order()});
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    bytes damaged = whole.substr(0, random() % (whole.size() + 1));
    for (std::uint32_t hits = random() % 4; hits > 0 && !damaged.empty(); --hits)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    REQUIRE(survives<std::vector<order>>(damaged));
  }
}
