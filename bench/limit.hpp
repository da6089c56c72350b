#pragma once

#include <cstdint>

#include "workloads.hpp"

namespace bench {

// The workloads by hand: one thread, one loop, a table made for the workload, no exchange. Each
// does all that the job on Weir is there for: it makes the records, keeps the state, and sums up
// every result.

totals limit_keyed_sum(std::uint64_t keys, std::uint64_t records);

/// The same on two threads that never sleep: each makes half of the records and keeps half of the keys, and they hand
/// each other batches. What a program with a keyed exchange can reach on two cores.
totals limit_keyed_sum_on_two(std::uint64_t keys, std::uint64_t records);

totals limit_word_count(std::uint64_t lines);
totals limit_window_sum(std::uint64_t keys, std::uint64_t records);
totals limit_sliding_sum(std::uint64_t keys, std::uint64_t records);

} // namespace bench
