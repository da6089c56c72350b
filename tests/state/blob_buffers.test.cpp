#include <doctest/doctest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weir/state/blob_buffers.hpp>

using namespace weir;

namespace {

constexpr std::size_t size = 10'000;

/// Gives a buffer back, and returns where it is.
const void* give_back_one(blob_buffers& to, std::size_t room) {
  bytes one = to.take(room);
  one.assign(room, 'x');
  const void* const place = one.data();
  to.give_back(std::move(one));
  return place;
}

operator_snapshot snapshot_of(bytes data) {
  operator_snapshot made;
  made.key_groups.emplace_back().data = std::move(data);
  return made;
}

} // namespace

TEST_CASE("a buffer that was given back is taken again, and is empty") {
  blob_buffers buffers;
  const void* const place = give_back_one(buffers, size);
  CHECK(buffers.held() >= size);
  const bytes again = buffers.take(size + 100); // a little more
  CHECK(again.data() == place);
  CHECK(again.empty());
  CHECK(again.capacity() >= size + 100);
  CHECK(buffers.held() == 0);
}

TEST_CASE("a buffer that has too little room, or far too much, is not taken") {
  for (const std::size_t wanted : {2 * size, size / 3}) {
    blob_buffers buffers;
    give_back_one(buffers, size);
    const std::size_t held = buffers.held();
    CHECK(buffers.take(wanted).capacity() >= wanted);
    CHECK(buffers.held() == held);
  }
}

TEST_CASE("what two snapshots in a row had no use for is let go") {
  blob_buffers buffers;
  buffers.next_snapshot();
  give_back_one(buffers, size);
  buffers.next_snapshot();
  buffers.next_snapshot();
  CHECK(buffers.held() >= size);
  give_back_one(buffers, 3 * size);
  buffers.next_snapshot();
  CHECK(buffers.held() >= 3 * size); // of the last one
  CHECK(buffers.held() < 4 * size);
  for (int i = 0; i < 2; ++i)
    buffers.next_snapshot();
  CHECK(buffers.held() == 0);
}

TEST_CASE("no more than so many bytes are held, and no small buffers") {
  blob_buffers buffers;
  std::vector<bytes> many(100);
  for (bytes& one : many)
    one.reserve(std::size_t{1} << 20);
  for (bytes& one : many)
    buffers.give_back(std::move(one));
  CHECK(buffers.held() <= blob_buffers::most_held);
  CHECK(buffers.held() > blob_buffers::most_held / 2);

  blob_buffers others;
  others.give_back(bytes(100, 'x'));
  others.give_back({});
  CHECK(others.held() == 0);
}

TEST_CASE("a snapshot gives its data back when nobody holds it any more, also where its task has ended") {
  auto buffers = std::make_shared<blob_buffers>();
  std::shared_ptr<const operator_snapshot> made = shared_snapshot(snapshot_of(bytes(size, 'x')), buffers);
  auto also_held = made;
  made.reset();
  CHECK(buffers->held() == 0);
  CHECK(also_held->key_groups.front().data == bytes(size, 'x'));
  also_held.reset();
  CHECK(buffers->held() >= size);

  made = shared_snapshot(snapshot_of(buffers->take(size)), buffers);
  buffers.reset();
  made.reset();
}

TEST_CASE("snapshots that are let go on another thread are what they were until then") {
  auto buffers = std::make_shared<blob_buffers>();
  std::deque<std::jthread> readers;
  std::vector<int> different(200);
  for (std::size_t i = 0; i < different.size(); ++i) {
    buffers->next_snapshot();
    bytes data = buffers->take(size);
    data.assign(size, static_cast<char>(i));
    readers.emplace_back([&wrong = different[i], i, made = shared_snapshot(snapshot_of(std::move(data)), buffers)] {
      wrong = made->key_groups.front().data != bytes(size, static_cast<char>(i));
    });
    if (readers.size() > 4)
      readers.pop_front();
  }
  readers.clear();
  CHECK(different == std::vector<int>(200));
  CHECK(buffers->held() < 8 * size);
}
