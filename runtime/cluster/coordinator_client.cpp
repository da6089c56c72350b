#include <weir/runtime/cluster/coordinator_client.hpp>

#include <future>
#include <memory>
#include <utility>

#include <weir/base/units.hpp>
#include <weir/runtime/cluster/client_connection.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/protocol.hpp>
#include <weir/runtime/cluster/tls.hpp>

namespace weir {

namespace {

using answer_promise = std::promise<result<std::string>>;

class client_actor : public actor_base {
 public:
  client_actor(caf::actor_config& setup, tcp_address coordinator, duration timeout, std::string request,
               std::shared_ptr<answer_promise> answered)
      : actor_base(setup), coordinator_(std::move(coordinator)), timeout_(timeout), request_(std::move(request)),
        answered_(std::move(answered)) {
    ignore_unknown_messages(*this);
    on_watched_end(*this, [this](const caf::actor_addr& who, const std::string&) {
      if (!has_been_heard_ || who == server_)
        finish(failure("has ended, or the connection was lost, before it answered"));
    });
  }

 protected:
  caf::behavior make_behavior() override {
    return {
        [this](begin_connection) { begin(); },
        [this](const bytes& message) { receive(message); },
        [this](look_due) {
          // Until it has been found, that is bounded otherwise.
          if (has_been_found_ && std::chrono::steady_clock::now() - last_heard_ > timeout_)
            return finish(failure((has_been_heard_ ? "has not been heard of for " : "has not answered for ") +
                                  duration_text(timeout_) +
                                  ": it stands still, or what listens there is no coordinator of this version"));
          tell_self_later(*this, timeout_ / 4, look_due{});
        },
    };
  }

 private:
  void begin() {
    last_heard_ = std::chrono::steady_clock::now();
    tell_self_later(*this, timeout_ / 4, look_due{});
    const std::string advice = "expected the coordinator of a job, started with --listen " + to_string(coordinator_);
    find_published(*this, coordinator_, timeout_, advice, [this](result<caf::actor> registry) {
      if (!registry)
        return finish(error{errc::io, registry.failure().message});
      has_been_found_ = true;
      last_heard_ = std::chrono::steady_clock::now();
      watch(*this, *registry);
      tell(*this, *registry, encoded_client_text({client_version, request_}));
    });
  }

  void receive(const bytes& message) {
    last_heard_ = std::chrono::steady_clock::now();
    if (!std::exchange(has_been_heard_, true))
      if (const caf::actor server = sender_of_message(*this)) {
        server_ = server.address(); // the job may end before this does, which has the answer
        watch(*this, server);
      }
    if (message.empty()) // it is there, and busy with the request
      return;
    if (auto answer = read_client_text(message); !answer)
      finish(failure("has answered what this version does not understand"));
    else
      finish(std::move(answer->text));
  }

  error failure(const std::string& what) const {
    return {errc::io, "the coordinator at " + to_string(coordinator_) + " " + what};
  }

  void finish(result<std::string> answer) {
    if (const auto answered = std::exchange(answered_, nullptr))
      answered->set_value(std::move(answer));
    quit();
  }

  tcp_address coordinator_;
  duration timeout_;
  std::string request_;
  std::shared_ptr<answer_promise> answered_;
  bool has_been_found_ = false;
  bool has_been_heard_ = false;
  caf::actor_addr server_;
  time_point last_heard_{};
};

} // namespace

result<std::string> ask_coordinator(const cluster_config& config, const std::string& request) {
  auto coordinator = parse_tcp_address(config.join);
  if (!coordinator)
    return in_context("the coordinator's address", std::move(coordinator.failure()));
  if (coordinator->host.empty())
    coordinator->host = "127.0.0.1";
  if (status keys = check_tls(config); !keys)
    return std::move(keys.failure());
  network_configuration configuration(1, config);
  caf::actor_system system(configuration);
  system.await_actors_before_shutdown(true);
  const auto answered = std::make_shared<answer_promise>();
  tell_anonymously(spawn_actor<client_actor>(system, std::move(*coordinator), config.timeout, request, answered),
                   begin_connection{});
  result<std::string> answer = answered->get_future().get();
  await_network(system);
  return answer;
}

} // namespace weir
