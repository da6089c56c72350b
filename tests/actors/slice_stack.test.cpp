#include <algorithm>
#include <cstdint>
#include <map>
#include <random>

#include <doctest/doctest.h>

#include <weir/actors/operators/slice_stack.hpp>

using namespace weir;

namespace {

/// The largest number: merging cannot be taken back.
struct largest {
  using row = int;
  static constexpr bool merges = true;
  void add(row& so_far, int in, bool is_first) const { so_far = is_first ? in : std::max(so_far, in); }
  void merge(row& so_far, row other) const {
    so_far = std::max(so_far, other);
    ++times;
  }
  mutable std::uint64_t times = 0;
};

} // namespace

TEST_CASE("the slices of a stack together are what they are one by one, with late records and gaps") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    slice_stack<largest> stack;
    largest fold;
    std::map<std::int64_t, int> model;
    std::int64_t first = 0, next = 0;
    for (int step = 0; step < 500; ++step) {
      const int value = static_cast<int>(random() % 1000);
      if (const auto what = random() % 10; what < 5) {
        next += 1 + static_cast<std::int64_t>(random() % 3);
        stack.push(fold, next, value);
        model[next] = value;
      } else if (what < 8) {
        const std::int64_t start = first + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(next - first + 1));
        stack.add(fold, start, value);
        const auto [found, added] = model.try_emplace(start, value);
        if (!added)
          found->second = std::max(found->second, value);
        next = std::max(next, start);
      } else {
        first = std::min(next, first + static_cast<std::int64_t>(random() % 6));
        stack.drop_before(fold, first);
        model.erase(model.begin(), model.lower_bound(first));
      }
      REQUIRE(stack.is_empty() == model.empty());
      int expected = -1;
      for (const auto& [start, one] : model)
        expected = std::max(expected, one);
      if (!model.empty())
        REQUIRE(stack.total(fold) == expected);
    }
  }
}

TEST_CASE("a slice is merged three times in all, however many there are") {
  for (const std::int64_t size : {10, 1000}) {
    slice_stack<largest> stack;
    largest fold;
    constexpr std::int64_t slices = 20'000;
    for (std::int64_t at = 0; at < slices; ++at) {
      stack.push(fold, at, 1);
      stack.drop_before(fold, at - size + 1);
      CHECK(stack.total(fold) == 1);
    }
    CHECK(fold.times <= 3 * slices);
  }
}
