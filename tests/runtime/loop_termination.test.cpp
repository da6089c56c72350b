#include <doctest/doctest.h>

#include <weir/runtime/loop_termination.hpp>

using weir::loop_termination;
using step = loop_termination::step;

TEST_CASE("probes are sent when the input of all that a loop begins with has ended") {
  loop_termination loop(2);
  CHECK(loop.entry_ended(1) == step::none);
  CHECK(loop.entry_ended(1) == step::none);
  CHECK(loop.entry_ended(0) == step::probe);
  CHECK(loop.round() == 1);
}

TEST_CASE("there is another round as long as anything has come back anywhere") {
  loop_termination loop(2);
  loop.entry_ended(0);
  loop.entry_ended(1);
  CHECK(loop.probed(0, 1, true) == step::none);
  CHECK(loop.probed(1, 1, false) == step::probe);
  CHECK(loop.round() == 2);
  CHECK(loop.probed(1, 2, false) == step::none);
  CHECK(loop.probed(0, 2, true) == step::probe);
  CHECK(loop.round() == 3);
}

TEST_CASE("after a quiet round the last watermark passes, until it makes nothing go round: the loop is closed") {
  loop_termination loop(2);
  loop.entry_ended(0);
  loop.entry_ended(1);
  loop.probed(0, 1, true);
  CHECK(loop.probed(1, 1, true) == step::pass_watermark);
  CHECK(loop.round() == 2);
  loop.probed(0, 2, true);
  CHECK(loop.probed(1, 2, false) == step::probe); // it has made something go round
  loop.probed(0, 3, true);
  CHECK(loop.probed(1, 3, true) == step::pass_watermark);
  loop.probed(0, 4, true);
  CHECK(loop.probed(1, 4, true) == step::close);
}

TEST_CASE("what is said of another round counts for nothing") {
  loop_termination loop(1);
  loop.entry_ended(0);
  CHECK(loop.probed(0, 7, true) == step::none);
  CHECK(loop.probed(0, 1, true) == step::pass_watermark);
  CHECK(loop.probed(0, 1, true) == step::none);
}
