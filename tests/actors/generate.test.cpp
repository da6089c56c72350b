#include <weir/actors/sources/generate.hpp>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>

#include <doctest/doctest.h>

#include "source_run.hpp"

using namespace std::chrono_literals;
using namespace weir;
using weir::testing::read_with_restarts;
using weir::testing::source_run;

namespace {

struct reading {
  std::uint64_t key, value;
};

const auto square = [](std::uint64_t i) { return i * i; };

} // namespace

TEST_CASE("a generator takes its record type from its function") {
  const auto in_place = [](std::uint64_t i, reading& out) { out = {i, i}; };
  const auto text = [](std::uint64_t i) noexcept { return std::to_string(i); };
  static_assert(source<decltype(generate(square))>);
  static_assert(std::is_same_v<decltype(generate(square, 5))::output, std::uint64_t>);
  static_assert(std::is_same_v<decltype(generate(in_place, 5))::output, reading>);
  static_assert(std::is_same_v<decltype(generate(text, 5))::output, std::string>);
  static_assert(!generator_function<decltype([](std::string) { return 1; })>);
}

TEST_CASE("instance s of p makes the records with i % p == s, in order") {
  const generate numbers([](std::uint64_t i) { return i; }, 10'000);
  const auto splits = *numbers.splits(3);
  REQUIRE(splits.size() == 3);
  for (std::uint32_t s = 0; s < 3; ++s) {
    source_run one(numbers, {splits[s]}, s, 3);
    const auto& records = one.run();
    REQUIRE(records.size() == (s == 0 ? 3334 : 3333));
    for (std::size_t i = 0; i < records.size(); ++i)
      REQUIRE(records[i] == s + 3 * i);
    CHECK(one.snapshot().empty());
  }
}

TEST_CASE("a turn makes about one batch") {
  const generate squares(square);
  source_run one(squares, *squares.splits(1));
  CHECK(one.poll().what == source_turn::outcome::more);
  CHECK(one.records().size() == 1024);
  const generate texts([](std::uint64_t, std::string& out) { out = "x"; });
  source_run strings(texts, *texts.splits(1));
  strings.poll();
  CHECK(strings.records().size() == 768);
}

TEST_CASE("there are no splits for instances that would have nothing to make") {
  CHECK(generate(square, 2).splits(5)->size() == 2);
  CHECK(generate(square, 0).splits(5)->empty());
  source_run none(generate(square, 0), {});
  CHECK(none.run().empty());
}

TEST_CASE("an instance with several sequences makes all of them") {
  const generate numbers([](std::uint64_t i) { return i; }, 5'000);
  source_run one(numbers, *numbers.splits(4));
  auto records = one.run();
  std::sort(records.begin(), records.end());
  std::vector<std::uint64_t> expected(5'000);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(records == expected);
}

TEST_CASE("an option given later sets the count") {
  option<std::uint64_t> count(10);
  const generate numbers(square, count);
  count.assign(7);
  source_run one(numbers, *numbers.splits(1));
  CHECK(one.run().size() == 7);
}

TEST_CASE("sequences end exactly at the largest number") {
  const index_range last{unlimited - 5, 3, unlimited};
  CHECK(last.left() == 2);
  source_run one(generate([](std::uint64_t i) { return i; }), {last});
  CHECK(one.run() == std::vector<std::uint64_t>{unlimited - 5, unlimited - 2});
}

TEST_CASE("every record is made once, whatever the restarts and parallelisms") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    const std::uint64_t count = random() % 20'000;
    auto records = read_with_restarts(generate([](std::uint64_t i) { return i; }, count), random);
    std::sort(records.begin(), records.end());
    std::vector<std::uint64_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    REQUIRE(records == expected);
  }
}

TEST_CASE("a rate paces the records") {
  const generate numbers(square, 200, {.rate = 10'000});
  const auto start = std::chrono::steady_clock::now(); // the source's own start is later
  source_run one(numbers, *numbers.splits(1));
  const source_turn first = one.poll();
  CHECK(first.what == source_turn::outcome::idle);
  CHECK(first.wait >= 50us);
  CHECK(first.wait <= 1s);
  CHECK(one.records().size() < 200);
  one.run();
  CHECK(std::chrono::steady_clock::now() - start >= 19'900us);
  CHECK(one.records().size() == 200);
}

TEST_CASE("a rate goes on from where the last run was, without catching up") {
  const generate numbers(square, 100'000, {.rate = 1'000});
  source_run one(numbers, {index_range{50'001, 2, 100'000}});
  one.poll();
  one.poll();
  CHECK(one.records().size() < 100);
}

TEST_CASE("a rate below zero is refused") {
  const auto splits = generate(square, 10, {.rate = -1}).splits(1);
  REQUIRE(!splits);
  CHECK(splits.failure().code == errc::invalid_setting);
}
