#include <doctest/doctest.h>

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include <weir/actors/channel_recording.hpp>

using namespace weir;

namespace {

using records = batch<std::uint64_t>;

batch_ptr batch_of(std::uint64_t first) {
  auto* const made = new records(2);
  made->resize(2);
  (*made)[0] = first;
  (*made)[1] = first + 1;
  return batch_ptr(made);
}

marker watermark(int milliseconds) {
  return marker::watermark(event_time{std::chrono::milliseconds{milliseconds}});
}

/// "b7" the batch that begins with 7, "w5" a watermark, "i" idleness, "p3" the end of partition 3.
std::string word(const channel_item& item) {
  if (const auto* batch = std::get_if<batch_ptr>(&item))
    return "b" + std::to_string(static_cast<records&>(**batch)[0]);
  const marker& what = std::get<marker>(item);
  switch (what.what) {
  case marker::kind::watermark: return "w" + std::to_string(what.time.time_since_epoch().count());
  case marker::kind::idle: return "i";
  case marker::kind::partition: return "p" + std::to_string(what.partition.partition);
  default: return "?";
  }
}

std::string words(const std::deque<channel_item>& items) {
  std::string all;
  for (const channel_item& item : items)
    all += (all.empty() ? "" : " ") + word(item);
  return all;
}

const batch_codec& codec = *batch_codec_of<std::uint64_t>();

} // namespace

TEST_CASE("what is recorded of a channel is read in the order in which it came") {
  const marker ended = marker::of_partition({partition_change::kind::ended, 3});
  const std::deque<channel_item> items{batch_of(1), watermark(5), marker::idle(), batch_of(7), ended};
  CHECK(words(read_recorded(write_recorded(items, codec), codec)) == "b1 w5 i b7 p3");
}

TEST_CASE("a recording is complete when every channel is closed and everything is written") {
  channel_recording one({&codec, nullptr, &codec});
  CHECK(one.is_complete());
  one.open(0);
  one.open(2);
  one.add(0, batch_of(1));
  one.close(0);
  CHECK(!one.is_complete());
  one.write_some();
  CHECK(!one.has_unwritten());
  CHECK(!one.is_complete());
  one.close(2);
  CHECK(one.is_complete());
  const auto made = one.take();
  REQUIRE(made.size() == 1); // nothing was under way on the other
  CHECK(made[0].channel == 0);
  CHECK(made[0].records == 2);
}

TEST_CASE("neither barriers nor the end of input come again") {
  CHECK(write_recorded({marker::barrier({checkpoint_id{4}}), marker::end()}, codec).empty());
}

TEST_CASE("however processing and writing take turns, batches are recorded as they were before they were processed") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    channel_recording one({&codec, &codec});
    std::deque<channel_item> waiting[2]; // to be processed
    std::string expected[2];
    std::uint64_t next = 0;
    for (const std::uint32_t channel : {0u, 1u})
      one.open(channel);
    for (int step = 0; step < 60; ++step) {
      const std::uint32_t channel = random() % 2;
      switch (random() % 4) {
      case 0:
      case 1: {
        const channel_item item =
            random() % 3 == 0 ? channel_item{watermark(static_cast<int>(next++))} : channel_item{batch_of(next++)};
        expected[channel] += (expected[channel].empty() ? "" : " ") + word(item);
        one.add(channel, item);
        waiting[channel].push_back(item);
        break;
      }
      case 2:
        if (!waiting[channel].empty()) {
          if (auto* batch = std::get_if<batch_ptr>(&waiting[channel].front())) {
            one.write_before(channel, **batch);
            static_cast<records&>(**batch)[0] = 999'999;
          }
          waiting[channel].pop_front();
        }
        break;
      case 3:
        if (random() % 8 == 0)
          one.write_some();
        break;
      }
    }
    for (const std::uint32_t channel : {0u, 1u})
      one.close(channel);
    while (!one.is_complete())
      one.write_some();
    std::string got[2];
    for (const recorded_channel& made : one.take())
      got[made.channel] = words(read_recorded(made.data, codec));
    CHECK(got[0] == expected[0]);
    CHECK(got[1] == expected[1]);
  }
}

TEST_CASE("a damaged recording is malformed") {
  const bytes whole = write_recorded({batch_of(1), watermark(5)}, codec);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    if (size != whole.size() - 9) // the batch alone
      CHECK_THROWS_AS(read_recorded(std::string_view(whole).substr(0, size), codec), malformed_bytes);
  }
  CHECK_THROWS_AS(read_recorded(std::string_view("\x09"), codec), malformed_bytes);
}
