#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weir/actors/exchange.hpp>
#include <weir/base/hash.hpp>

using namespace weir;

namespace {

constexpr std::uint32_t groups = 128;

/// A record as it has arrived.
template <class T>
struct arrived {
  T record;
  std::optional<event_time> time;
  std::optional<std::uint64_t> hash;
};

/// Takes what is sent, and gives the batches back as credits when it is told to.
template <class T>
class receiving_end final : public channel_transport {
 public:
  explicit receiving_end(std::uint32_t channels) : records(channels) {}

  void send_batch(std::uint32_t channel, batch_ptr sent) override {
    auto& all = static_cast<batch<T>&>(*sent);
    CHECK(all.size() != 0);
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      arrived<T> one{all[i], {}, {}};
      if (all.times())
        one.time = all.times()[i];
      if (all.hashes())
        one.hash = all.hashes()[i];
      records[channel].push_back(std::move(one));
    }
    waiting_.emplace_back(channel, std::move(sent));
  }
  void send_marker(std::uint32_t, const marker&) override {}

  void give_back(const std::vector<std::unique_ptr<output_channel>>& channels) {
    while (!waiting_.empty()) { // a credit may send what waits
      auto [channel, emptied] = std::move(waiting_.front());
      waiting_.pop_front();
      channels[channel]->credit_returned(std::move(emptied));
    }
  }

  std::vector<std::vector<arrived<T>>> records; ///< of each channel

 private:
  std::deque<std::pair<std::uint32_t, batch_ptr>> waiting_;
};

template <class T>
T record_of(std::uint64_t n) {
  if constexpr (std::is_same_v<T, std::string>)
    return (n % 3 == 0 ? "a record that does not fit into a string without memory " : "") + std::to_string(n);
  else
    return n;
}

template <class T>
const T& itself(const T& in) {
  return in;
}

/// Random batches, some of them small or smaller than full ones, with event times or without, with flushes
/// between them: each record comes once, in order, where it belongs.
template <class T>
void check_exchange(partitioning how, std::uint32_t instances, std::uint64_t seed) {
  CAPTURE(static_cast<int>(how));
  CAPTURE(instances);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr std::uint32_t batch_size = 16;
  receiving_end<T> end(instances);
  std::vector<std::unique_ptr<output_channel>> channels;
  std::vector<output_channel*> all;
  for (std::uint32_t i = 0; i < instances; ++i) {
    channels.push_back(std::make_unique<output_channel>(i, 2, end));
    all.push_back(channels.back().get());
  }
  std::unique_ptr<exchange_base> exchange;
  if (how == partitioning::hash)
    exchange = std::make_unique<hash_exchange<T, decltype(&itself<T>)>>(&itself<T>, all, batch_size, groups);
  else
    exchange = std::make_unique<plain_exchange<T>>(how, all, batch_size);
  auto& input = dynamic_cast<collector<T>&>(exchange->input());

  std::vector<std::pair<T, std::optional<event_time>>> sent;
  for (int step = 0; step < 200; ++step) {
    batch<T> records(random() % 3 == 0 ? 4 : batch_size);
    const std::uint32_t size = random() % 2 == 0 ? records.capacity() : random() % (records.capacity() + 1);
    const bool timed = random() % 2 == 0;
    for (std::uint32_t i = 0; i < size; ++i) {
      const std::uint64_t n = sent.size();
      records[i] = record_of<T>(n);
      sent.emplace_back(record_of<T>(n), std::nullopt);
      if (timed)
        records.enable_times(true)[i] = *(sent.back().second = event_time{std::chrono::milliseconds{n}});
    }
    records.resize(size);
    input.receive(records);
    if (random() % 4 == 0)
      exchange->flush();
    if (random() % 2 == 0)
      end.give_back(channels);
  }
  exchange->flush();
  CHECK_FALSE(exchange->has_partial());
  end.give_back(channels);

  std::vector<std::size_t> next(instances);
  std::size_t received = 0;
  for (const auto& part : end.records)
    received += part.size();
  REQUIRE(received == sent.size() * (how == partitioning::broadcast ? instances : 1));
  const auto check = [&](std::uint32_t to, const std::pair<T, std::optional<event_time>>& expected) {
    REQUIRE(next[to] < end.records[to].size());
    const arrived<T>& found = end.records[to][next[to]++];
    CHECK(found.record == expected.first);
    CHECK(found.time == expected.second);
    CHECK(found.hash == (how == partitioning::hash ? std::optional(hash_of(expected.first)) : std::nullopt));
  };
  for (const auto& one : sent)
    switch (how) {
    case partitioning::forward: check(0, one); break;
    case partitioning::hash:
      check(instance_of(key_group_of(hash_of(one.first), groups), instances, groups), one);
      break;
    case partitioning::broadcast:
      for (std::uint32_t to = 0; to < instances; ++to)
        check(to, one);
      break;
    case partitioning::rebalance: // in order wherever it went
      for (std::uint32_t to = 0; to < instances; ++to)
        if (next[to] < end.records[to].size() && end.records[to][next[to]].record == one.first) {
          check(to, one);
          break;
        }
      break;
    }
  for (std::uint32_t to = 0; to < instances; ++to)
    CHECK(next[to] == end.records[to].size());
}

} // namespace

TEST_CASE("an exchange gives each record to whom it belongs, once and in order, with its time and hash") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    check_exchange<std::uint64_t>(partitioning::forward, 1, seed);
    check_exchange<std::string>(partitioning::forward, 1, seed);
    for (const std::uint32_t instances : {1u, 2u, 3u, 128u}) {
      check_exchange<std::uint64_t>(partitioning::hash, instances, seed);
      check_exchange<std::string>(partitioning::hash, instances, seed);
    }
    for (const partitioning how : {partitioning::broadcast, partitioning::rebalance})
      for (const std::uint32_t instances : {1u, 3u}) {
        check_exchange<std::uint64_t>(how, instances, seed);
        check_exchange<std::string>(how, instances, seed);
      }
  }
}
