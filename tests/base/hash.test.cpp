#include <weir/base/hash.hpp>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace weir;

namespace {

enum class colour : std::uint8_t { red = 1, green = 2 };

struct point {
  std::int32_t x, y;
};

struct city {
  std::string name;
};

} // namespace

template <>
struct std::hash<city> {
  std::size_t operator()(const city& c) const noexcept { return c.name.size(); }
};

TEST_CASE("every key group belongs to exactly one instance") {
  for (const std::uint32_t groups : {1u, 2u, 3u, 7u, 64u, 100u, 128u, 255u}) {
    for (std::uint32_t parallelism = 1; parallelism <= groups; ++parallelism) {
      CAPTURE(groups);
      CAPTURE(parallelism);
      std::vector<std::uint32_t> owners(groups, 0);
      for (std::uint32_t instance = 0; instance < parallelism; ++instance) {
        const key_group_range range = groups_of(instance, parallelism, groups);
        REQUIRE(range.first < range.last);
        REQUIRE(range.last <= groups);
        for (std::uint32_t group = range.first; group < range.last; ++group) {
          ++owners[group];
          REQUIRE(instance_of(key_group{group}, parallelism, groups) == instance);
          REQUIRE(range.contains(key_group{group}));
        }
      }
      REQUIRE(owners == std::vector<std::uint32_t>(groups, 1));
    }
  }
}

TEST_CASE("key groups are dealt out evenly") {
  for (std::uint32_t parallelism = 1; parallelism <= 128; ++parallelism)
    for (std::uint32_t instance = 0; instance < parallelism; ++instance) {
      const std::uint32_t size = groups_of(instance, parallelism, 128).size();
      REQUIRE(size >= 128 / parallelism);
      REQUIRE(size <= (128 + parallelism - 1) / parallelism);
    }
}

TEST_CASE("the key groups of the largest job still fit") {
  constexpr std::uint32_t groups = 65'536;
  CHECK(groups_of(groups - 1, groups, groups).first == groups - 1);
  CHECK(groups_of(groups - 1, groups, groups).last == groups);
  CHECK(instance_of(key_group{groups - 1}, groups, groups) == groups - 1);
}

TEST_CASE("a hash lies in a group of the job") {
  std::mt19937_64 random(11);
  for (const std::uint32_t groups : {1u, 3u, 128u, 65'536u}) {
    REQUIRE(key_group_of(0, groups).value == 0);
    REQUIRE(key_group_of(~std::uint64_t{0}, groups).value == groups - 1);
    for (int i = 0; i < 1'000; ++i)
      REQUIRE(key_group_of(random(), groups).value < groups);
  }
}

TEST_CASE("keys that follow each other spread evenly over the groups") {
  constexpr std::uint32_t groups = 128;
  constexpr int per_group = 1'000;
  std::array<int, groups> numbers{};
  std::array<int, groups> texts{};
  for (int i = 0; i < static_cast<int>(groups) * per_group; ++i) {
    ++numbers[key_group_of(hash_of(i), groups).value];
    ++texts[key_group_of(hash_of("user-" + std::to_string(i)), groups).value];
  }
  const double six_sigma = 6 * std::sqrt(per_group);
  for (std::uint32_t group = 0; group < groups; ++group) {
    CHECK(std::abs(numbers[group] - per_group) < six_sigma);
    CHECK(std::abs(texts[group] - per_group) < six_sigma);
  }
}

TEST_CASE("a key hashes the same in every build because the hash is part of the stored format") {
  CHECK(hash_bytes("", 0) == 0x2D06800538D394C2);
  CHECK(hash_of(std::string{"weir"}) == hash_bytes("weir", 4));
  CHECK(mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF);
  CHECK(hash_of(std::uint64_t{0}) == 0xE220A8397B1DCDAF);
}

TEST_CASE("the same key in another type of text or integer hashes the same") {
  CHECK(hash_of(std::string{"abc"}) == hash_of(std::string_view{"abc"}));
  CHECK(hash_of("abc") == hash_of(std::string{"abc"}));
  CHECK(hash_of(std::int32_t{-5}) == hash_of(std::int64_t{-5}));
  CHECK(hash_of(colour::green) == hash_of(2));
}

TEST_CASE("every part of a composed key counts, and so does its order") {
  CHECK(hash_of(std::pair{1, 2}) != hash_of(std::pair{2, 1}));
  CHECK(hash_of(std::pair{1, 2}) == hash_of(std::tuple{1, 2}));
  CHECK(hash_of(std::tuple{std::string{"a"}, 1}) != hash_of(std::tuple{std::string{"a"}, 2}));
  CHECK(hash_of(point{1, 2}) != hash_of(point{2, 1}));
  CHECK(hash_of(city{"Rome"}) == hash_of(city{"Oslo"}));
  CHECK(hash_of(city{"Rome"}) != hash_of(city{"Paris"}));
}
