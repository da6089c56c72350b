#include <weir/runtime/cluster/client_connection.hpp>

#include <charconv>
#include <utility>

#include <weir/actors/operator_error.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/cluster/connection.hpp>
#include <weir/runtime/cluster/protocol.hpp>

namespace weir {

namespace {

constexpr std::string_view greeting = "weir-client ";

/// Waits for the job, on a thread of its own; it knows nobody in another process.
class request_actor : public actor_base {
 public:
  request_actor(caf::actor_config& setup, request_handler handle, std::string request, caf::actor connection)
      : actor_base(setup), handle_(std::move(handle)), request_(std::move(request)), connection_(std::move(connection)) {
    on_exception(*this, [this] {
      tell(*this, connection_, request_answered{R"({"ok": false, "problem": "the request could not be handled"})"});
    });
  }

 protected:
  caf::behavior make_behavior() override {
    return {
        [this](begin_connection) {
          tell(*this, connection_, request_answered{handle_(request_)});
          quit();
        },
    };
  }

  void on_exit() override {
    handle_ = nullptr;
    connection_ = nullptr;
  }

 private:
  request_handler handle_;
  std::string request_;
  caf::actor connection_;
};

} // namespace

bytes encoded_client_text(const client_text& what) {
  return bytes(greeting) + std::to_string(what.version) + "\n" + what.text;
}

std::optional<client_text> read_client_text(std::string_view message) {
  if (!message.starts_with(greeting))
    return std::nullopt;
  message.remove_prefix(greeting.size());
  client_text read;
  const auto [end, failure] = std::from_chars(message.data(), message.data() + message.size(), read.version);
  if (failure != std::errc{} || end == message.data() + message.size() || *end != '\n')
    return std::nullopt;
  read.text = message.substr(static_cast<std::size_t>(end - message.data()) + 1);
  return read;
}

client_connection_actor::client_connection_actor(caf::actor_config& setup, const caf::actor& client, request_handler handle,
                                                 std::string request, const cluster_config& config)
    : actor_base(setup), client_(client), handle_(std::move(handle)), request_(std::move(request)), heartbeat_(config.heartbeat),
      patience_(config.timeout) {
  ignore_unknown_messages(*this);
  on_watched_end(*this, [this](const caf::actor_addr&, const std::string&) {
    if (!is_answered_) // what it asked for is done all the same
      log_warning("whoever told the job what to do has not waited for the answer", {{"request", request_}});
    quit();
  });
}

caf::behavior client_connection_actor::make_behavior() {
  return {
      [this](begin_connection) {
        watch(*this, client_);
        tell(*this, client_, bytes{}); // from now on it waits for this actor
        pulse_ = spawn_detached<connection_actor::pulse_actor>(system(), client_, heartbeat_);
        tell(*this, pulse_, heartbeat_due{});
        tell(*this,
             spawn_detached<request_actor>(system(), std::exchange(handle_, nullptr), request_,
                                           caf::actor_cast<caf::actor>(this)),
             begin_connection{});
      },
      [this](request_answered& answer) {
        is_answered_ = true;
        tell(*this, client_, encoded_client_text({client_version, std::move(answer.text)}));
        kill_actor(std::exchange(pulse_, nullptr));
        // Were this the first to end, the client could hear of that before it has the answer.
        tell_self_later(*this, patience_, look_due{});
      },
      [this](look_due) { quit(); },
  };
}

void client_connection_actor::on_exit() {
  if (pulse_)
    kill_actor(std::exchange(pulse_, nullptr));
  client_ = nullptr;
  handle_ = nullptr;
}

} // namespace weir
