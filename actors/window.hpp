#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <cereal/types/string.hpp>

#include <weir/base/clock.hpp>
#include <weir/base/codec.hpp>
#include <weir/base/hash.hpp>

/// \file
/// What windows are, and what comes out of them.

namespace weir {

/// A stretch of time, from `start` to before `end`.
struct time_window {
  event_time start{};
  event_time end{};

  auto operator<=>(const time_window&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(start, end);
  }

  /// The time of what comes out of it: the last that is still in it.
  event_time last() const noexcept { return end - std::chrono::milliseconds{1}; }
};

/// Why a window's result came when it did.
enum class pane_timing : std::uint8_t {
  early,   ///< before the watermark had passed the end of the window: more may follow
  on_time, ///< as the watermark passed it
  late,    ///< for records that came later, within the allowed lateness
};

/// Which of the results of one window of one key it is.
struct pane_info {
  pane_timing timing = pane_timing::on_time;
  std::uint32_t index = 0; ///< from 0

  template <class Archive>
  void serialize(Archive& archive) {
    archive(timing, index);
  }
  bool operator==(const pane_info&) const = default;
};

/// What comes out of a window of one key.
template <class Key, class Value>
struct windowed {
  Key key{};
  time_window window;
  pane_info pane;
  Value value{};

  template <class Archive>
    requires(storable<Key> && storable<Value>)
  void serialize(Archive& archive) {
    archive(key, window, pane, value);
  }
  bool operator==(const windowed&) const = default;
};

/// Windows of one size, one every `slide`: the same for all keys. They start at multiples of the slide
/// since the Unix epoch, plus the offset.
class aligned_windows {
 public:
  using length = std::chrono::milliseconds;

  /// Throws std::invalid_argument when size or slide is not positive, or windows leave gaps.
  aligned_windows(length size, length slide, length offset)
      : size_(size.count()), slide_(slide.count()), offset_(slide_ > 0 ? offset.count() % slide_ : 0) {
    if (size > longest_time)
      throw std::invalid_argument("windows of " + std::to_string(size_) + " ms: expected at most " +
                                  std::to_string(longest_time.count()) + "; for one window of everything take "
                                  "weir::global()");
    if (slide_ <= 0 || size_ < slide_)
      throw std::invalid_argument("windows of " + std::to_string(size_) + " ms every " +
                                  std::to_string(slide_) +
                                  " ms: expected a positive slide that is not larger than the size");
  }

  std::int64_t size() const noexcept { return size_; }
  std::int64_t slide() const noexcept { return slide_; }
  bool is_tumbling() const noexcept { return size_ == slide_; }

  /// "1000 ms every 500 ms from 0": state of other windows is told from theirs by it.
  std::string text() const {
    return std::to_string(size_) + " ms every " + std::to_string(slide_) + " ms from " + std::to_string(offset_);
  }

  /// The last multiple of `step`, since the epoch plus the offset, that is not after `time`.
  std::int64_t floor(std::int64_t time, std::int64_t step) const noexcept {
    const std::int64_t within = (time - offset_) % step;
    return time - (within < 0 ? within + step : within);
  }

  /// The start of the last window that holds `time`.
  std::int64_t last_start(std::int64_t time) const noexcept { return floor(time, slide_); }

 private:
  std::int64_t size_;
  std::int64_t slide_;
  std::int64_t offset_;
};

/// Windows side by side: every time is in one. `offset` moves their starts, such as to local midnight.
inline aligned_windows tumbling(std::chrono::milliseconds size, std::chrono::milliseconds offset = {}) {
  return {size, size, offset};
}

/// Windows that overlap: every time is in size / slide of them.
inline aligned_windows sliding(std::chrono::milliseconds size, std::chrono::milliseconds slide,
                               std::chrono::milliseconds offset = {}) {
  return {size, slide, offset};
}

/// Windows that end with a silence: the records of a key with less than the gap between each and the next.
/// `Gap` is a length of time, or a function of the record that opens it.
template <class Gap>
class session_windows {
 public:
  explicit session_windows(Gap gap) : gap_(std::move(gap)) {}

  /// In milliseconds. Throws std::runtime_error for one that is not positive.
  template <class In>
  std::int64_t gap(const In& in) const {
    std::int64_t length = 0;
    if constexpr (std::is_same_v<Gap, std::chrono::milliseconds>)
      length = gap_.count();
    else
      length = std::chrono::milliseconds(gap_(in)).count();
    if (length <= 0)
      throw std::runtime_error("a session gap of " + std::to_string(length) + " ms: expected a positive one");
    return std::min<std::int64_t>(length, longest_time.count());
  }

 private:
  Gap gap_;
};

template <class T>
inline constexpr bool is_session_windows = false;
template <class Gap>
inline constexpr bool is_session_windows<session_windows<Gap>> = true;

/// Sessions with a gap of this length.
inline session_windows<std::chrono::milliseconds> sessions(std::chrono::milliseconds gap) {
  if (gap <= std::chrono::milliseconds::zero())
    throw std::invalid_argument("a session gap of " + std::to_string(gap.count()) +
                                " ms: expected a positive one");
  return session_windows<std::chrono::milliseconds>(gap);
}

/// Sessions whose gap is what `std::chrono::milliseconds f(const T&)` says of each record.
template <class F>
  requires(!std::convertible_to<F, std::chrono::milliseconds>)
session_windows<F> sessions(F gap) {
  return session_windows<F>(std::move(gap));
}

/// One window that holds everything, until the input ends. Other results than that one need a trigger.
struct global_windows {};

inline global_windows global() {
  return {};
}

/// Windows of so many records of a key, in the order in which they come.
class count_windows {
 public:
  /// Throws std::invalid_argument unless 0 < slide <= size.
  count_windows(std::uint64_t size, std::uint64_t slide) : size_(size), slide_(slide) {
    if (slide_ == 0 || size_ < slide_)
      throw std::invalid_argument("windows of " + std::to_string(size_) + " records every " +
                                  std::to_string(slide_) +
                                  ": expected a positive slide that is not larger than the size");
  }

  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t slide() const noexcept { return slide_; }
  bool is_tumbling() const noexcept { return size_ == slide_; }

 private:
  std::uint64_t size_;
  std::uint64_t slide_;
};

/// Every `size` records of a key are a window.
inline count_windows tumbling_count(std::uint64_t size) {
  return {size, size};
}

/// After every `slide` records of a key, the last `size` are a window, or as many as there are.
inline count_windows sliding_count(std::uint64_t size, std::uint64_t slide) {
  return {size, slide};
}

/// The key of all records, where a stream is not divided by key.
enum class no_key : std::uint8_t { everything };

/// Gives every record that key.
struct without_key {
  template <class T>
  no_key operator()(const T&) const noexcept {
    return no_key::everything;
  }
};

/// The key of what is kept for one key in one stretch of time.
template <class Key>
struct window_key {
  Key key{};
  std::int64_t start = 0; ///< Unix milliseconds

  bool operator==(const window_key&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(key, start);
  }
};

/// The hash of a window_key from that of its key: of the same key group, and at another place in it for
/// each start.
constexpr std::uint64_t hash_in_window(std::uint64_t hash, std::int64_t start) noexcept {
  return hash ^ (mix(static_cast<std::uint64_t>(start)) >> 32);
}

template <class Key>
std::uint64_t hash_of(const window_key<Key>& key) {
  return hash_in_window(hash_of(key.key), key.start);
}

} // namespace weir
