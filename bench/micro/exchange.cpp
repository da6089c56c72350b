// Dividing a batch of records among instances by key: the exchange, and a loop by hand.

#include <cstdint>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include <weir/actors/exchange.hpp>
#include <weir/base/hash.hpp>

#include "../workloads.hpp"

namespace {

using namespace bench;

constexpr std::uint32_t batch_size = 1024;
constexpr std::uint32_t groups = 128;

std::uint64_t key_of(const event& in) {
  return in.key;
}

/// Gives every batch back, as a receiver does that has nothing to do.
class no_transport final : public weir::channel_transport {
 public:
  void send_batch(std::uint32_t channel, weir::batch_ptr records) override {
    returned.emplace_back(channel, std::move(records));
  }
  void send_marker(std::uint32_t, const weir::marker&) override {}

  std::vector<std::pair<std::uint32_t, weir::batch_ptr>> returned;
};

void fill(event* to, std::uint64_t first) {
  const fast_modulo by_keys(1000);
  for (std::uint32_t i = 0; i < batch_size; ++i)
    to[i] = make_event(first + i, by_keys);
}

void divide_with_exchange(benchmark::State& run) {
  no_transport transport;
  std::vector<std::unique_ptr<weir::output_channel>> channels;
  std::vector<weir::output_channel*> all;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(run.range(0)); ++i) {
    channels.push_back(std::make_unique<weir::output_channel>(i, 16, transport));
    all.push_back(channels.back().get());
  }
  weir::hash_exchange<event, decltype(&key_of)> exchange(&key_of, all, batch_size, groups);
  weir::batch<event> records(batch_size);
  for (auto _ : run) {
    records.resize(batch_size);
    fill(records.records(), 0);
    exchange.receive(records);
    for (auto& [channel, batch] : transport.returned)
      channels[channel]->credit_returned(std::move(batch));
    transport.returned.clear();
    records.reset();
  }
  run.SetItemsProcessed(run.iterations() * batch_size);
}

void divide_by_hand(benchmark::State& run) {
  const auto instances = static_cast<std::size_t>(run.range(0));
  struct part {
    std::vector<event> records = std::vector<event>(batch_size);
    std::vector<std::uint64_t> hashes = std::vector<std::uint64_t>(batch_size);
    std::size_t size = 0;
  };
  std::vector<part> parts(instances);
  std::vector<event> records(batch_size);
  for (auto _ : run) {
    fill(records.data(), 0);
    for (const event& one : records) {
      const std::uint64_t hash = weir::hash_of(one.key);
      part& to = parts[static_cast<std::size_t>(((hash >> 32) * instances) >> 32)];
      to.records[to.size] = one;
      to.hashes[to.size] = hash;
      if (++to.size == batch_size) {
        benchmark::DoNotOptimize(to.records.data());
        to.size = 0;
      }
    }
    benchmark::ClobberMemory();
  }
  run.SetItemsProcessed(run.iterations() * batch_size);
}

void only_make_records(benchmark::State& run) {
  std::vector<event> records(batch_size);
  for (auto _ : run) {
    fill(records.data(), 0);
    benchmark::DoNotOptimize(records.data());
    benchmark::ClobberMemory();
  }
  run.SetItemsProcessed(run.iterations() * batch_size);
}

} // namespace

BENCHMARK(divide_with_exchange)->Name("exchange/hash_exchange")->Arg(1)->Arg(2)->Arg(8)->Arg(64);
BENCHMARK(divide_by_hand)->Name("exchange/by_hand")->Arg(1)->Arg(2)->Arg(8)->Arg(64);
BENCHMARK(only_make_records)->Name("exchange/without");
