#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/file_descriptor.hpp>

namespace weir::testing {

/// A connection to a port of this machine.
file_descriptor connect_locally(std::uint16_t port);

/// Sends it all, unless the other end closes the connection or `limit` is over.
void send_all(const file_descriptor& to, std::string_view data, duration limit);

/// Whether the other end closes the connection within `limit`; what it sends is thrown away.
bool is_closed_within(const file_descriptor& connection, duration limit);

/// How many of these the other end closes within `limit`; returns at once when there are `wanted`.
std::size_t closed_within(const std::vector<file_descriptor>& connections, std::size_t wanted, duration limit);

/// The ports that this process listens on.
std::vector<std::uint16_t> own_ports();

/// How many MiB of memory this process has used at most since the last call.
std::uint64_t peak_memory();

} // namespace weir::testing
