#include <weir/runtime/supervisor.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <weir/actors/task_actor.hpp>
#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/checkpoint_coordinator_actor.hpp>
#include <weir/snapshot/checkpoint_store_actor.hpp>

namespace weir {

namespace {

restart_config resolved(const job_config& config) {
  restart_config restart = config.restart;
  if (restart.strategy == restart_kind::automatic)
    restart.strategy = config.checkpoint.directory.empty() ? restart_kind::none
                                                           : restart_kind::exponential_delay;
  return restart;
}

std::int64_t unix_milliseconds() {
  return system_clock{}.now().time_since_epoch().count();
}

} // namespace

supervisor_actor::supervisor_actor(caf::actor_config& setup, supervised_job job, caf::actor registry,
                                   std::function<void(job_report)> done)
    : actor_base(setup), job_(std::move(job)), done_(std::move(done)),
      strategy_(resolved(job_.config)), registry_(std::move(registry)), regions_(regions_of(job_.plan)) {
  ignore_unknown_messages(*this);
  on_watched_end(*this, [this](const caf::actor_addr& who, const std::string& reason) {
    if (const auto task = task_of(who)) {
      task_has_stopped(*task, reason);
    } else if (who == coordinator_.address()) {
      coordinator_lost_ = coordinator_ended_ = true;
      helper_was_lost("the checkpoint coordinator", reason);
    } else if (store_ && who == store_.address()) {
      helper_was_lost("the checkpoint store", reason);
    }
  });
  on_exception(*this, [this] {
    report_.what = job_report::outcome::failed;
    report_.failure = "the supervisor failed: " + current_exception_text();
    answer_orders();
    report();
  });
  started_ms_ = unix_milliseconds();
  const caf::actor self = caf::actor_cast<caf::actor>(this);
  if (job_.store)
    store_ = spawn_detached<checkpoint_store_actor>(system(), job_.store);
  coordinator_ = spawn_detached<checkpoint_coordinator_actor>(
      system(), job_.config.checkpoint, job_.config.key_groups, self, store_);
  watch(*this, coordinator_);
  if (store_)
    watch(*this, store_);
}

void supervisor_actor::on_exit() {
  kill_actor(std::exchange(coordinator_, nullptr));
  if (store_)
    kill_actor(std::exchange(store_, nullptr));
  if (registry_)
    tell(*this, std::exchange(registry_, nullptr), release_workers{});
  for (const running_task& task : tasks_)
    kill_actor(task.actor);
  tasks_.clear();
  slots_ = {};
}

caf::behavior supervisor_actor::make_behavior() {
  return {
      [this](supervise) {
        if (registry_)
          claim_slots();
        else
          deploy(job_.first_attempt, std::exchange(job_.restored, nullptr), job_.highest);
      },
      [this](slots_claimed& answer) {
        if (phase_ != phase::claiming)
          return;
        slots_ = std::move(answer);
        if (attempt_ != epoch{})
          prepare_next_attempt();
        else if (store_)
          adopt_checkpoints();
        else
          deploy(job_.first_attempt, nullptr, {});
      },
      [this](const checkpoints_adopted& answer) {
        if (phase_ == phase::preparing)
          checkpoints_were_adopted(answer.changed);
      },
      [this](claim_again) {
        if (phase_ == phase::preparing)
          claim_slots();
      },
      [this](const task_opened& fact) {
        if (is_current(fact.attempt) && (phase_ == phase::opening || is_of_failed_region(fact.task)))
          task_was_opened(fact.task);
      },
      [this](const task_ended& fact) {
        if (is_current(fact.attempt) && phase_ == phase::running && !is_of_failed_region(fact.task))
          task_has_ended(fact.task);
      },
      [this](const loop_entry_ended& fact) {
        if (!is_current(fact.attempt) || phase_ != phase::running || is_of_failed_region(fact.task))
          return;
        note_of_loop(fact.task, [](loop_termination& loop, std::uint32_t head) { return loop.entry_ended(head); });
      },
      [this](const loop_probed& fact) {
        if (!is_current(fact.attempt) || phase_ != phase::running || is_of_failed_region(fact.task))
          return;
        note_of_loop(fact.task, [&](loop_termination& loop, std::uint32_t head) {
          return loop.probed(head, fact.round, fact.was_quiet);
        });
      },
      [this](const task_failed& fact) {
        if (!is_current(fact.attempt))
          return;
        // What does not open the first time is a mistake, and will not open the second time.
        is_hopeless_ |= !has_run_ && phase_ == phase::opening && !fact.may_pass;
        has_to_commit_ |= fact.has_to_commit;
        task_has_failed(fact.task, fact.reason);
      },
      [this](task_stopped& fact) {
        if (!is_current(fact.attempt))
          return;
        tasks_[fact.task.value].counts = std::move(fact.counts);
        if (registry_)
          kill_actor(tasks_[fact.task.value].actor); // it stands for nothing any more
        task_has_stopped(fact.task, "it ended without giving a reason");
      },
      [this](checkpoint_finished& fact) {
        if (!is_current(fact.attempt))
          return;
        last_complete_ = fact.checkpoint.id;
        newest_checkpoint_ = fact.checkpoint;
        last_counts_ = std::move(fact.counts);
        ++report_.checkpoints;
        report_.checkpoint_time += fact.took;
        report_.longest_pause = std::max(report_.longest_pause, fact.longest_pause);
        report_.checkpoint_bytes = fact.checkpoint.bytes;
      },
      [this](const checkpoint_failed& fact) {
        if (is_current(fact.attempt))
          ++report_.failed_checkpoints;
      },
      [this](const last_checkpoint_finished& fact) {
        if (is_current(fact.attempt) && (phase_ == phase::finishing || phase_ == phase::rescaling)) {
          failure_.clear();
          stop_tasks();
        }
      },
      [this](const checkpoints_failed& fact) {
        if (is_current(fact.attempt))
          fail(fact.reason);
      },
      [this](attempt_prepared& answer) {
        if (phase_ != phase::preparing)
          return;
        if (answer.attempt) {
          deploy(*answer.attempt, std::move(answer.restored), answer.highest);
          return;
        }
        // A disk may have room again; damage stays.
        const errc code = answer.attempt.failure().code;
        is_hopeless_ |= code != errc::io && code != errc::capacity;
        failure_ = answer.attempt.failure().message;
        log_error("the checkpoint to restart from cannot be read",
                  {{"job", job_.graph->name}, {"reason", failure_}});
        restart_or_give_up();
      },
      [this](const attempt_ended& fact) {
        if (!is_current(fact.attempt))
          return;
        coordinator_ended_ = true;
        all_stopped();
      },
      [this](const checkpoints_paused& fact) {
        if (!is_current(fact.attempt))
          return;
        if (region_restart_) {
          region_restart_->coordinator_paused = true;
          region_has_stopped();
        } else if (drain_requested_ && phase_ == phase::running) {
          drain_sources();
        }
      },
      [this](const region_restart_due& order) {
        if (is_current(order.attempt) && region_restart_ && region_restart_->number == order.restart &&
            region_restart_->at == region_restart::phase::delaying)
          prepare_region();
      },
      [this](checkpoint_read& answer) {
        if (!is_current(answer.attempt) || !region_restart_ || region_restart_->at != region_restart::phase::preparing)
          return;
        if (answer.contents)
          deploy_region(std::move(*answer.contents));
        else
          fail(answer.contents.failure().message);
      },
      [this](const checkpoints_deleted& answer) {
        if (!answer.outcome)
          log_warning("the checkpoints could not be deleted",
                      {{"reason", answer.outcome.failure().message}});
        done();
      },
      [this](job_ordered& message) { carry_out(std::move(message.order)); },
      [this](rescale_ordered& message) { carry_out(std::move(message.order)); },
      [this](status_ordered& message) { carry_out(std::move(message.order)); },
      [this](const workers_listed& answer) { workers_were_listed(answer.workers); },
      [this](const rescale_overdue& order) {
        if (is_current(order.attempt) && phase_ == phase::claiming && rescale_)
          rescale_is_overdue();
      },
      [this](const savepoint_taken& fact) {
        if (is_current(fact.attempt))
          answer_savepoint(fact);
      },
      [this](const kill_task& order) {
        for (const planned_chain& chain : job_.plan.chains)
          for (const std::uint32_t node : chain.operators)
            if (job_.graph->operators[node].name == order.operator_name &&
                order.instance < chain.parallelism && !tasks_.empty()) {
              const caf::actor& victim = tasks_[chain.first_task + order.instance].actor;
              if (registry_)
                tell(*this, victim, kill_hosted_task{});
              else
                kill_actor(victim);
            }
      },
      [this](const restart_due& order) {
        if (!is_current(order.attempt) || phase_ != phase::delaying)
          return;
        if (registry_)
          claim_slots();
        else
          prepare_next_attempt();
      },
      [this](const report_unstopped& order) {
        if (is_current(order.attempt))
          log_unstopped();
      },
  };
}

void supervisor_actor::deploy(epoch attempt, std::shared_ptr<const checkpoint_contents> contents,
                              checkpoint_id highest) {
  try {
    spawn_tasks(attempt, std::move(contents), highest);
  } catch (...) {
    is_hopeless_ = !rescale_; // then there is a plan that the job has run with
    fail("a task could not be made: " + current_exception_text());
  }
}

void supervisor_actor::spawn_tasks(epoch attempt,
                                   std::shared_ptr<const checkpoint_contents> contents,
                                   checkpoint_id highest) {
  attempt_ = attempt;
  phase_ = phase::opening;
  has_to_commit_ = false;
  failure_.clear();
  last_complete_ = contents ? contents->checkpoint.id : checkpoint_id{};
  newest_checkpoint_ = contents ? std::optional{contents->checkpoint} : std::nullopt;
  last_counts_.clear();
  if (contents)
    for (const operator_snapshot& snapshot : contents->operators)
      last_counts_[snapshot.uid] += snapshot.counts;
  tasks_.clear();
  region_restart_.reset();
  take_next_plan(contents.get());
  std::vector<connect_task> orders;
  if (registry_) {
    send_tasks(contents);
  } else {
    deployment made = make_deployment(
        *job_.graph, job_.plan, job_.config, run_name(),
        deal_out_states(*job_.graph, job_.plan, contents, job_.first_splits), contents);
    for (std::uint32_t i = 0; i < made.tasks.size(); ++i)
      tasks_.push_back(spawn(task_id{i}, std::move(made.tasks[i])));
    orders = orders_to_connect(made.channels);
  }
  std::vector<caf::actor> actors;
  for (const running_task& task : tasks_)
    actors.push_back(task.actor);
  tell(*this, coordinator_, coordinate_attempt{attempt_, actors, highest, last_complete_});
  for (std::size_t i = 0; i < orders.size(); ++i)
    tell(*this, actors[i], std::move(orders[i]));
}

/// Without a store, attempts are counted from 1 again in each process.
std::string supervisor_actor::run_name() const {
  return make_run_name(store_ ? attempt_ : epoch{});
}

supervisor_actor::running_task supervisor_actor::spawn(task_id id, task_blueprint blueprint) {
  running_task task;
  task.name = blueprint.name;
  task.actor = spawn_task(system(), attempt_, id, std::move(blueprint), job_.config.task, job_.config.checkpoint.mode,
                          job_.plan.key_groups, caf::actor_cast<caf::actor>(this));
  watch(*this, task.actor);
  return task;
}

std::vector<connect_task> supervisor_actor::orders_to_connect(const std::vector<planned_channel>& channels) const {
  std::vector<connect_task> orders(tasks_.size());
  for (connect_task& order : orders)
    order.coordinator = coordinator_;
  for (const planned_channel& channel : channels) {
    auto& outputs = orders[channel.from_task].outputs;
    auto& inputs = orders[channel.to_task].inputs;
    outputs.resize(std::max<std::size_t>(outputs.size(), channel.output + 1));
    inputs.resize(std::max<std::size_t>(inputs.size(), channel.input + 1));
    outputs[channel.output] = {tasks_[channel.to_task].actor, channel.input};
    inputs[channel.input] = {tasks_[channel.from_task].actor, channel.output};
  }
  return orders;
}

void supervisor_actor::task_was_opened(task_id task) {
  tasks_[task.value].opened = true;
  if (!std::all_of(tasks_.begin(), tasks_.end(), [](const auto& one) { return one.opened; }))
    return;
  if (region_restart_)
    run_region();
  else
    run_tasks();
}

void supervisor_actor::begin_loop(std::uint32_t chain) {
  const planned_chain& heads = job_.plan.chains[chain];
  if (job_.graph->operators[heads.operators.front()].kind == "iterate")
    loops_.insert_or_assign(chain, loop_termination(heads.parallelism));
}

void supervisor_actor::run_tasks() {
  phase_ = phase::running;
  has_run_ = true;
  running_since_ms_ = unix_milliseconds();
  for (std::uint32_t chain = 0; chain < job_.plan.chains.size(); ++chain)
    begin_loop(chain);
  log_info(last_complete_ == checkpoint_id{} ? "job runs from the beginning"
                                             : "job runs from a checkpoint",
           {{"job", job_.graph->name},
            {"attempt", to_string(attempt_)},
            {"tasks", tasks_.size()},
            {"checkpoint", to_string(last_complete_)}});
  for (const running_task& task : tasks_)
    tell(*this, task.actor, run_task{});
  tell(*this, coordinator_, start_checkpoints{attempt_});
  if (rescale_)
    rescaled();
  if (drain_requested_)
    request_drain();
  else if (stop_requested_)
    request_stop();
}

void supervisor_actor::task_has_ended(task_id task) {
  tasks_[task.value].ended = true;
  if (!std::all_of(tasks_.begin(), tasks_.end(), [](const auto& one) { return one.ended; }))
    return;
  phase_ = phase::finishing;
  report_.what = job_report::outcome::finished;
  tell(*this, coordinator_, take_last_checkpoint{attempt_, false, last_savepoint_, false});
}

std::uint32_t supervisor_actor::chain_of(task_id task) const {
  std::uint32_t chain = 0;
  while (task.value >= job_.plan.chains[chain].first_task + job_.plan.chains[chain].parallelism)
    ++chain;
  return chain;
}

template <class Note>
void supervisor_actor::note_of_loop(task_id task, Note note) {
  const std::uint32_t chain = chain_of(task);
  take_step(chain, note(loops_.at(chain), task.value - job_.plan.chains[chain].first_task));
}

void supervisor_actor::take_step(std::uint32_t chain, loop_termination::step what) {
  const planned_chain& heads = job_.plan.chains[chain];
  for (std::uint32_t i = heads.first_task; i < heads.first_task + heads.parallelism; ++i) {
    const caf::actor& head = tasks_[i].actor;
    switch (what) {
    case loop_termination::step::none: break;
    case loop_termination::step::pass_watermark:
      tell(*this, head, pass_last_watermark{});
      [[fallthrough]];
    case loop_termination::step::probe: tell(*this, head, probe_loop{loops_.at(chain).round()}); break;
    case loop_termination::step::close: tell(*this, head, close_loop{}); break;
    }
  }
}

void supervisor_actor::fail(const std::string& reason) {
  if (phase_ != phase::opening && phase_ != phase::running && phase_ != phase::rescaling && phase_ != phase::finishing)
    return;
  for (const job_order& order : std::exchange(savepoints_, {}))
    order.done(error{errc::checkpoint, "the job has failed meanwhile, and restarts: " + reason});
  failure_ = reason;
  log_error("job failed", {{"job", job_.graph->name},
                           {"attempt", to_string(attempt_)},
                           {"reason", reason}});
  stop_tasks();
}

void supervisor_actor::stop_tasks() {
  phase_ = phase::stopping;
  region_restart_.reset();
  coordinator_ended_ = coordinator_lost_;
  tell(*this, coordinator_, end_attempt{attempt_});
  for (const running_task& task : tasks_)
    if (!task.stopped)
      tell(*this, task.actor, stop_task{});
  tell_self_later(*this, patience_with_tasks, report_unstopped{attempt_});
  all_stopped();
}

void supervisor_actor::task_has_stopped(task_id task, const std::string& reason) {
  running_task& stopped = tasks_[task.value];
  if (std::exchange(stopped.stopped, true))
    return;
  task_has_failed(task, "task '" + stopped.name + "' was lost: " + reason);
  all_stopped();
}

void supervisor_actor::helper_was_lost(const std::string& which, const std::string& reason) {
  const std::string lost = which + " was lost: " + reason;
  is_hopeless_ = true;
  switch (phase_) {
  case phase::opening:
  case phase::running:
  case phase::rescaling:
  case phase::finishing: fail(lost); break;
  case phase::claiming:
  case phase::delaying:
  case phase::preparing: give_up(lost); break; // nobody would answer
  case phase::stopping:
    if (failure_.empty())
      failure_ = lost;
    all_stopped();
    break;
  }
}

void supervisor_actor::all_stopped() {
  if (phase_ != phase::stopping || !coordinator_ended_ ||
      !std::all_of(tasks_.begin(), tasks_.end(), [](const auto& one) { return one.stopped; }))
    return;
  if (!failure_.empty() && !cancel_requested_)
    restart_or_give_up();
  else if (rescale_ && !cancel_requested_)
    deploy_rescaled();
  else
    finish();
}

void supervisor_actor::restart_or_give_up() {
  // What a complete checkpoint owns is to be committed before the job stops, and a job that is drained goes on to its
  // end like any other.
  if (stop_requested_ && !drain_requested_ && !has_to_commit_) {
    give_up("stopped without a last checkpoint: " + failure_);
    return;
  }
  if (is_hopeless_) {
    give_up(failure_);
    return;
  }
  const auto delay = strategy_.on_failure(std::chrono::steady_clock::now());
  if (!delay) {
    give_up(failure_);
    return;
  }
  ++report_.restarts;
  last_failure_ = failure_;
  go_back(failure_);
  // What follows the restart will be the last checkpoint, and the savepoint is to be the same.
  if (last_savepoint_taken_ && *last_savepoint_taken_) {
    std::error_code ignored; // then the next one is refused, and that is said
    std::filesystem::remove(last_savepoint_, ignored);
  }
  last_savepoint_taken_.reset();
  phase_ = phase::delaying;
  log_info("restarting the job", {{"job", job_.graph->name},
                                  {"delay", duration_text(*delay)},
                                  {"checkpoint", to_string(last_complete_)},
                                  {"failures", strategy_.failures()}});
  tell_self_later(*this, *delay, restart_due{attempt_});
}

void supervisor_actor::prepare_next_attempt() {
  phase_ = phase::preparing;
  if (store_)
    tell(*this, store_, prepare_attempt{attempt_, last_complete_});
  else
    deploy(attempt_.next(), nullptr, checkpoint_id{});
}

void supervisor_actor::give_up(const std::string& reason) {
  report_.what = job_report::outcome::failed;
  report_.failure = reason;
  done();
}

void supervisor_actor::finish() {
  const bool cancelled = report_.what == job_report::outcome::stopped;
  if (cancelled && store_ && !job_.config.checkpoint.retain_on_cancel)
    tell(*this, store_, delete_checkpoints{});
  else
    done();
}

void supervisor_actor::done() {
  leave_workers();
  answer_orders();
  report_.operators = operator_reports();
  report();
  quit();
}

std::vector<operator_report> supervisor_actor::operator_reports() const {
  std::vector<operator_report> all;
  const bool has_failed = report_.what == job_report::outcome::failed;
  for (const operator_node& node : job_.graph->operators) {
    const auto found = last_counts_.find(node.uid);
    all.push_back({node.name, has_failed || found == last_counts_.end() ? record_counts{} : found->second});
  }
  if (!has_failed)
    return all;
  for (const planned_chain& chain : job_.plan.chains)
    for (std::uint32_t i = 0; i < chain.parallelism && chain.first_task + i < tasks_.size(); ++i) {
      const std::vector<record_counts>& counts = tasks_[chain.first_task + i].counts;
      for (std::size_t place = 0; place < counts.size(); ++place)
        all[chain.operators[place]].counts += counts[place];
    }
  return all;
}

void supervisor_actor::report() {
  if (const auto tell_outcome = std::exchange(done_, nullptr))
    tell_outcome(report_);
}

std::optional<task_id> supervisor_actor::task_of(const caf::actor_addr& address) const {
  for (std::uint32_t i = 0; i < tasks_.size(); ++i)
    if (tasks_[i].actor.address() == address)
      return task_id{i};
  return std::nullopt;
}

} // namespace weir
