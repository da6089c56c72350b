#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/batch_codec.hpp>
#include <weir/runtime/cluster/link_frames.hpp>

using namespace weir;

namespace {

struct flat_record {
  std::uint64_t key;
  std::uint32_t value;

  bool operator==(const flat_record&) const = default;
};

constexpr std::uint32_t flat_channel = 3;
constexpr std::uint32_t text_channel = 70'000;

/// A batch, or, if `text` says so, a marker or a credit.
struct item {
  std::uint32_t channel = 0;
  std::string text; // of what is no flat batch
  std::vector<flat_record> records;
  std::vector<std::int64_t> times;
  std::vector<std::uint64_t> hashes;

  bool operator==(const item&) const = default;
};

template <class T>
batch_ptr batch_of(const item& from, const std::vector<T>& records) {
  auto* const made = new batch<T>(static_cast<std::uint32_t>(records.size()));
  batch_ptr owned(made);
  std::copy(records.begin(), records.end(), made->records());
  made->resize(static_cast<std::uint32_t>(records.size()));
  if (!from.times.empty())
    std::transform(from.times.begin(), from.times.end(), made->enable_times(true),
                   [](std::int64_t ms) { return event_time{std::chrono::milliseconds{ms}}; });
  if (!from.hashes.empty())
    std::copy(from.hashes.begin(), from.hashes.end(), made->enable_hashes());
  return owned;
}

bytes encoded(const batch_codec& codec, batch_base& records) {
  byte_writer out;
  codec.write(out, records);
  return std::move(out).take();
}

void write(link_writer& to, const item& what) {
  if (what.text == "credit") {
    to.add_credit(what.channel);
  } else if (what.text == "marker") {
    to.add_marker(what.channel, marker::watermark(event_time{std::chrono::milliseconds{what.times[0]}}));
  } else if (what.channel == flat_channel) {
    const batch_codec& codec = *batch_codec_of<flat_record>();
    batch_ptr records = batch_of(what, what.records);
    if (link_writer::is_flat(codec, *records))
      to.add_flat(what.channel, codec, std::move(records));
    else
      to.add_written(what.channel, encoded(codec, *records));
  } else {
    const batch_ptr records = batch_of(what, std::vector<std::string>{what.text, "and more"});
    CHECK_FALSE(link_writer::is_flat(*batch_codec_of<std::string>(), *records));
    to.add_written(what.channel, encoded(*batch_codec_of<std::string>(), *records));
  }
}

class receiver : public link_frames_receiver {
 public:
  const batch_codec& codec_of(std::uint32_t channel) override {
    if (channel == flat_channel)
      return *batch_codec_of<flat_record>();
    if (channel == text_channel)
      return *batch_codec_of<std::string>();
    throw malformed_bytes("no such channel");
  }

  batch_ptr take_empty(std::uint32_t channel, std::uint32_t records) override {
    if (emptied && emptied->capacity() >= records)
      return std::exchange(emptied, {});
    return codec_of(channel).make(records);
  }

  void receive_written(std::uint32_t channel, bytes data) override {
    byte_reader in(data);
    const batch_ptr records = codec_of(channel).read(in);
    if (channel == flat_channel)
      return receive_flat(channel, records);
    if (records->size() != 2)
      throw malformed_bytes("not two of them");
    items.push_back({channel, static_cast<batch<std::string>&>(*records)[0], {}, {}, {}});
  }

  void receive_flat(std::uint32_t channel, batch_ptr records) override {
    item& one = items.emplace_back();
    one.channel = channel;
    auto& flat = static_cast<batch<flat_record>&>(*records);
    one.records.assign(flat.begin(), flat.end());
    if (const event_time* times = records->times())
      for (std::uint32_t i = 0; i < records->size(); ++i)
        one.times.push_back(times[i].time_since_epoch().count());
    if (const std::uint64_t* hashes = records->hashes())
      one.hashes.assign(hashes, hashes + records->size());
    emptied = std::move(records); // with what is in it
  }
  void receive_marker(std::uint32_t channel, const marker& what) override {
    items.emplace_back(item{channel, "marker", {}, {what.time.time_since_epoch().count()}, {}});
  }
  void receive_credit(std::uint32_t channel) override { items.emplace_back(item{channel, "credit", {}, {}, {}}); }

  std::vector<item> items;
  batch_ptr emptied;
};

item random_item(std::mt19937& random) {
  item made;
  switch (random() % 4) {
  case 0: return {static_cast<std::uint32_t>(random() % 5), "credit", {}, {}, {}};
  case 1: return {static_cast<std::uint32_t>(random() % 5), "marker", {}, {static_cast<std::int64_t>(random())}, {}};
  case 2:
    made.channel = text_channel;
    made.text.assign(random() % 8 == 0 ? random() % (3 * longest_link_body) : random() % 300, 'x');
    return made;
  default: break;
  }
  made.channel = flat_channel;
  const std::size_t size = random() % 10 == 0 ? random() % 40'000 : random() % 500; // some are longer than a frame
  const bool has_times = random() % 2 != 0, has_hashes = random() % 2 != 0;
  for (std::size_t i = 0; i < size; ++i) {
    made.records.push_back({random(), static_cast<std::uint32_t>(random())});
    if (has_times)
      made.times.push_back(static_cast<std::int64_t>(random()));
    if (has_hashes)
      made.hashes.push_back(random());
  }
  return made;
}

/// Takes some of what is to be written, as a network does.
bytes take(link_writer& from, std::size_t most) {
  bytes taken;
  for (const iovec& piece : from.next()) {
    const std::size_t part = std::min(piece.iov_len, most - taken.size());
    taken.append(static_cast<const char*>(piece.iov_base), part);
  }
  from.written(taken.size());
  return taken;
}

/// Gives the reader some of `data`, and returns how much.
std::size_t give(link_reader& to, std::string_view data, receiver& who) {
  std::size_t given = 0;
  for (const iovec& place : to.space()) {
    const std::size_t part = std::min(place.iov_len, data.size() - given);
    if (part != 0)
      std::memcpy(place.iov_base, data.data() + given, part);
    given += part;
  }
  to.received(given, who);
  return given;
}

void give_all(link_reader& to, std::string_view data, receiver& who) {
  while (!data.empty())
    data.remove_prefix(give(to, data, who));
}

bytes written(const std::vector<item>& items) {
  link_writer writer;
  bytes all;
  for (const item& one : items)
    write(writer, one);
  while (!writer.is_empty())
    all += take(writer, ~std::size_t{0});
  return all;
}

} // namespace

TEST_CASE("frames of a link carry batches, markers and credits in their order, in pieces of any size") {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    link_writer writer;
    link_reader reader;
    receiver there;
    std::vector<item> sent;
    bytes under_way;
    const std::size_t most = 1 + random() % (seed % 2 == 0 ? 60 : 100'000);
    for (int i = 0; i < 60; ++i) {
      sent.push_back(random_item(random));
      write(writer, sent.back());
      if (random() % 4 == 0)
        writer.add_heartbeat();
      for (int steps = 0; steps < 4; ++steps) {
        under_way += take(writer, random() % most);
        const std::size_t some = under_way.empty() ? 0 : random() % (std::min(most, under_way.size()) + 1);
        under_way.erase(0, give(reader, std::string_view(under_way).substr(0, some), there));
      }
    }
    while (!writer.is_empty())
      under_way += take(writer, ~std::size_t{0});
    give_all(reader, under_way, there);
    CHECK(there.items == sent);
  }
}

TEST_CASE("frames of a link that are missing, come twice, are too long, or do not fit their channel are refused") {
  const item small{flat_channel, "", {{1, 2}, {3, 4}}, {}, {5, 6}};
  const bytes good = written({small, small});
  const std::size_t half = good.size() / 2;
  {
    link_reader reader;
    receiver there;
    give_all(reader, good, there);
    CHECK(there.items == std::vector<item>{small, small});
  }
  const auto refuses = [](const bytes& data) {
    link_reader reader;
    receiver there;
    CHECK_THROWS_AS(give_all(reader, data, there), malformed_bytes);
  };
  refuses(good.substr(half));                            // the first one is missing
  refuses(good.substr(0, half) + good.substr(0, half)); // and here it comes twice
  const auto with = [&](std::size_t at, auto value) {
    bytes changed = good;
    std::memcpy(changed.data() + at, &value, sizeof value);
    return changed;
  };
  refuses(with(8, std::uint32_t{1}));                      // a channel
  refuses(with(12, std::uint32_t{47}));                    // size
  refuses(with(12, std::uint32_t{0xFFFFFFFF}));
  refuses(with(16, std::uint32_t{3}));                     // records
  refuses(with(16, std::uint32_t{0x80000002}));
  refuses(with(20, std::uint8_t{6}));                      // kind
  refuses(with(20, static_cast<std::uint8_t>(link_frame::marker)));
  refuses(with(20, static_cast<std::uint8_t>(link_frame::credit)));
  refuses(with(21, std::uint8_t{4}));                      // columns
  refuses(with(8, text_channel));                          // whose records do not lie flat
  bytes parts = written({{text_channel, std::string(longest_link_body + 1, 'x'), {}, {}, {}}});
  std::memcpy(parts.data() + 24 + longest_link_body + 8, &flat_channel, sizeof flat_channel);
  refuses(parts);
}

TEST_CASE("whatever comes instead of frames of a link is read or refused, and harms nothing") {
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<item> items;
    for (std::size_t i = random() % 4; i != ~std::size_t{0}; --i) {
      items.push_back(random_item(random));
      items.back().records.resize(std::min<std::size_t>(items.back().records.size(), 20));
      items.back().times.resize(items.back().times.empty() ? 0 : items.back().records.size());
      items.back().hashes.resize(items.back().hashes.empty() ? 0 : items.back().records.size());
      items.back().text.resize(std::min<std::size_t>(items.back().text.size(), 50));
      if (items.back().text == "marker")
        items.back().times.assign(1, 7);
      else if (items.back().text.empty() && items.back().records.empty())
        items.back() = {1, "credit", {}, {}, {}};
    }
    bytes data = written(items);
    for (int changes = 0; changes < 3; ++changes)
      data[random() % data.size()] = static_cast<char>(random());
    link_reader reader;
    receiver there;
    try {
      give_all(reader, data, there);
    } catch (const malformed_bytes&) {
    }
    CHECK(there.items.size() <= items.size());
  }
}
