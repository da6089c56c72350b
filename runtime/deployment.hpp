#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <weir/actors/task.hpp>
#include <weir/base/error.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/state/restored_state.hpp>

namespace weir {

/// One channel of a plan: from a task's numbered output to a task's numbered input.
struct planned_channel {
  std::uint32_t from_task;
  std::uint32_t output;
  std::uint32_t to_task;
  std::uint32_t input;
  const batch_codec* codec; ///< nullptr: its records cannot leave the process
};

/// All tasks of a plan, ready to be spawned, and how they are connected.
struct deployment {
  std::vector<task_blueprint> tasks;
  std::vector<planned_channel> channels;
};

/// What every operator instance starts from: by operator of the graph, then by instance.
using starting_states = std::vector<std::vector<restored_state>>;

/// Whether state from `contents` fits the topology.
///
/// Errors: state_mismatch, with every mismatch on a line of its own: state that no operator claims,
///         an operator whose kind has changed, another number of key groups.
status check_restorable(const topology_graph& graph, const job_plan& plan,
                        const checkpoint_contents& contents, bool allow_dropped_state);

/// Deals out a checkpoint to the instances of a plan. Sources that the checkpoint does not know, and
/// all of them where `contents` is null, get their share of `first_splits`, which is by operator of
/// the graph.
starting_states deal_out_states(const topology_graph& graph, const job_plan& plan,
                                const std::shared_ptr<const checkpoint_contents>& contents,
                                const std::vector<std::vector<bytes>>& first_splits);

/// A name for one deployment of the job, as operator_context::run. `attempt`: its number, where those of a job are
/// counted across its starts; otherwise 0.
std::string make_run_name(epoch attempt);

/// Makes the blueprints of all tasks. What was under way in `contents`, which may be null, is replayed.
deployment make_deployment(const topology_graph& graph, const job_plan& plan, const job_config& config,
                           const std::string& run, starting_states states,
                           const std::shared_ptr<const checkpoint_contents>& contents);

/// Where the working state of a job is, if that is on disk.
std::filesystem::path working_directory(const job_config& config);

} // namespace weir
