#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/sources/generate.hpp>

namespace weir {

/// A source of records that are given in the program, for tests and small tables.
///
///     job.source("words", weir::collection(std::vector<std::string>{"to", "be"}))
///
/// Instance s of p emits the elements whose index i has i % p == s, in order, where p is the
/// parallelism at the job's first start.
///
/// Ownership: the records are shared by all instances; each record is copied when it is emitted.
/// Snapshots: the indexes that are left. A restart needs the same records in the same order.
template <record T>
class collection {
 public:
  using output = T;
  using split = index_range;

  explicit collection(std::vector<T> records)
      : size_(records.size()),
        source_(element{std::make_shared<const std::vector<T>>(std::move(records))}, size_) {}

  result<std::vector<split>> splits(std::uint32_t parallelism) const {
    return source_.splits(parallelism);
  }

  void open(const operator_context& context, std::vector<split> assigned) {
    for (const split& part : assigned)
      if (part.end != size_)
        throw std::runtime_error("the checkpoint was taken with a collection of " +
                                 std::to_string(part.end) + " records, and it has " +
                                 std::to_string(size_) +
                                 " now: start with the same collection, or without checkpoints");
    source_.open(context, std::move(assigned));
  }

  source_turn poll(emitter<T>& out) { return source_.poll(out); }

  std::vector<split> snapshot() const { return source_.snapshot(); }

 private:
  struct element {
    std::shared_ptr<const std::vector<T>> records;
    void operator()(std::uint64_t i, T& out) const {
      out = (*records)[static_cast<std::size_t>(i)];
    }
  };

  std::uint64_t size_;
  generate<element> source_;
};

} // namespace weir
