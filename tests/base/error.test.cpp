#include <weir/base/error.hpp>

#include <cerrno>
#include <memory>

#include <doctest/doctest.h>

using namespace weir;

namespace {

// Not inlined: GCC 12 warns of the alternative that is not there where it sees through everything.
[[gnu::noinline]] result<std::unique_ptr<int>> half_of(int number) {
  if (number % 2 != 0)
    return error{errc::invalid_input, "expected an even number"};
  return std::make_unique<int>(number / 2);
}

} // namespace

TEST_CASE("a result holds a value or the error in its place") {
  result<std::unique_ptr<int>> good = half_of(6);
  REQUIRE(good);
  CHECK(**good == 3);
  const std::unique_ptr<int> moved = *std::move(good);
  CHECK(*moved == 3);
  const result<std::unique_ptr<int>> bad = half_of(5);
  CHECK_FALSE(bad);
  CHECK(bad.failure().code == errc::invalid_input);
  CHECK_THROWS_AS((void)bad.value(), std::bad_variant_access);
}

TEST_CASE("a status is success unless it holds an error") {
  CHECK(status{});
  const status failed = error{errc::in_use, "taken"};
  REQUIRE_FALSE(failed);
  CHECK(failed.failure().message == "taken");
}

TEST_CASE("context goes before the message and keeps the kind") {
  const error cause = in_context("checkpoint.mdb", {errc::corrupt, "wrong checksum"});
  CHECK(cause.code == errc::corrupt);
  CHECK(cause.message == "checkpoint.mdb: wrong checksum");
}

TEST_CASE("an errno becomes text with its number") {
  CHECK(errno_text(ENOSPC) == "No space left on device (errno 28)");
}
