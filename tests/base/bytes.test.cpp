#include <weir/base/bytes.hpp>

#include <doctest/doctest.h>

using namespace weir;

TEST_CASE("a reader gives back what a writer wrote, in order") {
  byte_writer out;
  out.write_raw(std::uint32_t{7});
  out.write_text("hello");
  out.write("xy", 2);
  out.write_text("");
  byte_reader in(out.view());
  CHECK(in.read_raw<std::uint32_t>() == 7);
  CHECK(in.read_text() == "hello");
  CHECK(in.read_view(2) == "xy");
  CHECK(in.read_text().empty());
  CHECK(in.at_end());
}

TEST_CASE("a count that is known late is patched in") {
  byte_writer out;
  const std::size_t position = out.size();
  out.write_raw(std::uint64_t{0});
  out.write_raw('a');
  out.patch_raw(position, std::uint64_t{1});
  CHECK(out.size() == 9);
  const bytes data = std::move(out).take();
  CHECK(byte_reader(data).read_raw<std::uint64_t>() == 1);
  CHECK(data.back() == 'a');
}

TEST_CASE("a reader never reads past the end and says how much was missing") {
  byte_reader in("abc");
  CHECK_THROWS_WITH_AS((void)in.read_raw<std::uint32_t>(), "expected 4 more bytes, found 3",
                       malformed_bytes);
  CHECK(in.remaining() == 3);
  CHECK(in.read_view(3) == "abc");
  CHECK_THROWS_AS((void)in.read_view(1), malformed_bytes);
  CHECK(in.read_view(0).empty());
  in.read(nullptr, 0);
}

TEST_CASE("a length longer than what is left is malformed") {
  byte_writer out;
  out.write_raw(std::uint64_t{4});
  out.write("abc", 3);
  byte_reader in(out.view());
  CHECK_THROWS_WITH_AS((void)in.read_text(), "a length of 4 with only 3 bytes left",
                       malformed_bytes);
}

TEST_CASE("a truth value is one byte, 0 or 1") {
  byte_reader in(std::string_view("\0\1\2", 3));
  CHECK_FALSE(in.read_truth());
  CHECK(in.read_truth());
  CHECK_THROWS_AS((void)in.read_truth(), malformed_bytes);
}
