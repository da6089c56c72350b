#pragma once

#include <weir/base/error.hpp>
#include <weir/runtime/supervisor.hpp>

namespace weir {

/// Begins a job's first attempt in its store, and chooses the checkpoint that it goes on from; fills in what of `job` follows
/// from that: restored, highest, first_attempt, first_splits, and the plan. Can be done again, when the store has got other
/// checkpoints.
///
/// Errors: those of the store, state_mismatch where the checkpoint does not fit the topology, and what sources and
///         connectors have against this start, of all of them.
status choose_starting_point(supervised_job& job);

/// Whether a store does not list its checkpoints because the last one is not in it: workers may have that.
bool is_with_workers(const supervised_job& job, const error& why);

/// Whether the job stores checkpoints and has none, or not the last, as at its first start, or on another machine.
result<bool> is_without_checkpoints(const supervised_job& job);

} // namespace weir
