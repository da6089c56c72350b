#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/actors/batch_codec.hpp>

using namespace weir;

namespace {

struct reading {
  std::uint32_t sensor = 0;
  double value = 0;
  bool operator==(const reading&) const = default;
};

template <class T>
struct rows {
  std::vector<T> records;
  std::vector<std::int64_t> times;
  std::vector<std::uint64_t> hashes;
  bool operator==(const rows&) const = default;
};

template <class T>
rows<T> rows_of(batch_base& from) {
  auto& typed = static_cast<batch<T>&>(from);
  rows<T> all;
  all.records.assign(typed.begin(), typed.end());
  for (std::uint32_t i = 0; from.times() && i < from.size(); ++i)
    all.times.push_back(from.times()[i].time_since_epoch().count());
  for (std::uint32_t i = 0; from.hashes() && i < from.size(); ++i)
    all.hashes.push_back(from.hashes()[i]);
  return all;
}

template <class T>
batch_ptr make(const rows<T>& from) {
  const auto size = static_cast<std::uint32_t>(from.records.size());
  auto* const made = new batch<T>(size + 3);
  batch_ptr owned(made);
  made->resize(size);
  std::copy(from.records.begin(), from.records.end(), made->begin());
  if (!from.times.empty())
    for (std::uint32_t i = 0; i < size; ++i)
      made->enable_times(true)[i] = event_time{std::chrono::milliseconds{from.times[i]}};
  if (!from.hashes.empty())
    std::copy(from.hashes.begin(), from.hashes.end(), made->enable_hashes());
  return owned;
}

template <class T>
bytes written(const rows<T>& from) {
  byte_writer out;
  const batch_ptr made = make(from);
  batch_codec_of<T>()->write(out, *made);
  CHECK(rows_of<T>(*made) == from); // it is left as it was
  return std::move(out).take();
}

template <class T>
void check_round_trip(const rows<T>& from) {
  const bytes data = written(from);
  byte_reader in(data);
  const batch_ptr read = batch_codec_of<T>()->read(in);
  CHECK(in.at_end());
  CHECK(rows_of<T>(*read) == from);
}

struct unstorable {
  std::shared_ptr<int> shared;
};

} // namespace

TEST_CASE("a batch is read as it was written, with its columns or without") {
  check_round_trip<reading>({{{1, 0.5}, {2, -1}}, {}, {}});
  check_round_trip<reading>({{{1, 0.5}, {2, -1}}, {10, -20}, {}});
  check_round_trip<std::string>({{"a", "", std::string(1000, 'x')}, {1, 2, 3}, {7, 8, ~0ULL}});
  check_round_trip<bool>({{true, false, true}, {}, {1, 2, 3}});
  check_round_trip<reading>({});
  CHECK(batch_codec_of<reading>()->type() == schema_of<reading>());
}

TEST_CASE("there is no codec for records that cannot be stored") {
  CHECK(batch_codec_of<unstorable>() == nullptr);
}

TEST_CASE("a batch that is cut off or says what cannot be is malformed, and takes no memory for it") {
  const bytes whole = written<std::string>({{"some", "records"}, {1, 2}, {3, 4}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    byte_reader in(std::string_view(whole).substr(0, size));
    CHECK_THROWS_AS(batch_codec_of<std::string>()->read(in), malformed_bytes);
  }
  bytes many = whole;
  many[3] = '\x7f'; // two billion records
  byte_reader in(many);
  CHECK_THROWS_AS(batch_codec_of<std::string>()->read(in), malformed_bytes);
  bytes columns = whole;
  columns[4] = 9;
  byte_reader other(columns);
  CHECK_THROWS_AS(batch_codec_of<std::string>()->read(other), malformed_bytes);
}

TEST_CASE("a batch is divided with its columns, each part in the order of the whole") {
  const batch_ptr whole = make<std::string>({{"a", "b", "c", "d"}, {1, 2, 3, 4}, {11, 12, 13, 14}});
  const auto parts = batch_codec_of<std::string>()->divide(*whole, {2, 0, 2, 0}, 3);
  REQUIRE(parts.size() == 3);
  CHECK(rows_of<std::string>(*parts[0]) == rows<std::string>{{"b", "d"}, {2, 4}, {12, 14}});
  CHECK(!parts[1]);
  CHECK(rows_of<std::string>(*parts[2]) == rows<std::string>{{"a", "c"}, {1, 3}, {11, 13}});
}
