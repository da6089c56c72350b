// State to bytes and back: the codec, and what copying the bytes alone takes.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <cereal/types/string.hpp>

#include <weir/base/codec.hpp>

namespace {

constexpr std::size_t values = 1000;

struct flat_value {
  std::uint64_t count;
  std::uint64_t sum;
};

struct order {
  std::uint64_t number = 0;
  std::string customer;
  double total = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, customer, total);
  }
};

template <class T>
T make(std::size_t i);
template <>
flat_value make(std::size_t i) {
  return {i, 3 * i};
}
template <>
std::string make(std::size_t i) {
  return "customer " + std::to_string(i);
}
template <>
order make(std::size_t i) {
  return {i, make<std::string>(i), 0.5 * static_cast<double>(i)};
}

template <class T>
std::vector<T> make_all() {
  std::vector<T> all;
  for (std::size_t i = 0; i < values; ++i)
    all.push_back(make<T>(i));
  return all;
}

template <class T>
void encode_values(benchmark::State& run) {
  const std::vector<T> all = make_all<T>();
  std::size_t size = 0;
  for (auto _ : run) {
    weir::byte_writer out;
    for (const T& one : all)
      weir::encode(out, one);
    size = out.size();
    benchmark::DoNotOptimize(std::move(out).take());
  }
  run.SetItemsProcessed(run.iterations() * static_cast<std::int64_t>(values));
  run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(size));
}

template <class T>
void decode_values(benchmark::State& run) {
  weir::byte_writer out;
  for (const T& one : make_all<T>())
    weir::encode(out, one);
  const weir::bytes data = std::move(out).take();
  for (auto _ : run) {
    weir::byte_reader in(data);
    T value{};
    while (!in.at_end()) {
      weir::decode(in, value);
      benchmark::DoNotOptimize(value);
    }
  }
  run.SetItemsProcessed(run.iterations() * static_cast<std::int64_t>(values));
  run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(data.size()));
}

/// The bytes of as many values, one copy for each.
template <class T>
void copy_bytes(benchmark::State& run) {
  std::vector<std::string> all;
  std::size_t size = 0;
  for (const T& one : make_all<T>()) {
    all.push_back(weir::encoded(one));
    size += all.back().size();
  }
  std::vector<char> out(size);
  for (auto _ : run) {
    char* to = out.data();
    for (const std::string& one : all) {
      std::memcpy(to, one.data(), one.size());
      to += one.size();
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  run.SetItemsProcessed(run.iterations() * static_cast<std::int64_t>(values));
  run.SetBytesProcessed(run.iterations() * static_cast<std::int64_t>(size));
}

} // namespace

BENCHMARK(encode_values<flat_value>)->Name("codec/encode/flat");
BENCHMARK(decode_values<flat_value>)->Name("codec/decode/flat");
BENCHMARK(copy_bytes<flat_value>)->Name("codec/by_hand/flat");
BENCHMARK(encode_values<std::string>)->Name("codec/encode/string");
BENCHMARK(decode_values<std::string>)->Name("codec/decode/string");
BENCHMARK(copy_bytes<std::string>)->Name("codec/by_hand/string");
BENCHMARK(encode_values<order>)->Name("codec/encode/struct");
BENCHMARK(decode_values<order>)->Name("codec/decode/struct");
BENCHMARK(copy_bytes<order>)->Name("codec/by_hand/struct");
