#pragma once

#include <cstdint>
#include <vector>

#include <weir/runtime/cluster/cluster_config.hpp>
#include <weir/runtime/plan.hpp>

namespace weir {

/// How many slots a plan takes: a slot holds one instance of each operator, so as many as the operator with the most
/// instances has.
std::uint32_t slots_of(const job_plan& plan);

/// The worker of each of `slots` slots, as a number in `free`: how many each has. There must be enough.
std::vector<std::uint32_t> place_slots(std::uint32_t slots, std::vector<std::uint32_t> free, task_placement how);

/// The worker of each task, when slot i is on slots[i]: instance i of every operator is in slot i, so that what goes from
/// one instance to one stays in a process.
std::vector<std::uint32_t> place_tasks(const job_plan& plan, const std::vector<std::uint32_t>& slots);

/// How many slots each of config.cluster.workers processes that `run` starts has: those of cluster.slots, or as many as
/// the job's parallelism and this machine's cores take.
std::uint32_t slots_of_local_worker(const job_config& config);

/// Where the tasks of a plan run on config.cluster.workers workers, when all have joined before the first task starts.
planned_workers plan_workers(const job_plan& plan, const job_config& config);

} // namespace weir
