#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>

#include <caf/io/middleman.hpp>
#include <caf/io/middleman_actor.hpp>
#if CAF_VERSION >= 10000
#  include <caf/openssl/manager.hpp>
#endif

#include <weir/base/caf.hpp>
#include <weir/base/error.hpp>
#include <weir/base/tcp.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>
#include <weir/runtime/cluster/scribe.hpp>

/// \file
/// Everything of CAF's networking that differs between its versions 0.17 and 1.x. Actors of different processes send each
/// other bytes and nothing else, so no type of message has to be known to CAF.

namespace weir {

/// The configuration of an actor system that talks to others, with the keys of the cluster where it has some; see
/// check_tls. Making one lets this process open as many files and connections as it may.
class network_configuration : public actor_configuration {
 public:
  network_configuration(std::size_t threads, const cluster_config& cluster);
};

/// An actor that other processes find at a port of this machine, as long as this is there. End it before the actor's
/// system.
class published_actor {
 public:
  ~published_actor();
  published_actor(const published_actor&) = delete;
  published_actor& operator=(const published_actor&) = delete;

  std::uint16_t port() const noexcept { return port_; }

 private:
  friend result<std::unique_ptr<published_actor>> publish(const caf::actor&, const tcp_address&);

  explicit published_actor(caf::actor actor) : actor_(std::move(actor)) {}

  caf::actor actor_;
  std::uint16_t port_ = 0;
#if CAF_VERSION < 10000
  std::unique_ptr<guarded_port> guard_;
#endif
};

/// Lets actors of other processes find `actor` at an address of this machine; an empty host: at all of them; port 0:
/// any.
///
/// Errors: in_use, io, or invalid_setting.
result<std::unique_ptr<published_actor>> publish(const caf::actor& actor, const tcp_address& at);

#if CAF_VERSION < 10000
/// The actor of CAF that connections belong to.
caf::actor connection_broker(caf::actor_system& system);
#endif

/// What there is to say of a process that can be connected to and does not answer.
error no_answer_from(const tcp_address& where, bool is_encrypted, const std::string& reason);

/// Looks for the actor that another process has published, and then calls done(result<caf::actor>), in the actor `self`.
/// Blocks while it connects, which `timeout` bounds, as it does the time until there is an answer.
///
/// Errors: see connect_to, to which `advice` is given; io.
template <class Self, class Done>
void find_published(Self& self, const tcp_address& where, duration timeout, const std::string& advice, Done done) {
#if CAF_VERSION < 10000
  auto opened = make_connection(self.system(), where, timeout, advice);
  if (!opened)
    return done(result<caf::actor>(std::move(opened.failure())));
  const auto made = std::make_shared<made_connection>(std::move(*opened));
  auto failed = [done, where, made, &self](const caf::error& why) mutable {
    ::shutdown(made->socket.number(), SHUT_RDWR); // the broker would go on waiting for an answer
    std::string reason = self.system().render(why);
    if (why == caf::sec::request_timeout)
      reason = "nothing has come in time";
    else if (why == caf::sec::disconnect_during_handshake)
      reason = made->fate->tls_failure.empty() ? "it has closed the connection" : "TLS: " + made->fate->tls_failure;
    done(result<caf::actor>(no_answer_from(where, self.system().has_openssl_manager(), reason)));
  };
  self.request(connection_broker(self.system()), timeout, caf::connect_atom::value, made->scribe, where.port)
      .then(
          [done, failed](const caf::node_id&, const caf::strong_actor_ptr& found,
                         const std::set<std::string>&) mutable {
            if (found)
              done(result<caf::actor>(caf::actor_cast<caf::actor>(found)));
            else
              failed(caf::make_error(caf::sec::no_actor_published_at_port));
          },
          failed);
#else
  if (const auto reached = connect_to(where, timeout, advice); !reached)
    return done(result<caf::actor>(reached.failure()));
  const bool is_encrypted = self.system().has_openssl_manager();
  const auto& finder = is_encrypted ? self.system().openssl_manager().actor_handle()
                                    : self.system().middleman().actor_handle();
  self.mail(caf::connect_atom_v, where.host, where.port)
      .request(finder, timeout)
      .then(
          [done](const caf::node_id&, const caf::strong_actor_ptr& found, const std::set<std::string>&) mutable {
            done(result<caf::actor>(caf::actor_cast<caf::actor>(found)));
          },
          [done, where, is_encrypted](const caf::error& why) mutable {
            done(result<caf::actor>(no_answer_from(where, is_encrypted, caf::to_string(why))));
          });
#endif
}

/// Waits until all actors have ended, and CAF's own that talk to the network have heard of it. Call it before the system
/// is destroyed: what they have not heard by then keeps the ended ones for ever, and their threads.
void await_network(caf::actor_system& system);

/// Who has sent the message that `self` handles; it may be in another process. Null if that is gone.
template <class Self>
caf::actor sender_of_message(Self& self) {
  return caf::actor_cast<caf::actor>(self.current_sender());
}

/// The host and the port of "HOST:PORT", "[::1]:PORT", ":PORT" or "PORT"; port 0 is none of those that can be connected
/// to.
///
/// Errors: invalid_setting.
result<tcp_address> parse_tcp_address(std::string_view text);

/// This process for the messages of others: its machine and number.
std::string name_of_this_process();

/// Whether only processes of this machine reach what listens at `host`.
bool is_loopback(std::string_view host);

} // namespace weir
