#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace weir {

/// How many records an operator has received since the job's first start, and what became of those that came
/// too late. What is neither late nor dropped was taken.
struct record_counts {
  std::uint64_t in = 0;      ///< received, the late and the dropped ones among them; a source receives none
  std::uint64_t late = 0;    ///< came too late, and went to a side output
  std::uint64_t dropped = 0; ///< came too late, and nobody reads a side output of them

  bool operator==(const record_counts&) const = default;

  record_counts& operator+=(const record_counts& other) noexcept {
    in += other.in;
    late += other.late;
    dropped += other.dropped;
    return *this;
  }
};

/// Of all instances of each operator, by its uid.
using counts_by_uid = std::map<std::string, record_counts>;

} // namespace weir
