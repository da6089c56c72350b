#include <weir/runtime/cluster/network.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>

#include <caf/scoped_actor.hpp>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <weir/base/file_descriptor.hpp>
#include <weir/base/units.hpp>

namespace weir {

status check_reachable(const std::string& host, std::uint16_t port, duration timeout) {
  const std::string where = host + ":" + std::to_string(port);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found); failed != 0)
    return error{errc::io, "there is no address of " + where + ": " + ::gai_strerror(failed)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  int cause = ETIMEDOUT;
  for (const addrinfo* one = found; one; one = one->ai_next) {
    const file_descriptor socket(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(socket.number(), one->ai_addr, one->ai_addrlen) == 0)
      return {};
    cause = errno;
    if (cause != EINPROGRESS)
      continue;
    cause = ETIMEDOUT;
    pollfd ready{socket.number(), POLLOUT, 0};
    const auto most = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    socklen_t size = sizeof cause;
    if (::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(most, 3'600'000))) == 1)
      ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &cause, &size);
    if (cause == 0)
      return {};
  }
  return error{errc::io, "nobody answers at " + where + ": " + errno_text(cause)};
}

result<std::uint16_t> publish(const caf::actor& actor, const std::string& host, std::uint16_t port) {
  auto& system = actor.home_system();
  const auto bound = system.middleman().publish(actor, port, host.empty() ? nullptr : host.c_str(), true);
  if (bound)
    return *bound;
#if CAF_VERSION < 10000
  const std::string why = system.render(bound.error());
#else
  const std::string why = caf::to_string(bound.error());
#endif
  return error{errc::io, "cannot listen on " + (host.empty() ? std::string("all addresses") : host) + ", port " +
                             std::to_string(port) + ": " + why +
                             ". Expected an address of this machine and a port that nobody else listens on"};
}

void unpublish(const caf::actor& actor, std::uint16_t port) {
  actor.home_system().middleman().unpublish(actor, port);
}

void await_network(caf::actor_system& system) {
  system.await_all_actors_done();
  // Its answer comes after everything that was sent before.
  const caf::scoped_actor self{system, true};
  system.middleman().unpublish(self, 1);
}

result<host_and_port> parse_host_and_port(std::string_view text) {
  const auto wrong = [&] {
    return error{errc::invalid_setting, "expected HOST:PORT, such as 192.168.0.5:7000, found " + in_quotes(text)};
  };
  host_and_port made;
  const std::size_t colon = text.rfind(':');
  std::string_view port = text;
  if (colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']'))
      host = host.substr(1, host.size() - 2);
    made.host = host;
  }
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), made.port);
  if (failure != std::errc{} || end != port.data() + port.size() || port.empty())
    return wrong();
  return made;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string own_address_towards(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), "9", &wanted, &found) != 0)
    return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  for (const addrinfo* one = found; one; one = one->ai_next) {
    const file_descriptor socket(::socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    // Of a datagram socket this sends nothing; it only chooses the way.
    if (::connect(socket.number(), one->ai_addr, one->ai_addrlen) != 0 ||
        ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
      continue;
    char text[NI_MAXHOST];
    if (::getnameinfo(reinterpret_cast<const sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      return text;
  }
  return {};
}

} // namespace weir
