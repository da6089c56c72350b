#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <caf/config.hpp>

#if CAF_VERSION >= 10000
#  error "expected CAF 0.17: workers talk to each other in its network loop, which 1.x does not have"
#endif

#include <caf/actor_system.hpp>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/base/ids.hpp>
#include <weir/base/tcp.hpp>
#include <weir/runtime/cluster/guarded_port.hpp>
#include <weir/runtime/cluster/tls_session.hpp>

/// \file
/// How connections between two workers begin: with an agreement on keys where the cluster has some, and a greeting.

namespace weir {

/// What a connection is for, and who has made it.
struct link_greeting {
  epoch attempt;
  std::uint64_t run = 0; ///< a digest of the attempt's name, which nobody else knows
  std::uint32_t worker = 0;
};

/// A socket, with keys where the cluster has them.
struct link_socket {
  file_descriptor socket;
  std::unique_ptr<tls_session> session;
};

/// Connects to a worker, begins, and waits for its answer. Blocks.
///
/// Errors: see make_connection.
result<link_socket> connect_link(caf::actor_system& system, const tcp_address& to, duration timeout,
                                 const std::string& advice, const link_greeting& greeting);

/// Takes connections of other workers to a port, and calls let_in with each that has begun as one does.
using let_in_link = std::function<void(link_greeting, link_socket)>;
guarded_port::admission_maker link_admissions(caf::actor_system& system, let_in_link let_in);

} // namespace weir
