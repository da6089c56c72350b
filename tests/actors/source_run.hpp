#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include <weir/actors/operators/source.hpp>

namespace weir::testing {

/// Keeps what arrives.
template <record T>
class kept_records final : public collector<T> {
 public:
  void receive(batch<T>& records) override {
    for (const T& one : records)
      all.push_back(one);
  }

  std::vector<T> all;
};

/// One instance of a source, driven by hand.
template <source S>
class source_run {
 public:
  source_run(S how, std::vector<typename S::split> assigned, std::uint32_t instance = 0,
             std::uint32_t parallelism = 1, std::uint32_t batch_size = 1024)
      : source_(std::move(how)) {
    out_.configure(batch_size);
    out_.connect(kept_);
    operator_context context;
    context.instance = instance;
    context.parallelism = parallelism;
    source_.open(context, std::move(assigned));
  }

  /// One turn.
  source_turn poll() {
    const source_turn turn = source_.poll(out_);
    out_.flush();
    return turn;
  }

  /// All turns to the end of the input.
  std::vector<typename S::output>& run() {
    while (poll().what != source_turn::outcome::ended)
      ;
    return kept_.all;
  }

  std::vector<typename S::output>& records() { return kept_.all; }
  std::vector<typename S::split> snapshot() const { return source_.snapshot(); }

 private:
  S source_;
  kept_records<typename S::output> kept_;
  emitter<typename S::output> out_;
};

/// The records of a whole input, read by several instances that are stopped after a random number
/// of turns, snapshotted, and started again with another parallelism, until all has been read.
template <source S>
std::vector<typename S::output> read_with_restarts(const S& how, std::mt19937_64& random) {
  std::vector<typename S::output> all;
  auto parallelism = static_cast<std::uint32_t>(1 + random() % 4);
  auto first = S(how).splits(parallelism);
  std::vector<typename S::split> left = std::move(*first);
  while (!left.empty()) {
    std::vector<typename S::split> later;
    for (std::uint32_t instance = 0; instance < parallelism; ++instance) {
      std::vector<typename S::split> assigned;
      for (std::size_t i = instance; i < left.size(); i += parallelism)
        assigned.push_back(decoded<typename S::split>(encoded(left[i])));
      const auto batch_size = static_cast<std::uint32_t>(1 + random() % 1024);
      source_run<S> one(how, std::move(assigned), instance, parallelism, batch_size);
      for (auto turns = random() % 5; turns != 0; --turns)
        one.poll();
      for (const auto& part : one.snapshot())
        later.push_back(part);
      for (auto& record : one.records())
        all.push_back(std::move(record));
    }
    left = std::move(later);
    parallelism = static_cast<std::uint32_t>(1 + random() % 4);
  }
  return all;
}

} // namespace weir::testing
