#include <doctest/doctest.h>

#include <weir/state/running_average.hpp>

using namespace weir;

TEST_CASE("a running average weighs what it is told by how many that are, and follows a change") {
  running_average average;
  CHECK_FALSE(average.is_known());
  CHECK(average.value() == 0);
  average.add(1000, 100'000);
  average.add(10, 100'000); // a few that are large
  CHECK(average.is_known());
  CHECK(average.value() == 198);
  for (int n = 0; n < 200; ++n)
    average.add(1000, 10'000);
  CHECK(average.value() == 10);
}
