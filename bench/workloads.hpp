#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// \file
/// The workloads that every system is measured on: which records they are made of and how results
/// are checked. Shared by the job on Weir and by the loops written by hand; all arithmetic is
/// unsigned 64-bit and wraps.

namespace bench {

constexpr std::uint64_t splitmix64(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

inline constexpr std::uint64_t fnv1a64_basis = 0xCBF29CE484222325;
inline constexpr std::uint64_t fnv1a64_prime = 0x100000001B3;

constexpr std::uint64_t fnv1a64(std::string_view text) noexcept {
  std::uint64_t hash = fnv1a64_basis;
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * fnv1a64_prime;
  return hash;
}

/// The remainder by a divisor that is known only at run time, without a division.
///
/// The quotient is estimated as h * floor((2^64 - 1) / d) / 2^64. The factor is less than 1 below
/// 2^64 / d, and h is less than 2^64, so the estimate is the quotient or one less: one conditional
/// subtraction makes it exact for every h.
class fast_modulo {
 public:
  /// `divisor` from 1 to 2^63.
  explicit constexpr fast_modulo(std::uint64_t divisor) noexcept
      : divisor_(divisor), factor_(~std::uint64_t{0} / divisor) {}

  constexpr std::uint64_t operator()(std::uint64_t h) const noexcept {
    const std::uint64_t rest = h - high_product(h, factor_) * divisor_;
    return std::min(rest, rest - divisor_); // the difference wraps where it must not be taken
  }

 private:
  __extension__ using wide = unsigned __int128;

  static constexpr std::uint64_t high_product(std::uint64_t a, std::uint64_t b) noexcept {
    return static_cast<std::uint64_t>((wide{a} * b) >> 64);
  }

  std::uint64_t divisor_;
  std::uint64_t factor_;
};

/// What the sources of keyed-sum, window-sum and sliding-sum make.
struct event {
  std::uint64_t key;
  std::uint64_t value;
  std::int64_t ts_ms;
};

inline constexpr std::uint64_t default_keys = 1000;
inline constexpr std::uint64_t window_keys = 10'000;
inline constexpr std::uint64_t default_records = 20'000'000;
inline constexpr std::uint64_t default_lines = 1'000'000;
inline constexpr std::uint64_t start_records = 1000;
inline constexpr std::uint64_t latency_keys = 100'000;
inline constexpr std::int64_t latency_rate = 200'000; // records a second, for 20 seconds
inline constexpr std::uint64_t recovery_keys = 1'000'000;
inline constexpr std::uint64_t recovery_records = 100'000'000;
inline constexpr std::int64_t window_ms = 1000;
inline constexpr std::int64_t sliding_ms = 60'000; // one every window_ms
inline constexpr std::int64_t lateness_ms = 512;

inline event make_event(std::uint64_t i, const fast_modulo& by_keys) noexcept {
  const std::uint64_t h = splitmix64(i);
  const auto late = static_cast<std::int64_t>((h >> 32) & 0x1FF);
  return {by_keys(h), (h >> 48) & 0xFF,
          std::max<std::int64_t>(0, static_cast<std::int64_t>(i / 1000) - late)};
}

inline constexpr std::uint32_t words_per_line = 10;

namespace detail {

inline constexpr std::size_t longest_word = 6; // "w65535"

constexpr std::array<std::uint16_t, 100> make_digit_pairs() {
  std::array<std::uint16_t, 100> pairs{};
  for (std::uint32_t i = 0; i < 100; ++i)
    pairs[i] = static_cast<std::uint16_t>(('0' + i / 10) | ('0' + i % 10) << 8);
  return pairs;
}
inline constexpr std::array<std::uint16_t, 100> digit_pairs = make_digit_pairs();

/// Writes "w", `rank` in decimal and a space, and returns where the space ends. Writes 8 bytes, the
/// length is not branched on: half of these branches would be mispredicted.
inline char* write_word(char* to, std::uint32_t rank) noexcept {
  static_assert(longest_word + 1 < sizeof(std::uint64_t));
  const std::uint32_t digits = 1u + (rank > 9) + (rank > 99) + (rank > 999) + (rank > 9999);
  const std::uint32_t low = rank % 10'000;
  std::uint64_t text = ('0' + rank / 10'000) | std::uint64_t{digit_pairs[low / 100]} << 8 |
                       std::uint64_t{digit_pairs[low % 100]} << 24;
  text >>= 8 * (5 - digits);
  text = 'w' | text << 8 | std::uint64_t{' '} << (8 * (digits + 1));
  std::memcpy(to, &text, sizeof text);
  return to + digits + 2;
}

} // namespace detail

/// The longest line, and the bytes that writing its last word goes beyond it.
inline constexpr std::size_t line_room =
    words_per_line * (detail::longest_word + 1) + sizeof(std::uint64_t);

/// Makes `line` the line number j of word-count.
inline void make_line(std::uint64_t j, std::string& line) {
  line.resize(line_room);
  char* end = line.data();
  for (std::uint32_t r = 0; r < words_per_line; ++r) {
    const std::uint64_t h = splitmix64(words_per_line * j + r);
    const auto mask = (std::uint32_t{1} << (h % 17)) - 1;
    end = detail::write_word(end, static_cast<std::uint32_t>(h >> 20) & mask);
  }
  line.resize(static_cast<std::size_t>(end - 1 - line.data()));
}

/// Results as the sinks sum them up.
struct totals {
  std::uint64_t n = 0;
  std::uint64_t checksum = 0;

  void add(std::uint64_t key_hash, std::uint64_t weight) noexcept {
    ++n;
    checksum += key_hash * weight;
  }
  totals& operator+=(const totals& other) noexcept {
    n += other.n;
    checksum += other.checksum;
    return *this;
  }
};

/// Of checkpoints, whose records come in rounds, one behind each checkpoint.
inline constexpr std::uint64_t checkpoint_rounds = 6;

/// What is measured, after the options are read.
struct workload {
  std::string name;
  std::uint64_t keys = 0;    ///< 0: the workload's own
  std::uint64_t records = 0; ///< records, or lines of word-count; 0: the workload's own
  std::uint32_t operators = 10; ///< of chain and fan-out
  std::uint32_t sink_ns = 10'000; ///< of backpressure: what a record takes in the sink
  std::uint32_t changed = 10;   ///< of checkpoints: percent of the keys from one checkpoint to the next
};

/// The workload with its own figures where the options gave none.
inline workload with_defaults(workload what) {
  if (what.name == "word-count") {
    what.keys = 0;
  } else if (what.keys == 0) {
    const bool is_windows = what.name == "window-sum" || what.name == "sliding-sum";
    what.keys = is_windows                 ? window_keys
                : what.name == "latency"   ? latency_keys
                : what.name == "recovery"  ? recovery_keys
                                           : default_keys;
  }
  if (what.records == 0) {
    what.records = what.name == "word-count" ? default_lines
                   : what.name == "start"    ? start_records
                   : what.name == "latency"  ? 20 * latency_rate
                   : what.name == "recovery" ? recovery_records
                   : what.name == "checkpoints" ? checkpoint_rounds
                                                : default_records;
  }
  return what;
}

/// Measures wall time from its construction.
class stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace bench
