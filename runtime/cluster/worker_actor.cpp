#include <weir/runtime/cluster/worker_actor.hpp>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include <weir/actors/operator_error.hpp>
#include <weir/actors/task_actor.hpp>
#include <weir/base/hash.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/cluster/peer_link.hpp>
#include <weir/runtime/cluster/shared_settings.hpp>
#include <weir/runtime/plan.hpp>

namespace weir {

snapshot_sender_actor::snapshot_sender_actor(caf::actor_config& setup, caf::actor worker)
    : actor_base(setup), worker_(std::move(worker)) {
  ignore_unknown_messages(*this);
}

caf::behavior snapshot_sender_actor::make_behavior() {
  return {
      [this](const snapshot_taken& fact) {
        snapshot_sent sent{fact.attempt, fact.checkpoint, fact.task, fact.longest_pause, {}};
        for (const auto& one : *fact.operators) {
          auto read = with_all_data(*one, [](key_group) { return true; });
          if (!read) {
            send(snapshot_failed{fact.attempt, fact.checkpoint, read.failure().message});
            return;
          }
          sent.operators.push_back(std::move(*read));
        }
        send(sent);
      },
      [this](const snapshot_failed& fact) { send(fact); },
      [this](const completion_handled& fact) { send(fact); },
  };
}

worker_actor::worker_actor(caf::actor_config& setup, worker_setup what)
    : connection_actor(setup, what.config.cluster), setup_(std::move(what)), config_(setup_.config) {
  on_exception(*this, [this] {
    if (const auto tell_end = std::exchange(setup_.done, nullptr))
      tell_end({worker_end::cause::lost, has_joined_, "the worker failed: " + current_exception_text()});
  });
}

caf::behavior worker_actor::make_behavior() {
  const caf::actor self = caf::actor_cast<caf::actor>(this);
  pulse_ = spawn_detached<link_pulse_actor>(system(), config_.cluster.heartbeat);
  snapshots_ = spawn_detached<snapshot_sender_actor>(system(), self);
  keeper_ = spawn_detached<replica_keeper_actor>(system(), setup_.replicas, self);
  watch(*this, keeper_); // nobody would answer for it
  return connection_behavior().or_else(caf::message_handler{
      [this](leave_cluster) {
        if (has_joined_ && !is_lost() && !ending_)
          report(worker_leaves{attempt_});
        flush();
        end(worker_end::cause::left, "it was told to");
      },
      [this](report_hosted_unstopped) { log_unstopped(); },
      [this](const replicas_opened& answer) { replicas_were_opened(answer); },
      [this](const peer_connected& fact) { peer_has_connected(fact); },
      [this](const link_lost& fact) {
        if (fact.attempt == attempt_ && !links_.empty())
          report(peer_lost{fact.attempt, fact.worker, fact.reason});
      },
      [this](const task_opened& fact) { report(fact); },
      [this](const task_ended& fact) { report(fact); },
      [this](const loop_entry_ended& fact) { report(fact); },
      [this](const loop_probed& fact) { report(fact); },
      [this](const task_failed& fact) { report(fact); },
      [this](const task_stopped& fact) { task_has_stopped(fact); },
  });
}

void worker_actor::on_exit() {
  connection_actor::on_exit();
  port_.reset();
  for (caf::actor* helper : {&pulse_, &snapshots_, &keeper_})
    if (*helper)
      kill_actor(std::exchange(*helper, nullptr));
  for (const auto& [number, link] : links_)
    kill_actor(link);
  for (const auto& [id, task] : tasks_)
    kill_actor(task.actor);
  links_.clear();
  tasks_.clear();
  connected_.clear();
}

void worker_actor::begin() {
  find_published(*this, setup_.coordinator, timeout(), "start the coordinator", [this](result<caf::actor> registry) {
    if (registry)
      join(*registry);
    else
      lose(registry.failure().message);
  });
}

void worker_actor::join(const caf::actor& registry) {
  // The address that this process has on the way there is an interface of this machine; what the user says need not be.
  const std::string own = own_address_towards(setup_.coordinator);
  const std::string& host = setup_.config.cluster.host;
  auto let_in = [&system = system(), pulse = pulse_, self = caf::actor_cast<caf::actor>(this)](
                    const link_greeting& greeting, link_socket connected) {
    auto stream = std::make_shared<link_stream>(system, std::move(connected));
    tell_anonymously(pulse, keep_beating{stream});
    tell_anonymously(self, peer_connected{greeting, std::move(stream)});
  };
  auto port = guarded_port::open({host.empty() ? own : std::string(), 0}, link_admissions(system(), std::move(let_in)));
  if (!port)
    return lose(port.failure().message);
  port_ = std::move(*port);
  watch(*this, registry);
  expect_peer();
  const worker_hello hello{setup_.graph->name,    topology_digest(*setup_.graph), program_digest(), setup_.name,
                           config_.cluster.slots, host.empty() ? own : host,      port_->number()};
  tell(*this, registry, encoded_message(to_coordinator{hello}));
}

void worker_actor::receive(std::string_view message) {
  to_worker what;
  read_message(message, what);
  std::visit([this](auto& one) { handle(one); }, what);
}

void worker_actor::handle(const worker_welcome& message) {
  auto shared = with_shared_settings(setup_.config, *setup_.options, message.settings);
  if (!shared) {
    end(worker_end::cause::refused, shared.failure().message);
    return;
  }
  // What this process keeps on disk is where its own settings say, and whether anything is stored the coordinator says.
  const std::filesystem::path working = working_directory(setup_.config);
  config_ = std::move(*shared);
  config_.state.directory = working;
  config_.checkpoint.directory = message.is_stored ? working : std::filesystem::path();
  tell(*this, pulse_, beat_every{config_.cluster.heartbeat});
  number_ = message.worker;
  has_joined_ = true;
  if (message.keeps_replicas)
    tell(*this, keeper_, open_replicas{setup_.graph->name, config_.checkpoint});
  else
    report(worker_joined{});
  log_info("joined the coordinator", {{"job", setup_.graph->name}, {"worker", setup_.name}, {"slots", config_.cluster.slots}});
}

void worker_actor::replicas_were_opened(const replicas_opened& answer) {
  if (!answer.outcome)
    log_warning("this worker keeps no copies of checkpoints",
                {{"job", setup_.graph->name}, {"reason", answer.outcome.failure().message}});
  report(worker_joined{answer.outcome.has_value(), answer.held});
}

void worker_actor::handle(const worker_refused& message) {
  end(worker_end::cause::refused, message.reason);
}

void worker_actor::handle(const worker_released&) {
  end(worker_end::cause::released, "the job has ended");
}

void worker_actor::handle(deploy_tasks& order) {
  if (order.attempt <= stopped_attempt_ || ending_)
    return;
  attempt_ = order.attempt;
  run_ = hash_bytes(order.run.data(), order.run.size());
  for (const auto& [number, link] : std::exchange(links_, {}))
    kill_actor(link);
  tasks_.clear();
  std::vector<task_id> own;
  for (std::uint32_t i = 0; i < order.placement.size(); ++i)
    if (order.placement[i] == number_)
      own.push_back(task_id{i});
  try {
    make_tasks(order);
  } catch (...) {
    // Those that were made say themselves that they have stopped.
    if (!own.empty())
      report(task_failed{attempt_, own.front(), "a task could not be made: " + current_exception_text(), false});
  }
  for (const task_id id : own)
    if (!tasks_.contains(id))
      report(task_stopped{attempt_, id, {}});
}

void worker_actor::make_tasks(deploy_tasks& order) {
  config_.parallelism = order.parallelism; // which the coordinator may have been told to change
  const auto plan = make_plan(*setup_.graph, config_, {order.apart.begin(), order.apart.end()});
  if (!plan)
    throw std::runtime_error(plan.failure().message);
  if (plan->tasks != order.placement.size())
    throw std::runtime_error("the coordinator has planned " + std::to_string(order.placement.size()) + " tasks, and here " +
                             std::to_string(plan->tasks) + " come out: start the same program on all machines");
  std::shared_ptr<const checkpoint_contents> contents;
  if (order.is_restored != 0)
    contents = std::make_shared<const checkpoint_contents>(std::move(order.contents));
  deployment made = make_deployment(*setup_.graph, *plan, config_, order.run,
                                    deal_out_states(*setup_.graph, *plan, contents, order.first_splits), contents);
  for (std::uint32_t i = 0; i < made.tasks.size(); ++i)
    if (order.placement[i] == number_) {
      hosted_task& hosted = tasks_[task_id{i}];
      hosted.name = made.tasks[i].name;
      hosted.actor =
          spawn_task(system(), attempt_, task_id{i}, std::move(made.tasks[i]), config_.task, config_.checkpoint.mode,
                     plan->key_groups, caf::actor_cast<caf::actor>(this));
    }
  connect_tasks(made.channels, order);
}

void worker_actor::connect_tasks(const std::vector<planned_channel>& channels, const deploy_tasks& order) {
  std::map<std::uint32_t, link_setup> setups; // by worker
  for (std::uint32_t number = 0; number < channels.size(); ++number) {
    const planned_channel& channel = channels[number];
    const std::uint32_t from = order.placement[channel.from_task], to = order.placement[channel.to_task];
    if (from != to && from == number_)
      setups[to].channels[number] = {channel.codec, tasks_.at(task_id{channel.from_task}).actor, channel.output, false};
    else if (from != to && to == number_)
      setups[from].channels[number] = {channel.codec, tasks_.at(task_id{channel.to_task}).actor, channel.input, true};
  }
  for (const worker_address& peer : order.workers)
    if (const auto found = setups.find(peer.worker); found != setups.end()) {
      found->second.greeting = {attempt_, run_, number_};
      found->second.peer = peer;
      caf::actor& link = links_[peer.worker];
      link = spawn_actor<peer_link_actor>(system(), config_.cluster, std::move(found->second),
                                          caf::actor_cast<caf::actor>(this), pulse_);
      tell(*this, link, begin_connection{});
    }
  std::map<task_id, connect_task> orders;
  const auto put_at = [](std::vector<channel_end>& ends, std::uint32_t index, channel_end end) {
    ends.resize(std::max<std::size_t>(ends.size(), index + 1));
    ends[index] = std::move(end);
  };
  for (std::uint32_t number = 0; number < channels.size(); ++number) {
    const planned_channel& channel = channels[number];
    const std::uint32_t from = order.placement[channel.from_task], to = order.placement[channel.to_task];
    const task_id from_task{channel.from_task}, to_task{channel.to_task};
    if (from == number_)
      put_at(orders[from_task].outputs, channel.output,
             to == number_ ? channel_end{tasks_.at(to_task).actor, channel.input} : channel_end{links_.at(to), number, true});
    if (to == number_)
      put_at(orders[to_task].inputs, channel.input,
             from == number_ ? channel_end{tasks_.at(from_task).actor, channel.output}
                             : channel_end{links_.at(from), number, true});
  }
  for (const auto& [id, task] : tasks_) {
    orders[id].coordinator = snapshots_;
    tell(*this, task.actor, std::move(orders[id]));
  }
  for (const auto& [peer, fact] : std::exchange(connected_, {}))
    peer_has_connected(fact);
}

/// It may have been faster than this worker to make its tasks, and slower than it to hear of the next attempt.
void worker_actor::peer_has_connected(const peer_connected& fact) {
  const link_greeting& greeting = fact.greeting;
  if (greeting.attempt < attempt_ || greeting.worker >= number_) // the one with the lower number connects
    return;
  if (greeting.attempt > attempt_)
    connected_.insert_or_assign(greeting.worker, fact);
  else if (const auto link = links_.find(greeting.worker); link != links_.end() && greeting.run == run_)
    tell(*this, link->second, fact);
}

void worker_actor::handle(const order_to_task& order) {
  const auto found = tasks_.find(order.task);
  if (order.attempt != attempt_ || found == tasks_.end()) {
    if (std::holds_alternative<stop_task>(order.order)) {
      stopped_attempt_ = std::max(stopped_attempt_, order.attempt);
      report(task_stopped{order.attempt, order.task, {}});
    }
    return;
  }
  std::visit(
      [&](const auto& what) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(what)>, kill_hosted_task>)
          kill_actor(found->second.actor);
        else
          tell(*this, found->second.actor, what);
      },
      order.order);
}

void worker_actor::task_has_stopped(const task_stopped& fact) {
  if (fact.attempt != attempt_)
    return;
  if (const auto found = tasks_.find(fact.task); found != tasks_.end()) {
    found->second.stopped = true;
    report(fact);
  }
  const bool all = std::all_of(tasks_.begin(), tasks_.end(), [](const auto& one) { return one.second.stopped; });
  if (all)
    for (const auto& [number, link] : std::exchange(links_, {}))
      kill_actor(link);
  end_if_stopped();
}

void worker_actor::handle_loss(const std::string& reason) {
  end(worker_end::cause::lost, reason);
}

void worker_actor::end(worker_end::cause why, const std::string& reason) {
  if (ending_)
    return;
  ending_ = worker_end{why, has_joined_, reason};
  for (const auto& [id, task] : tasks_)
    if (!task.stopped)
      tell(*this, task.actor, stop_task{});
  tell_self_later(*this, patience_with_tasks, report_hosted_unstopped{});
  end_if_stopped();
}

void worker_actor::log_unstopped() {
  for (const auto& [id, task] : tasks_)
    if (!task.stopped)
      log_warning("waiting for a task to stop before this worker can go on: a function of the user has not returned",
                  {{"task", task.name}});
  tell_self_later(*this, patience_with_tasks, report_hosted_unstopped{});
}

void worker_actor::end_if_stopped() {
  if (!ending_ || !std::all_of(tasks_.begin(), tasks_.end(), [](const auto& one) { return one.second.stopped; }))
    return;
  if (const auto tell_end = std::exchange(setup_.done, nullptr))
    tell_end(*ending_);
  quit();
}

} // namespace weir
