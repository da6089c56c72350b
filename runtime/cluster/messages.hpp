#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <weir/actors/protocol.hpp>
#include <weir/base/bytes.hpp>
#include <weir/base/ids.hpp>
#include <weir/runtime/cluster/wire.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/protocol.hpp>

/// \file
/// What the coordinator and the workers of a job tell each other. What it means for a task is what the message of the
/// same name means inside one process.

namespace weir {

// worker -> coordinator, before anything else

/// A process would like to run tasks.
struct worker_hello {
  std::string job;
  std::uint64_t digest = 0; ///< of the topology; see topology_digest
  std::uint64_t program = 0; ///< see program_digest
  std::string name;         ///< for messages
  std::uint32_t slots = 0;
  std::string host; ///< where other workers reach it
  std::uint16_t port = 0;
};

// coordinator -> worker

/// It may: these are the job's settings and options.
struct worker_welcome {
  std::uint32_t worker = 0; ///< its number
  std::vector<std::pair<std::string, std::string>> settings;
  bool is_stored = false; ///< whether checkpoints are
  bool keeps_replicas = false; ///< whether it is to keep copies of them
};

/// It may not, and is not to try again as it is.
struct worker_refused {
  std::string reason;
};

/// The job has ended.
struct worker_released {};

/// Another process that runs tasks of the attempt.
struct worker_address {
  std::uint32_t worker = 0;
  std::string name; ///< for messages
  std::string host;
  std::uint16_t port = 0;
};

/// Make your tasks of this attempt, connect them, and open them.
struct deploy_tasks {
  epoch attempt;
  std::string run; ///< see operator_context
  std::uint32_t parallelism = 1;        ///< of the operators that do not set their own
  std::vector<std::uint32_t> placement; ///< by task: the number of its worker
  std::vector<worker_address> workers;
  std::vector<std::uint32_t> apart; ///< edges that are not chained; see make_plan
  std::uint8_t is_restored = 0;     ///< whether there are contents
  checkpoint_contents contents;     ///< of the checkpoint to start from, as far as the worker needs it
  std::vector<std::vector<bytes>> first_splits;
};

/// The task is to end as if it had been killed.
struct kill_hosted_task {};

/// What one task is told.
using task_order = std::variant<run_task, probe_loop, pass_last_watermark, close_loop, drain_source, stop_task,
                                take_snapshot, overtake_records, checkpoint_completed, checkpoint_aborted,
                                kill_hosted_task>;

struct order_to_task {
  epoch attempt;
  task_id task;
  task_order order;
};

/// Keep a copy of this checkpoint, as checkpoint_store::store() would store it.
struct keep_replica {
  completed_checkpoint checkpoint;
  std::vector<std::shared_ptr<const operator_snapshot>> operators; ///< with all their data
  checkpoint_id keep_from;
};

/// Send the copy of this checkpoint.
struct fetch_replica {
  checkpoint_id checkpoint;
};

/// Delete the copies of these checkpoints.
struct forget_replicas {
  std::vector<checkpoint_id> checkpoints;
};

/// This attempt has begun: should the coordinator be lost with its disk, the next one is to have a higher number.
struct note_attempt {
  epoch attempt;
};

using replica_order = std::variant<keep_replica, fetch_replica, forget_replicas, note_attempt>;

/// To what keeps copies of checkpoints on a worker; answered by replica_answered.
struct order_to_keeper {
  std::uint64_t question = 0; ///< its number
  replica_order order;
};

// worker -> coordinator

/// What a worker has kept.
struct replicas_held {
  std::vector<completed_checkpoint> checkpoints; ///< oldest first
  epoch attempt;                                 ///< the last that it has heard of
};

/// It has heard that it may.
struct worker_joined {
  bool keeps_replicas = false;
  replicas_held held;
};

struct replica_answered {
  std::uint64_t question = 0;
  errc code{};         ///< where there is a problem
  std::string problem; ///< empty: it is done
  replicas_held held;  ///< now
  checkpoint_contents contents; ///< of fetch_replica
};

/// What one task says of a checkpoint. The snapshots are all there: none is still to be read.
struct snapshot_sent {
  epoch attempt;
  checkpoint_id checkpoint;
  task_id task;
  duration longest_pause{};
  std::vector<operator_snapshot> operators;
};

/// A channel to another worker does not work any more.
struct peer_lost {
  epoch attempt;
  std::string name; ///< of that worker
  std::string reason;
};

/// It was told to end: its tasks do, and none of what they hold is lost.
struct worker_leaves {
  epoch attempt;
};

using to_worker = std::variant<worker_welcome, worker_refused, worker_released, deploy_tasks, order_to_task,
                               order_to_keeper>;
using to_coordinator = std::variant<worker_hello, worker_joined, task_opened, task_ended, loop_entry_ended, loop_probed, task_failed,
                                    task_stopped, snapshot_sent, snapshot_failed, completion_handled, peer_lost,
                                    worker_leaves, replica_answered>;

/// The messages as bytes; see wire.hpp.
bytes encoded_message(const to_worker& message);
bytes encoded_message(const to_coordinator& message);

/// Throw malformed_bytes.
void read_message(std::string_view data, to_worker& message);
void read_message(std::string_view data, to_coordinator& message);

/// The same content, with everything that a source would still have to read; of key groups those that `wants` says.
/// Any thread that may read the sources.
///
/// Errors: what a source could not read.
result<operator_snapshot> with_all_data(const operator_snapshot& from, const std::function<bool(key_group)>& wants);

} // namespace weir
