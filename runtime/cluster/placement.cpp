#include <weir/runtime/cluster/placement.hpp>

#include <algorithm>
#include <thread>
#include <utility>

namespace weir {

std::uint32_t slots_of(const job_plan& plan) {
  std::uint32_t most = 1;
  for (const planned_chain& chain : plan.chains)
    most = std::max(most, chain.parallelism);
  return most;
}

std::vector<std::uint32_t> place_slots(std::uint32_t slots, std::vector<std::uint32_t> free, task_placement how) {
  std::vector<std::uint32_t> placed;
  for (std::uint32_t i = 0; i < slots; ++i) {
    const auto chosen = how == task_placement::spread
                            ? std::max_element(free.begin(), free.end())
                            : std::find_if(free.begin(), free.end(), [](std::uint32_t left) { return left != 0; });
    --*chosen;
    placed.push_back(static_cast<std::uint32_t>(chosen - free.begin()));
  }
  return placed;
}

std::vector<std::uint32_t> place_tasks(const job_plan& plan, const std::vector<std::uint32_t>& slots) {
  std::vector<std::uint32_t> workers(plan.tasks);
  for (const planned_chain& chain : plan.chains)
    for (std::uint32_t i = 0; i < chain.parallelism; ++i)
      workers[chain.first_task + i] = slots[i];
  return workers;
}

std::uint32_t slots_of_local_worker(const job_config& config) {
  if (config.cluster.slots != 0)
    return config.cluster.slots;
  const std::uint32_t workers = config.cluster.workers;
  return (std::max(config.parallelism, std::max(1u, std::thread::hardware_concurrency())) + workers - 1) / workers;
}

planned_workers plan_workers(const job_plan& plan, const job_config& config) {
  planned_workers made{config.cluster.workers, slots_of_local_worker(config), slots_of(plan), {}};
  if (std::uint64_t{made.workers} * made.slots_each >= made.slots_needed) {
    std::vector<std::uint32_t> free(made.workers, made.slots_each);
    made.worker_of = place_tasks(plan, place_slots(made.slots_needed, std::move(free), config.cluster.placement));
  }
  return made;
}

} // namespace weir
