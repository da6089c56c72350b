#pragma once

#include <caf/config.hpp>

#if CAF_VERSION < 10000

#  include <memory>
#  include <string>

#  include <caf/actor_system.hpp>
#  include <caf/io/scribe.hpp>

#  include <weir/base/clock.hpp>
#  include <weir/base/error.hpp>
#  include <weir/base/file_descriptor.hpp>
#  include <weir/runtime/cluster/guarded_port.hpp>

/// \file
/// Connections as CAF 0.17 knows them: a scribe is one of them in the hands of its network loop. CAF's own believe what
/// the other end says of itself, up to a frame of 4 GiB that they provide memory for; these do not.

namespace caf::openssl {
class session;
}

namespace weir {

/// What is known of a connection when it is over.
struct connection_fate {
  std::string tls_failure; ///< what TLS had against it; written by CAF's network loop before the connection is lost
};

/// A connection that this process has made.
struct made_connection {
  caf::io::scribe_ptr scribe;
  file_descriptor socket; ///< the same one, to shut it down by
  std::shared_ptr<connection_fate> fate;
};

/// Connects to a port that another process has published, and, where `system` has keys, agrees on them with that one.
/// Blocks.
///
/// Errors: see connect_to; io with what is wrong with the keys.
result<made_connection> make_connection(caf::actor_system& system, const tcp_address& to, duration timeout,
                                        const std::string& advice);

/// Takes connections to a port, with keys where `system` has them; calls let_in with each that has begun as a
/// process of Weir's does, and the port.
using let_in_connection = std::function<void(caf::io::scribe_ptr, std::uint16_t)>;
guarded_port::admission_maker admissions(caf::actor_system& system, let_in_connection let_in);

} // namespace weir

#endif
