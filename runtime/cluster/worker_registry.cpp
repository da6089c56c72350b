#include <weir/runtime/cluster/worker_registry.hpp>

#include <chrono>
#include <memory>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/placement.hpp>

namespace weir {

namespace {

/// The way to an own address begins at it.
bool is_of_this_machine(const std::string& host) {
  return is_loopback(host) || own_address_towards({host, 1}) == host;
}

constexpr std::chrono::seconds time_between_reports{10};

constexpr std::size_t most_clients = 16;

} // namespace

worker_connection::worker_connection(caf::actor_config& setup, const cluster_config& config, joined_worker worker,
                                     worker_welcome welcome, const caf::actor& peer, caf::actor registry,
                                     std::shared_ptr<replica_set> replicas)
    : connection_actor(setup, config), worker_(std::move(worker)), welcome_(std::move(welcome)), first_peer_(peer),
      registry_(std::move(registry)), replicas_(std::move(replicas)) {}

void worker_connection::begin() {
  connect(std::exchange(first_peer_, nullptr));
  send(encoded_message(to_worker{std::move(welcome_)}));
}

caf::behavior worker_connection::make_behavior() {
  return connection_behavior().or_else(caf::message_handler{
      [this](serve_attempt& order) {
        supervisor_ = std::move(order.supervisor);
        coordinator_ = std::move(order.coordinator);
      },
      [this](release_workers) {
        is_released_ = true;
        send(encoded_message(to_worker{worker_released{}}));
      },
  });
}

void worker_connection::on_exit() {
  connection_actor::on_exit();
  supervisor_ = coordinator_ = registry_ = nullptr;
}

void worker_connection::receive(std::string_view message) {
  to_coordinator what;
  read_message(message, what);
  std::visit([this](auto& one) { handle(one); }, what);
}

void worker_connection::handle(worker_joined& fact) {
  tell(*this, registry_, worker_confirmed{worker_.number, std::move(fact)});
}

void worker_connection::handle(replica_answered& fact) {
  if (replicas_)
    replicas_->answered(worker_.number, std::move(fact));
}

void worker_connection::handle(const peer_lost& fact) {
  tell(*this, supervisor_,
       task_failed{fact.attempt, task_id{0},
                   "worker " + worker_.name + " has lost worker " + fact.name + ": " + fact.reason, true});
}

void worker_connection::handle(const worker_leaves& fact) {
  is_leaving_ = true;
  log_info("a worker leaves", {{"worker", worker_.name}});
  tell(*this, supervisor_, task_failed{fact.attempt, task_id{0}, "worker " + worker_.name + " leaves: it was told to end", true});
}

void worker_connection::handle(snapshot_sent& fact) {
  auto all = std::make_shared<operator_snapshots>();
  for (operator_snapshot& one : fact.operators)
    all->push_back(std::make_shared<const operator_snapshot>(std::move(one)));
  tell(*this, coordinator_, snapshot_taken{fact.attempt, fact.checkpoint, fact.task, std::move(all), fact.longest_pause});
}

void worker_connection::handle_loss(const std::string& reason) {
  if (!is_released_ && !is_leaving_)
    log_warning("a worker was lost", {{"worker", worker_.name}, {"reason", reason}});
  if (replicas_)
    replicas_->leave(worker_.number);
  quit(); // which those learn that have tasks there
}

worker_registry_actor::worker_registry_actor(caf::actor_config& setup, registry_setup what)
    : actor_base(setup), setup_(std::move(what)) {
  ignore_unknown_messages(*this);
  on_watched_end(*this, [this](const caf::actor_addr& who, const std::string&) {
    const auto has_ended = [&](const auto& one) {
      if (one.second.connection.address() != who)
        return false;
      if (setup_.replicas)
        setup_.replicas->leave(one.first);
      return true;
    };
    clients_.erase(who);
    std::erase_if(admitted_, has_ended);
    std::erase_if(workers_, has_ended);
    quit_if_done();
  });
}

caf::behavior worker_registry_actor::make_behavior() {
  return {
      [this](const bytes& greeting) { admit(greeting, sender_of_message(*this)); },
      [this](const worker_confirmed& fact) { confirm(fact); },
      [this](report_waiting) { say_what_is_missing(); },
      [this](claim_due) {
        has_waited_ = true;
        answer_claim();
      },
      [this](const claim_slots& order) {
        claim_ = claim{sender_of_message(*this), order.slots};
        if (free_slots() < order.slots) {
          log_info("waiting for workers", {{"job", setup_.job}, {"slots_wanted", order.slots}, {"slots", free_slots()}});
          tell_self_later(*this, time_between_reports, report_waiting{});
        }
        answer_claim();
      },
      [this](serve_clients& order) { handle_ = std::move(order.handle); },
      [this](list_workers) {
        workers_listed answer;
        for (const auto& [number, worker] : workers_)
          answer.workers.push_back(worker);
        tell(*this, sender_of_message(*this), std::move(answer));
      },
      [this](const release_workers& order) {
        is_released_ = true;
        handle_ = nullptr;
        claim_.reset();
        for (const auto* const all : {&admitted_, &workers_})
          for (const auto& [number, worker] : *all)
            tell(*this, worker.connection, order);
        quit_if_done();
      },
  };
}

void worker_registry_actor::on_exit() {
  handle_ = nullptr;
  claim_.reset();
  if (setup_.replicas)
    setup_.replicas->close();
  for (auto* const all : {&admitted_, &workers_}) {
    for (const auto& [number, worker] : *all)
      kill_actor(worker.connection);
    all->clear();
  }
}

void worker_registry_actor::quit_if_done() {
  if (is_released_ && admitted_.empty() && workers_.empty())
    quit();
}

/// Tells a process that has no connection here.
void worker_registry_actor::answer(const caf::actor& who, const to_worker& message) {
  frame_writer frames;
  frames.add(encoded_message(message), [&](bytes full) { tell(*this, who, std::move(full)); });
  if (!frames.is_empty())
    tell(*this, who, frames.take());
}

void worker_registry_actor::refuse(const caf::actor& who, const std::string& reason) {
  log_warning("a worker was refused", {{"job", setup_.job}, {"reason", reason}});
  answer(who, worker_refused{reason});
}

void worker_registry_actor::admit(const bytes& greeting, const caf::actor& from) {
  if (const auto request = read_client_text(greeting))
    return serve(*request, from);
  to_coordinator what;
  try {
    read_message(greeting, what);
  } catch (const malformed_bytes& why) {
    log_warning("something that is no worker wanted to join", {{"job", setup_.job}, {"reason", why.what()}});
    return;
  }
  auto* const hello = std::get_if<worker_hello>(&what);
  if (!hello || !from)
    return;
  if (is_released_)
    return answer(from, worker_released{});
  if (hello->job != setup_.job)
    return refuse(from, "expected a worker of the job " + in_quotes(setup_.job) + ", found one of " + in_quotes(hello->job) +
                            ": give it this coordinator's program");
  if (hello->digest != setup_.digest)
    return refuse(from, "worker " + hello->name + " was built from another topology of the job " + in_quotes(setup_.job) +
                            ": start the same program as coordinator and workers");
  if (hello->program != setup_.program)
    return refuse(from, "worker " + hello->name + " runs another build of the job " + in_quotes(setup_.job) +
                            ": start the same program file as coordinator and workers");
  joined_worker worker{++last_, hello->name, hello->host, hello->port, hello->slots, {}};
  worker.connection = spawn_actor<worker_connection>(
      system(), setup_.config, worker, worker_welcome{worker.number, setup_.settings, setup_.is_stored, setup_.replicas != nullptr}, from,
      caf::actor_cast<caf::actor>(this), setup_.replicas);
  watch(*this, worker.connection);
  tell(*this, worker.connection, begin_connection{});
  admitted_.emplace(worker.number, std::move(worker));
}

void worker_registry_actor::serve(const client_text& request, const caf::actor& client) {
  const auto refuse_it = [&](const std::string& why) {
    tell(*this, client, encoded_client_text({client_version, R"({"ok":false,"problem":")" + why + R"("})"}));
  };
  if (!client)
    return;
  if (request.version != client_version)
    return refuse_it("this coordinator answers requests of version " + std::to_string(client_version) +
                     ", and this is one of version " + std::to_string(request.version) +
                     ": use the program weir of the job's version");
  if (!handle_)
    return refuse_it(is_released_ ? "the job has ended" : "the job starts: try again");
  if (clients_.size() >= most_clients)
    return refuse_it("the coordinator answers " + std::to_string(most_clients) + " others already: try again");
  const caf::actor connection =
      spawn_actor<client_connection_actor>(system(), client, handle_, request.text, setup_.config);
  watch(*this, connection);
  clients_.insert(connection.address());
  tell(*this, connection, begin_connection{});
}

/// It has heard that it is welcome, so there is a way in both directions.
void worker_registry_actor::confirm(const worker_confirmed& fact) {
  auto found = admitted_.extract(fact.number);
  if (found.empty())
    return;
  const joined_worker& worker = found.mapped();
  if (setup_.replicas && fact.what.keeps_replicas)
    setup_.replicas->join({worker.number, worker.name, is_of_this_machine(worker.host), fact.what.held}, worker.connection);
  else if (setup_.replicas)
    setup_.replicas->join_without(worker.number);
  log_info("worker joined", {{"job", setup_.job}, {"worker", worker.name}, {"slots", worker.slots}});
  workers_.insert(std::move(found));
  answer_claim();
}

void worker_registry_actor::say_what_is_missing() {
  if (!claim_ || free_slots() >= claim_->slots)
    return;
  std::string names;
  for (const auto& [number, worker] : workers_)
    names += (names.empty() ? "" : " ") + worker.name;
  log_warning("still waiting for workers: start more of them, or give them more slots (--slots)",
              {{"job", setup_.job}, {"slots_wanted", claim_->slots}, {"slots", free_slots()}, {"workers", names}});
  tell_self_later(*this, time_between_reports, report_waiting{});
}

std::uint32_t worker_registry_actor::free_slots() const {
  std::uint32_t slots = 0;
  for (const auto& [number, worker] : workers_)
    slots += worker.slots;
  return slots;
}

void worker_registry_actor::answer_claim() {
  if (!claim_ || free_slots() < claim_->slots)
    return;
  const bool all_are_here = setup_.config.workers != 0 && workers_.size() >= setup_.config.workers;
  if (!has_waited_ && !all_are_here) {
    tell_self_later(*this, setup_.config.workers != 0 ? setup_.config.timeout : setup_.patience, claim_due{});
    return;
  }
  has_waited_ = true;
  slots_claimed answer;
  std::vector<std::uint32_t> free;
  for (const auto& [number, worker] : workers_) {
    answer.workers.push_back(worker);
    free.push_back(worker.slots);
  }
  answer.slots = place_slots(claim_->slots, std::move(free), setup_.config.placement);
  tell(*this, claim_->by, std::move(answer));
  claim_.reset();
}

} // namespace weir
