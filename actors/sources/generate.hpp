#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operators/flat_map.hpp>
#include <weir/actors/operators/source.hpp>
#include <weir/actors/sources/index_range.hpp>
#include <weir/base/option.hpp>

namespace weir {

/// The number of records of a source that never ends.
inline constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

struct generate_options {
  /// Records per second of all instances together; 0: as fast as they are taken. Record i is due
  /// i / rate seconds after the start, and is never early.
  double rate = 0;
};

namespace detail {

template <class F>
concept makes_record = std::invocable<F&, std::uint64_t> &&
                       record<std::remove_cvref_t<std::invoke_result_t<F&, std::uint64_t>>>;

template <class F>
struct generated : std::type_identity<void> {};
template <makes_record F>
struct generated<F> : std::remove_cvref<std::invoke_result_t<F&, std::uint64_t>> {};
template <class F>
  requires(!makes_record<F> && requires { typename second_argument<F>::type; })
struct generated<F> : std::remove_reference<typename second_argument<F>::type> {};

} // namespace detail

/// The record type that a generator function makes; void where it makes none.
template <class F>
using generated_t = typename detail::generated<F>::type;

/// A function of a record's number: `T f(std::uint64_t i)`, or `void f(std::uint64_t i, T& out)`,
/// which finds in `out` some earlier record, so that a string or a vector keeps its memory. Must
/// give the same record for the same number, and is called with every number once.
template <class F>
concept generator_function = std::copy_constructible<F> && record<generated_t<F>>;

/// A source that makes its records: number 0 to below `count`.
///
///     job.source("numbers", weir::generate([](std::uint64_t i) { return i * i; }, 1000))
///
/// Instance s of p makes the records with i % p == s, in order, where p is the parallelism at the
/// job's first start; at another parallelism later these sequences are dealt out anew.
///
/// Each sequence is a partition: event times have an order in each of them.
///
/// Snapshots: the next number of each sequence, and the count that was in force at the first start.
/// Cost:      the function is inlined into the loop that fills the batch.
template <generator_function F>
class generate {
 public:
  using output = generated_t<F>;
  using split = index_range;

  explicit generate(F f, parameter<std::uint64_t> count = unlimited, generate_options options = {})
      : f_(std::move(f)), count_(std::move(count)), options_(options) {}

  result<std::vector<split>> splits(std::uint32_t parallelism) const {
    if (!(options_.rate >= 0))
      return error{errc::invalid_setting,
                   "a rate of " + std::to_string(options_.rate) +
                       " records per second: expected a positive number, or 0 for no limit"};
    return index_range::divide(*count_, parallelism);
  }

  void open(const operator_context&, std::vector<split> assigned) {
    ranges_ = std::move(assigned);
    turn_ = 0;
    is_announced_ = false;
    if (options_.rate > 0)
      pace_.emplace(options_.rate, ranges_);
  }

  source_turn poll(emitter<output>& out) {
    if (ranges_.empty())
      return source_turn::ended();
    if (!std::exchange(is_announced_, true))
      for (const index_range& range : ranges_)
        out.open_partition(partition_of(range));
    if (pace_)
      return poll_paced(out);
    if (turn_ >= ranges_.size())
      turn_ = 0;
    index_range& range = ranges_[turn_];
    emit(range, std::min<std::uint64_t>(range.left(), turn_size), out);
    if (range.left() == 0)
      ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(turn_));
    else
      ++turn_;
    return ranges_.empty() ? source_turn::ended() : source_turn::more();
  }

  std::vector<split> snapshot() const { return ranges_; }

 private:
  static constexpr std::uint64_t turn_size = batch_capacity<output>(1024);

  source_turn poll_paced(emitter<output>& out) {
    const std::uint64_t due = pace_->due(std::chrono::steady_clock::now());
    std::uint64_t room = turn_size;
    for (index_range& range : ranges_) {
      const std::uint64_t n = std::min(range.left_below(due), room);
      emit(range, n, out);
      room -= n;
    }
    std::erase_if(ranges_, [](const index_range& range) { return range.left() == 0; });
    if (ranges_.empty())
      return source_turn::ended();
    if (room == 0)
      return source_turn::more();
    return source_turn::idle(pace_->wait(ranges_, std::chrono::steady_clock::now()));
  }

  void emit(index_range& range, std::uint64_t n, emitter<output>& out) {
    std::uint64_t number = range.next;
    const std::uint64_t stride = range.stride;
    const std::uint64_t partition = partition_of(range);
    out.set_partition(partition);
    {
      typename emitter<output>::run records(out);
      for (std::uint64_t i = 0; i != n; ++i, number += stride) {
        if constexpr (detail::makes_record<F>)
          records.append() = f_(number);
        else
          f_(number, records.append());
      }
    }
    range.advance(n);
    if (range.left() == 0)
      out.end_partition(partition);
  }

  static std::uint64_t partition_of(const index_range& range) { return range.next % range.stride; }

  F f_;
  parameter<std::uint64_t> count_;
  bool is_announced_ = false; // the partitions
  generate_options options_;
  std::vector<index_range> ranges_;
  std::size_t turn_ = 0;
  std::optional<index_pace> pace_;
};

} // namespace weir
