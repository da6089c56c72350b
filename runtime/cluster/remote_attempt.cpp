#include <weir/runtime/supervisor.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/runtime/cluster/leadership.hpp>
#include <weir/runtime/cluster/placement.hpp>
#include <weir/runtime/cluster/remote_task.hpp>
#include <weir/runtime/starting_point.hpp>

/// \file
/// The part of the supervisor that has tasks run by workers.

namespace weir {

namespace {

constexpr std::chrono::seconds time_to_come{2}; // for workers that hold what is missing

// Before another coordinator is to lead, which may have what is missing here.
constexpr int most_times_missed = 5;

} // namespace

void supervisor_actor::claim_slots() {
  phase_ = phase::claiming; // of the plan that the next attempt has
  tell(*this, registry_, weir::claim_slots{slots_of(next_plan_ ? next_plan_->plan : job_.plan)});
}

/// Where another coordinator leads, workers are not let go: they lose this one, and look for the one that leads.
void supervisor_actor::leave_workers() {
  if (registry_ && job_.leads && job_.leads->is_over())
    kill_actor(registry_);
}

/// Before the first attempt: what this process has lost of the job's checkpoints, workers may have.
void supervisor_actor::adopt_checkpoints() {
  phase_ = phase::preparing;
  tell(*this, store_,
       weir::adopt_checkpoints{job_.restored ? job_.restored->checkpoint.id : checkpoint_id{}});
}

void supervisor_actor::checkpoints_were_adopted(const result<bool>& changed) {
  if (!changed)
    return cannot_start_yet(changed.failure());
  if (!*changed && job_.has_start) {
    deploy(job_.first_attempt, std::exchange(job_.restored, nullptr), job_.highest);
    return;
  }
  if (const status chosen = choose_starting_point(job_); chosen)
    adopt_checkpoints(); // again: now there is one that can be secured
  else
    cannot_start_yet(chosen.failure());
}

/// Tries again where that may help.
void supervisor_actor::cannot_start_yet(const error& reason) {
  if (reason.code != errc::io && reason.code != errc::capacity && reason.code != errc::checkpoint) {
    give_up(reason.message);
    return;
  }
  log_warning("the job cannot start yet", {{"job", job_.graph->name}, {"reason", reason.message}});
  if (job_.leads && reason.code == errc::checkpoint && ++times_missed_ == most_times_missed) {
    job_.leads->resign("it does not have the last complete checkpoint, and no worker has come with it");
    return; // which cancels the job
  }
  tell_self_later(*this, time_to_come, claim_again{});
}

/// Tells the workers of this attempt which tasks are theirs, and makes an actor here for each.
void supervisor_actor::send_tasks(const std::shared_ptr<const checkpoint_contents>& contents) {
  const caf::actor self = caf::actor_cast<caf::actor>(this);
  deploy_tasks order;
  order.attempt = attempt_;
  order.run = run_name();
  order.parallelism = job_.config.parallelism;
  order.apart.assign(job_.apart.begin(), job_.apart.end());
  order.first_splits = job_.first_splits;
  std::vector<std::uint32_t> place = place_tasks(job_.plan, slots_.slots); // among those that have joined
  for (const std::uint32_t index : place)
    order.placement.push_back(slots_.workers[index].number);
  std::vector<deploy_actor::share> shares;
  for (std::uint32_t index = 0; index < slots_.workers.size(); ++index) {
    const joined_worker& worker = slots_.workers[index];
    if (std::find(place.begin(), place.end(), index) == place.end())
      continue;
    order.workers.push_back({worker.number, worker.name, worker.host, worker.port});
    tell(*this, worker.connection, serve_attempt{attempt_, self, coordinator_});
    // A worker needs the key groups of the instances that it runs.
    std::map<std::string, std::vector<key_group_range>> ranges; // by uid
    for (std::uint32_t node = 0; node < job_.graph->operators.size(); ++node)
      for (std::uint32_t i = 0; i < job_.plan.parallelism[node]; ++i)
        if (place[job_.plan.chains[job_.plan.chain_of[node]].first_task + i] == index)
          ranges[job_.graph->operators[node].uid].push_back(
              groups_of(i, job_.plan.parallelism[node], job_.plan.key_groups));
    shares.push_back({worker, [ranges = std::move(ranges)](const std::string& uid, key_group group) {
                        const auto found = ranges.find(uid);
                        return found != ranges.end() &&
                               std::any_of(found->second.begin(), found->second.end(),
                                           [&](const key_group_range& range) { return range.contains(group); });
                      }});
  }
  for (const planned_chain& chain : job_.plan.chains)
    for (std::uint32_t i = 0; i < chain.parallelism; ++i) {
      running_task task;
      task.name = chain.name + " [" + std::to_string(i) + "]";
      task.worker = slots_.workers[place[chain.first_task + i]].number;
      task.actor = spawn_actor<remote_task_actor>(system(), attempt_, task_id{chain.first_task + i},
                                                  slots_.workers[place[chain.first_task + i]], self);
      watch(*this, task.actor);
      tasks_.push_back(std::move(task));
    }
  tell(*this, spawn_detached<deploy_actor>(system(), std::move(order), std::move(shares), contents, self),
       send_deployment{});
}

} // namespace weir
