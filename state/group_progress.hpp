#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>

#include <weir/base/ids.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// Where changes stood at the barrier of a checkpoint.
struct change_barrier {
  checkpoint_id checkpoint;
  std::uint32_t version;      ///< the last that it has seen
  std::uint64_t log_position; ///< the same on disk
};

/// What is known of one key group for its next snapshot.
struct group_progress {
  static constexpr std::uint64_t no_log = std::numeric_limits<std::uint64_t>::max();

  delta_chain chain; ///< in the newest checkpoint; after one that failed, an estimate

  /// How much deltas may hold, in 256ths of what the base holds: half of it, more or less. Groups that change alike have
  /// different limits, so that they are not all written as a whole for one checkpoint, which would hold twice what a
  /// checkpoint needs beside the old ones.
  std::uint32_t limit = 128;

  /// The limit of a group: from 3/8 to 5/8, by the golden ratio, so that neighbours are far from each other.
  static constexpr std::uint32_t limit_of(key_group group) noexcept {
    return 96 + (std::uint32_t{group.value} * 2'654'435'769u >> 26);
  }

  // With state on disk:
  std::uint64_t logged_bytes = 0;   ///< since the last barrier
  std::uint64_t log_begin = no_log; ///< the log has all that was written back from this position on
  std::uint32_t logged_since = 0;   ///< the version of the same moment
  std::uint64_t last_logged = 0;    ///< position
  bool is_in_view = false;          ///< whether the snapshot needs what is on disk
  std::uint64_t view_begin = 0;     ///< for a delta: the position in the log
  std::shared_ptr<std::atomic<std::uint64_t>> whole_size; ///< that the newest whole one had when it was read
  std::uint32_t next_evicted = 0;   ///< place in the order of the rows on disk

  /// Whether a restore had better read one more delta than everything. Each delta costs a reference in the manifest of
  /// every later checkpoint, too.
  bool is_worth(std::uint64_t delta_bytes) const noexcept {
    constexpr std::uint64_t reference_bytes = 50;
    return chain.delta_bytes + delta_bytes + std::uint64_t{chain.deltas} * chain.deltas * reference_bytes / 2 <=
           chain.base_bytes / 256 * limit;
  }

  void find_base_bytes() {
    if (chain.base_bytes == 0 && whole_size)
      chain.base_bytes = *whole_size;
  }
};

} // namespace weir
