#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/file_descriptor.hpp>

namespace weir {

/// Host and port as a person gives them. Messages show it as "localhost:9999".
struct tcp_address {
  std::string host;
  std::uint16_t port = 0;
};

std::string to_string(const tcp_address& address);

/// Checks that the host has an address (any, where it is empty and `passive`) and the port is not 0.
///
/// Errors: errc::invalid_setting.
status check_address(const tcp_address& address, bool passive);

/// A connection to the first of the host's addresses, IPv6 and IPv4, that takes it.
///
/// Errors: errc::io, with the cause and, for the commonest, what to do: `advice` where nobody listens there.
result<file_descriptor> connect_to(const tcp_address& address, duration timeout, const std::string& advice);

/// The address of this machine from which it reaches another. Empty where it does not.
std::string own_address_towards(const tcp_address& address);

/// Sockets that listen on all addresses of the host; for an empty host on all of the machine. Port 0: any free one, the
/// same for all of them.
///
/// Errors: errc::in_use when another process listens there; errc::io.
result<std::vector<file_descriptor>> listen_on(const tcp_address& address);

/// The port that a socket listens on.
std::uint16_t port_of(const file_descriptor& socket);

} // namespace weir
