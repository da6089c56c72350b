#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/base/clock.hpp>

/// \file
/// How event time comes into a stream: how far it has come follows from the records of each partition.

namespace weir {

/// How far event time has come in one partition:
///
///     struct from_markers {
///       // Sees each record with its event time. May return bool: whether watermark() is to be looked at
///       // at once, behind this very record.
///       void on_record(const reading& in, weir::event_time time);
///       // No record before this follows, but late ones; weir::no_watermark while nothing is known.
///       weir::event_time watermark() const;
///     };
///
/// Each partition of each instance has a copy of its own. What comes out never goes back, whatever
/// watermark() returns.
template <class W, class T>
concept watermark_generator = std::copy_constructible<W> && requires(W w, const T& in, event_time time) {
  w.on_record(in, time);
  { std::as_const(w).watermark() } -> std::same_as<event_time>;
};

/// Records come out of order by at most so much: the watermark is that far behind the largest event time.
class bounded_disorder {
 public:
  explicit bounded_disorder(std::chrono::milliseconds bound) : bound_(bound) {}

  template <class T>
  void on_record(const T&, event_time time) noexcept {
    largest_ = std::max(largest_, time);
  }
  event_time watermark() const noexcept {
    return largest_ < no_watermark + bound_ ? no_watermark : largest_ - bound_;
  }

 private:
  std::chrono::milliseconds bound_;
  event_time largest_ = no_watermark;
};

/// Event times never go back.
class monotonous : public bounded_disorder {
 public:
  monotonous() : bounded_disorder(std::chrono::milliseconds::zero()) {}
};

/// Some records carry a watermark: `std::optional<event_time> f(const T&, event_time)`. It is sent right
/// behind the record.
template <class F>
class punctuated {
 public:
  explicit punctuated(F f) : f_(std::move(f)) {}

  template <class T>
  bool on_record(const T& in, event_time time) {
    const std::optional<event_time> carried = f_(in, time);
    if (carried)
      watermark_ = std::max(watermark_, *carried);
    return carried.has_value();
  }
  event_time watermark() const noexcept { return watermark_; }

 private:
  F f_;
  event_time watermark_ = no_watermark;
};

struct watermark_options {
  /// Least processing time between two watermarks; 0: one behind each batch that moves it. Larger means
  /// fewer and fuller batches behind it, and windows that close later. What is to be sent at once does not
  /// wait for it.
  std::chrono::milliseconds interval{1};

  /// A partition without records for so long, in processing time, is not waited for until its next one.
  /// 0: all are.
  std::chrono::milliseconds idle_after{0};
};

} // namespace weir
