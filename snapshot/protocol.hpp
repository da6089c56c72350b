#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/snapshot_order.hpp>

/// \file
/// The messages about checkpoints. Every one carries the epoch of the attempt it belongs to: what
/// comes from an earlier attempt is dropped.

namespace weir {

using operator_snapshots = std::vector<std::shared_ptr<const operator_snapshot>>;

// coordinator -> tasks

/// Take part in this checkpoint: a source snapshots and sends the barrier; `stop`: and reads no more.
struct take_snapshot {
  epoch attempt;
  snapshot_order order;
  bool stop = false;
};

/// Alignment has taken long enough: from now on the barriers of this checkpoint overtake.
struct overtake_records {
  epoch attempt;
  checkpoint_id checkpoint;
};

/// The checkpoint is durable: commit what was prepared for it, then answer completion_handled.
struct checkpoint_completed {
  epoch attempt;
  checkpoint_id checkpoint;
};

/// The checkpoint will not complete: wait for its barriers no more.
struct checkpoint_aborted {
  epoch attempt;
  checkpoint_id checkpoint;
};

// tasks -> coordinator

/// A task has taken its snapshot; one operator_snapshot per operator of its chain.
struct snapshot_taken {
  epoch attempt;
  checkpoint_id checkpoint;
  task_id task;
  std::shared_ptr<const operator_snapshots> operators;
  duration longest_pause; ///< for which the task has done nothing else
};

/// A task could not take its snapshot, and goes on.
struct snapshot_failed {
  epoch attempt;
  checkpoint_id checkpoint;
  std::string reason;
};

/// A task has committed what it prepared for the checkpoint.
struct completion_handled {
  epoch attempt;
  checkpoint_id checkpoint;
  task_id task;
};

// supervisor -> coordinator

/// A new attempt: these are its tasks, the highest checkpoint ever stored, and the one that the tasks
/// start from (0: from the beginning). Nothing is triggered before start_checkpoints.
struct coordinate_attempt {
  epoch attempt;
  std::vector<caf::actor> tasks;
  checkpoint_id highest;
  checkpoint_id restored;
};

/// All tasks run: take checkpoints at the configured interval.
struct start_checkpoints {
  epoch attempt;
};

/// Some tasks have failed, and the others go on: give up what they have not taken part in, begin no other checkpoint,
/// then answer checkpoints_paused.
struct pause_checkpoints {
  epoch attempt;
};

/// Those tasks have other actors now, which start from the newest complete checkpoint. start_checkpoints follows.
struct replace_tasks {
  epoch attempt;
  std::vector<std::pair<task_id, caf::actor>> tasks;
};

/// The attempt is over: forget everything about it, then answer attempt_ended.
struct end_attempt {
  epoch attempt;
};

/// Take one last checkpoint now. `stop`: sources read no more; otherwise all input has ended. `aligned`: its barriers
/// overtake nothing. `savepoint`: where it is to be written to, too, and then it is an aligned one; answered by
/// savepoint_taken before anything else, unless it is empty.
struct take_last_checkpoint {
  epoch attempt;
  bool stop = false;
  std::filesystem::path savepoint;
  bool aligned = false;
};

/// Take a checkpoint now, and write it to this file, too; answered by savepoint_taken.
struct take_savepoint {
  epoch attempt;
  std::filesystem::path file;
};

// coordinator -> supervisor

/// A checkpoint is complete.
struct checkpoint_finished {
  epoch attempt;
  completed_checkpoint checkpoint;
  duration took;          ///< from its trigger until it was durable
  duration longest_pause; ///< for which a task has done nothing else
  counts_by_uid counts; ///< in it
};

/// A checkpoint was given up.
struct checkpoint_failed {
  epoch attempt;
  checkpoint_id checkpoint;
};

/// The last checkpoint is complete and every task has committed.
struct last_checkpoint_finished {
  epoch attempt;
  checkpoint_id checkpoint;
};

/// A savepoint is on disk, or cannot be taken.
struct savepoint_taken {
  epoch attempt;
  std::filesystem::path file;
  result<completed_checkpoint> outcome;
};

/// Nothing reaches the store until tasks are replaced.
struct checkpoints_paused {
  epoch attempt;
};

/// Nothing of this attempt will reach the store any more.
struct attempt_ended {
  epoch attempt;
};

/// More checkpoints in a row have failed than are tolerated, or the last one has.
struct checkpoints_failed {
  epoch attempt;
  std::string reason;
};

// coordinator, supervisor -> store

/// Store a checkpoint, and keep those from `keep_from` on (0: no more than are retained anyway); answered
/// by checkpoint_stored to the sender.
struct store_checkpoint {
  epoch attempt;
  completed_checkpoint checkpoint;
  std::shared_ptr<const operator_snapshots> operators;
  checkpoint_id keep_from;
  std::filesystem::path savepoint; ///< where to write it to, too; empty: nowhere
};

/// Begin an attempt after `failed`, from the last checkpoint that `failed` completed, or from
/// `otherwise` (0: from the beginning). Answered by attempt_prepared to the sender.
struct prepare_attempt {
  epoch failed;
  checkpoint_id otherwise;
};

/// Read the last checkpoint that `attempt` completed, or `otherwise` (0: none). Answered by checkpoint_read to the
/// sender.
struct read_checkpoint {
  epoch attempt;
  checkpoint_id otherwise;
};

/// Delete all checkpoints; answered by checkpoints_deleted.
struct delete_checkpoints {};

/// Other processes that keep checkpoints can be asked now: take over what they know, and secure the one that is to be
/// started from (0: none). Answered by checkpoints_adopted.
struct adopt_checkpoints {
  checkpoint_id start;
};

// store -> coordinator, supervisor

struct checkpoint_stored {
  epoch attempt;
  checkpoint_id checkpoint;
  result<completed_checkpoint> outcome;
  std::optional<result<completed_checkpoint>> savepoint; ///< if one was to be written
};

/// The epoch of the new attempt, and the checkpoint that it starts from; null where there is none.
struct attempt_prepared {
  result<epoch> attempt;
  std::shared_ptr<const checkpoint_contents> restored;
  checkpoint_id highest; ///< ever stored
};

/// Null where there is none.
struct checkpoint_read {
  epoch attempt;
  result<std::shared_ptr<const checkpoint_contents>> contents;
};

struct checkpoints_deleted {
  status outcome;
};

/// Whether something was taken over: then nothing has been secured, and what to start from is to be chosen again.
struct checkpoints_adopted {
  result<bool> changed;
};

/// To the coordinator itself: a point in time that it waits for has come.
struct coordinator_wakeup {
  epoch attempt;
};

} // namespace weir

WEIR_BEGIN_MESSAGES(weir_snapshot, 2000)
WEIR_LOCAL_MESSAGE(weir::take_snapshot)
WEIR_LOCAL_MESSAGE(weir::overtake_records)
WEIR_LOCAL_MESSAGE(weir::checkpoint_completed)
WEIR_LOCAL_MESSAGE(weir::checkpoint_aborted)
WEIR_LOCAL_MESSAGE(weir::snapshot_taken)
WEIR_LOCAL_MESSAGE(weir::snapshot_failed)
WEIR_LOCAL_MESSAGE(weir::completion_handled)
WEIR_LOCAL_MESSAGE(weir::coordinate_attempt)
WEIR_LOCAL_MESSAGE(weir::start_checkpoints)
WEIR_LOCAL_MESSAGE(weir::pause_checkpoints)
WEIR_LOCAL_MESSAGE(weir::replace_tasks)
WEIR_LOCAL_MESSAGE(weir::end_attempt)
WEIR_LOCAL_MESSAGE(weir::take_last_checkpoint)
WEIR_LOCAL_MESSAGE(weir::take_savepoint)
WEIR_LOCAL_MESSAGE(weir::savepoint_taken)
WEIR_LOCAL_MESSAGE(weir::checkpoint_finished)
WEIR_LOCAL_MESSAGE(weir::checkpoint_failed)
WEIR_LOCAL_MESSAGE(weir::last_checkpoint_finished)
WEIR_LOCAL_MESSAGE(weir::checkpoints_paused)
WEIR_LOCAL_MESSAGE(weir::attempt_ended)
WEIR_LOCAL_MESSAGE(weir::checkpoints_failed)
WEIR_LOCAL_MESSAGE(weir::store_checkpoint)
WEIR_LOCAL_MESSAGE(weir::prepare_attempt)
WEIR_LOCAL_MESSAGE(weir::read_checkpoint)
WEIR_LOCAL_MESSAGE(weir::checkpoint_read)
WEIR_LOCAL_MESSAGE(weir::delete_checkpoints)
WEIR_LOCAL_MESSAGE(weir::adopt_checkpoints)
WEIR_LOCAL_MESSAGE(weir::checkpoints_adopted)
WEIR_LOCAL_MESSAGE(weir::checkpoint_stored)
WEIR_LOCAL_MESSAGE(weir::attempt_prepared)
WEIR_LOCAL_MESSAGE(weir::checkpoints_deleted)
WEIR_LOCAL_MESSAGE(weir::coordinator_wakeup)
WEIR_END_MESSAGES(weir_snapshot)
