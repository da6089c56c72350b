#include <weir/runtime/supervisor.hpp>

#include <stdexcept>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/cluster/placement.hpp>
#include <weir/runtime/replay.hpp>
#include <weir/runtime/settings.hpp>

/// \file
/// The part of the supervisor that has a running job go on with another parallelism. What is wrong with that is found
/// before anything is stopped. From then on until all tasks run again, whatever goes wrong takes the job back to the
/// parallelism that it had, over a restart like any other, and from the checkpoint that was taken if that is there.

namespace weir {

void supervisor_actor::carry_out(rescale_order order) {
  if (!registry_)
    return begin_rescale(std::move(order), std::nullopt);
  rescales_to_check_.push_back(std::move(order));
  tell(*this, registry_, list_workers{});
}

/// Whether the job could be rescaled at all just now.
status supervisor_actor::check_rescale() const {
  if (!store_)
    return error{errc::invalid_setting, "the job stores no checkpoints (checkpoint.dir), so there is nothing that it could "
                                        "go on from with another parallelism"};
  if (stop_requested_)
    return error{errc::checkpoint, "the job stops already: start it again with another parallelism"};
  if (rescale_)
    return error{errc::in_use, "the job is being rescaled already: try again when it runs"};
  if (phase_ != phase::running || region_restart_)
    return error{errc::checkpoint, "the job is not running just now: it starts, restarts or stops; try again"};
  return {};
}

result<supervisor_actor::scaled_plan> supervisor_actor::plan_with(std::uint32_t parallelism,
                                                                  std::set<std::uint32_t> apart) const {
  job_config config = job_.config;
  if (const status assigned = find_setting("parallelism")->assign(config, std::to_string(parallelism)); !assigned)
    return in_context("parallelism", assigned.failure());
  auto plan = make_plan(*job_.graph, config, apart);
  if (!plan)
    return std::move(plan.failure());
  if (registry_)
    if (status movable = check_records_can_move(*job_.graph, *plan); !movable)
      return std::move(movable.failure());
  return scaled_plan{parallelism, std::move(*plan), std::move(apart)};
}

/// `slots`: that the workers have; nothing where there are none.
void supervisor_actor::begin_rescale(rescale_order order, std::optional<std::uint32_t> slots) {
  if (const status possible = check_rescale(); !possible)
    return order.done(possible.failure());
  auto made = plan_with(order.parallelism, {});
  if (!made)
    return order.done(made.failure());
  const std::uint32_t before = job_.config.parallelism;
  if (made->plan.parallelism == job_.plan.parallelism) {
    job_.config.parallelism = order.parallelism;
    return order.done(rescale_outcome{before, order.parallelism, std::nullopt, duration::zero()});
  }
  if (const std::uint32_t wanted = slots_of(made->plan); slots && *slots < wanted)
    return order.done(error{errc::capacity, "a parallelism of " + std::to_string(order.parallelism) + " takes " +
                                                std::to_string(wanted) + " slots, and the workers have " +
                                                std::to_string(*slots) +
                                                ": start more of them, or give them more slots (--slots)"});
  log_info("rescaling: taking a checkpoint to go on from",
           {{"job", job_.graph->name}, {"from", before}, {"to", order.parallelism}});
  next_plan_ = std::move(*made);
  rescale_ = rescaling{std::move(order), {before, job_.plan, job_.apart}, std::chrono::steady_clock::now()};
  phase_ = phase::rescaling;
  // What is under way where records are not divided by key would come elsewhere than what follows it, and could come later.
  tell(*this, coordinator_, take_last_checkpoint{.attempt = attempt_, .stop = true, .savepoint = {}, .aligned = true});
}

/// All tasks have stopped, and everything is in the checkpoint: if the job is to stop, it has.
void supervisor_actor::deploy_rescaled() {
  if (stop_requested_ && !drain_requested_) {
    report_.what = job_report::outcome::stopped;
    finish();
  } else if (registry_) {
    claim_slots();
    tell_self_later(*this, job_.config.cluster.timeout, rescale_overdue{attempt_});
  } else {
    prepare_next_attempt();
  }
}

/// A worker was lost since they were counted.
void supervisor_actor::rescale_is_overdue() {
  go_back("the workers have too few slots now: one was lost meanwhile");
  claim_slots();
}

/// The plan of the attempt that begins. What was under way in the checkpoint comes again on channels, so its edges have to
/// be some. Throws what is wrong.
void supervisor_actor::take_next_plan(const checkpoint_contents* contents) {
  if (!next_plan_)
    return;
  scaled_plan next = *std::exchange(next_plan_, std::nullopt);
  if (contents)
    if (auto apart = edges_to_replay(*job_.graph, *contents); !apart.empty()) {
      apart.insert(next.apart.begin(), next.apart.end());
      auto made = plan_with(next.parallelism, std::move(apart));
      if (!made)
        throw std::runtime_error(made.failure().message);
      next = std::move(*made);
    }
  job_.config.parallelism = next.parallelism;
  job_.plan = std::move(next.plan);
  job_.apart = std::move(next.apart);
  regions_ = regions_of(job_.plan);
  loops_.clear();
  if (rescale_)
    rescale_->is_deployed = true;
}

void supervisor_actor::rescaled() {
  rescale_outcome outcome{rescale_->before.parallelism, job_.config.parallelism, newest_checkpoint_,
                          std::chrono::steady_clock::now() - rescale_->since};
  log_info("rescaled", {{"job", job_.graph->name},
                        {"from", outcome.before},
                        {"to", outcome.after},
                        {"checkpoint", to_string(last_complete_)},
                        {"pause_ms", std::chrono::duration<double, std::milli>(outcome.pause).count()}});
  std::exchange(rescale_, std::nullopt)->order.done(std::move(outcome));
}

/// What is under way comes to nothing: the next attempt has the plan that the job had.
void supervisor_actor::go_back(const std::string& reason) {
  if (!rescale_)
    return;
  rescaling failed = *std::exchange(rescale_, std::nullopt);
  const std::string parallelism = std::to_string(failed.before.parallelism);
  log_warning("the job was not rescaled", {{"job", job_.graph->name}, {"parallelism", parallelism}, {"reason", reason}});
  next_plan_ = failed.is_deployed ? std::optional{std::move(failed.before)} : std::nullopt;
  failed.order.done(error{errc::checkpoint, "the job was not rescaled, and restarts with a parallelism of " + parallelism +
                                                ": " + reason});
}

} // namespace weir
