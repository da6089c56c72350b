#include <weir/actors/sources/collection.hpp>

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "source_run.hpp"

using namespace weir;
using weir::testing::read_with_restarts;
using weir::testing::source_run;

TEST_CASE("a collection emits its records in order") {
  const collection words(std::vector<std::string>{"to", "be", "or", "not"});
  static_assert(source<collection<std::string>>);
  source_run one(words, *words.splits(1));
  CHECK(one.run() == std::vector<std::string>{"to", "be", "or", "not"});
}

TEST_CASE("a collection divides its records among the instances by index") {
  const collection numbers(std::vector<int>{0, 1, 2, 3, 4});
  const auto splits = *numbers.splits(2);
  REQUIRE(splits.size() == 2);
  CHECK(source_run(numbers, {splits[0]}, 0, 2).run() == std::vector<int>{0, 2, 4});
  CHECK(source_run(numbers, {splits[1]}, 1, 2).run() == std::vector<int>{1, 3});
}

TEST_CASE("an empty collection ends at once") {
  const collection none(std::vector<int>{});
  CHECK(none.splits(3)->empty());
  CHECK(source_run(none, {}).run().empty());
}

TEST_CASE("every record of a collection is emitted once, whatever the restarts") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> expected(random() % 5'000);
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] = std::to_string(random());
    auto records = read_with_restarts(collection(expected), random);
    std::sort(expected.begin(), expected.end());
    std::sort(records.begin(), records.end());
    REQUIRE(records == expected);
  }
}

TEST_CASE("a checkpoint of a collection of another size is refused") {
  const collection numbers(std::vector<int>{0, 1, 2, 3, 4});
  CHECK_THROWS_WITH(source_run(numbers, {index_range{3, 1, 9}}),
                    "the checkpoint was taken with a collection of 9 records, and it has 5 now: "
                    "start with the same collection, or without checkpoints");
}
