#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <caf/io/middleman.hpp>
#include <caf/io/middleman_actor.hpp>

#include <weir/base/caf.hpp>
#include <weir/base/error.hpp>
#include <weir/base/tcp.hpp>

/// \file
/// Everything of CAF's networking that differs between its versions 0.17 and 1.x. Actors of different processes send each
/// other bytes and nothing else, so no type of message has to be known to CAF.

namespace weir {

/// The configuration of an actor system that talks to others.
class network_configuration : public actor_configuration {
 public:
  explicit network_configuration(std::size_t threads) : actor_configuration(threads) {
    load<caf::io::middleman>();
    // Its actors that deserialize have nothing to do here, and do harm: behind a closed connection CAF cleans up when they
    // have done what came before. It knows connections by their descriptors, and this one may be another's by then.
#if CAF_VERSION < 10000
    set("middleman.workers", std::size_t{0});
#else
    set("caf.middleman.workers", std::size_t{0});
#endif
  }
};

/// Lets actors of other processes find `actor` at a port of this machine's address `host`; port 0: any. Returns the port.
///
/// Errors: in_use, or io.
result<std::uint16_t> publish(const caf::actor& actor, const std::string& host, std::uint16_t port);

/// Ends that.
void unpublish(const caf::actor& actor, std::uint16_t port);

/// Looks for the actor that another process has published, and then calls done(result<caf::actor>), in the actor
/// `self`. CAF tries for as long as the system does, which can be minutes, and connects to nobody else meanwhile; so try
/// connect_to first.
template <class Self, class Done>
void find_published(Self& self, const std::string& host, std::uint16_t port, Done done) {
#if CAF_VERSION < 10000
  auto failed = [done, host, port, &self](const caf::error& why) mutable {
    done(result<caf::actor>(error{errc::io, "nobody answers at " + host + ":" + std::to_string(port) + ": " +
                                                self.system().render(why)}));
  };
  self.request(self.system().middleman().actor_handle(), caf::infinite, caf::connect_atom::value, host, port)
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
  self.mail(caf::connect_atom_v, host, port)
      .request(self.system().middleman().actor_handle(), caf::infinite)
      .then(
          [done](const caf::node_id&, const caf::strong_actor_ptr& found, const std::set<std::string>&) mutable {
            done(result<caf::actor>(caf::actor_cast<caf::actor>(found)));
          },
          [done, host, port](const caf::error& why) mutable {
            done(result<caf::actor>(error{errc::io, "nobody answers at " + host + ":" + std::to_string(port) + ": " +
                                                        caf::to_string(why)}));
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
