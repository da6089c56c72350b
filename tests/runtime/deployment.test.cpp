#include <doctest/doctest.h>

#include <string>

#include <weir/runtime/deployment.hpp>

using namespace weir;

TEST_CASE("names of runs sort by their attempts, and are all different") {
  const std::string ninth = make_run_name(epoch{9}), tenth = make_run_name(epoch{10}), again = make_run_name(epoch{10});
  CHECK(ninth < tenth);
  CHECK(tenth != again);
  CHECK(ninth.size() == 32);
  CHECK(tenth.substr(0, 16) == "000000000000000a");
}
