#include <weir/runtime/cluster/placement.hpp>

#include <algorithm>

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

} // namespace weir
