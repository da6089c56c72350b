#pragma once

#include <chrono>
#include <cstdint>

#include <weir/base/clock.hpp>

namespace weir {

/// How long the entries of a state live, counted in processing time, and when those that have
/// expired are removed.
///
///     last_ = states.value<double>("last", weir::time_to_live{.after = 1h});
///
/// A value, an aggregate, each element of a list and each entry of a map lives on its own. Whether a
/// state has a time to live is part of what checkpoints know of it; how long may be changed at any
/// restart, and counts for entries that are already there, too.
struct time_to_live {
  /// What starts an entry's time anew.
  enum class refresh : std::uint8_t {
    on_write,          ///< creating or changing it
    on_read_and_write, ///< reading it, too; iterating reads all entries
  };

  /// What a program sees of an expired entry that is still there.
  enum class visibility : std::uint8_t {
    never_expired, ///< nothing
    until_cleaned, ///< the entry, until it is removed
  };

  /// How long an entry lives; in whole milliseconds, at least one. 0: for ever.
  duration after{};

  refresh refreshed = refresh::on_write;
  visibility visible = visibility::never_expired;

  /// Whether expired entries are left out of what is written into snapshots. Those that are in an older
  /// checkpoint stay there until their key group is written whole again.
  bool clean_in_snapshots = true;

  /// How many keys of the operator are looked at, and cleaned, with each access to this state. 0: none.
  /// Larger means that expired entries go sooner, and that an access takes longer. Of state on disk
  /// only what is in the cache is looked at.
  std::uint32_t clean_per_access = 5;

  /// Whether so many are looked at with each record, too, if it does not access this state.
  bool clean_with_every_record = false;

  /// Whether state on disk is cleaned in the background, a slice between two batches.
  bool clean_on_disk = true;

  bool is_set() const noexcept { return after > duration::zero(); }
};

} // namespace weir
