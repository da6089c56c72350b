#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include <weir/base/clock.hpp>

namespace weir {

/// What a checkpoint promises about the records around its barriers.
enum class checkpoint_mode : std::uint8_t {
  exactly_once,  ///< barriers are aligned: every record counts once in state
  unaligned,     ///< so it does, and barriers overtake records, which become part of the checkpoint
  at_least_once, ///< no channel waits for another; a record may count again after a failure
};

/// How checkpoints are stored.
enum class checkpoint_storage : std::uint8_t {
  lmdb_file, ///< all in one LMDB file; a local disk
  files,     ///< one file each, which other machines can read; network file systems, too
};

/// When checkpoints are taken, when they are given up, and how many are kept.
struct checkpoint_config {
  /// Where checkpoints are stored: one directory per job, on a local disk. Empty: nothing is stored,
  /// and a failed job starts from the beginning.
  std::filesystem::path directory;

  /// Time from one checkpoint's start to the next one's. 0: only the last one is taken.
  duration interval = std::chrono::seconds{10};

  /// A checkpoint that takes longer is aborted and counts as failed.
  duration timeout = std::chrono::minutes{10};

  /// Least time from the end of a checkpoint to the start of the next one.
  duration minimum_pause = duration::zero();

  /// How many may be under way at a time. With a minimum pause there is never more than one.
  std::uint32_t maximum_concurrent = 1;

  /// How many failures in a row the job bears. 0: a failed checkpoint fails the job.
  std::uint32_t tolerated_failures = 3;

  /// How many complete checkpoints are kept. At least 1.
  std::uint32_t retained = 2;

  /// On how many processes a checkpoint is stored before it is complete: the coordinator, and workers. 0: on two, where
  /// there are two workers or more.
  std::uint32_t replicas = 0;

  /// Whether the checkpoints outlive a job that was stopped by a signal.
  bool retain_on_cancel = true;

  /// Whether a checkpoint stores only what has changed in keyed state since the last complete one, where
  /// that is less.
  bool incremental = true;

  checkpoint_mode mode = checkpoint_mode::exactly_once;

  /// With exactly_once, how long barriers wait behind records before they overtake them. 0: for ever.
  duration alignment_timeout = duration::zero();

  /// Follows from the state backend. Checkpoints that the directory holds in the other form are taken
  /// over.
  checkpoint_storage storage = checkpoint_storage::lmdb_file;

  /// The largest size the checkpoint file may grow to. Address space, not memory or disk, until used.
  std::uint64_t map_size = std::uint64_t{256} << 30;

  /// Which checkpoint the job starts from: 0 is the last complete one.
  std::uint64_t restore_from = 0;

  /// The savepoint that the job begins with. A directory with checkpoints that come from it is gone on from; one with
  /// others is refused. Empty: none.
  std::filesystem::path from;

  /// Starts from the beginning and deletes the checkpoints that are there.
  bool discard = false;

  /// Whether state in the checkpoint that no operator claims is passed over. Otherwise it is an error.
  bool allow_dropped_state = false;
};

} // namespace weir
