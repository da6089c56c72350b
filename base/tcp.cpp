#include <weir/base/tcp.hpp>

#include <cerrno>
#include <memory>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace weir {

namespace {

struct address_list_deleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, address_list_deleter>;

result<address_list> resolve(const tcp_address& address, bool passive) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const bool any = passive && address.host.empty();
  const int failed = ::getaddrinfo(any ? nullptr : address.host.c_str(),
                                   std::to_string(address.port).c_str(), &wanted, &found);
  if (failed == 0)
    return address_list(found);
  const std::string cause = failed == EAI_SYSTEM ? errno_text(errno) : ::gai_strerror(failed);
  return error{errc::invalid_setting, "cannot find the host '" + address.host + "' of " +
                                          to_string(address) + ": " + cause +
                                          ": give a host name or address that this machine knows"};
}

// `advice`: for when nobody listens there.
error socket_error(const std::string& doing, const tcp_address& address, int number, const std::string& advice = {}) {
  const std::string port = std::to_string(address.port);
  error failure{errc::io, "cannot " + doing + ' ' + to_string(address) + ": " + errno_text(number)};
  if ((number == ECONNREFUSED || number == ETIMEDOUT) && !advice.empty())
    failure.message += ": " + advice;
  if (number == EADDRINUSE) {
    failure.code = errc::in_use;
    failure.message += ": choose another port, or stop the process that listens there (`ss -ltnp "
                       "sport = :" + port + "` shows it)";
  }
  if (number == EADDRNOTAVAIL)
    failure.message += ": give an address of this machine, or an empty host for all of them";
  if (number == EACCES && address.port < 1024)
    failure.message += ": choose a port from 1024 on";
  return failure;
}

// Returns what errno would be.
int connect_socket(const file_descriptor& opened, const addrinfo& to, time_point deadline) {
  if (::connect(opened.number(), to.ai_addr, to.ai_addrlen) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return errno;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return ETIMEDOUT;
    pollfd ready{opened.number(), POLLOUT, 0};
    const int n = ::poll(&ready, 1, static_cast<int>(left.count()));
    if (n < 0 && errno != EINTR)
      return errno;
    if (n <= 0)
      continue;
    int cause = 0;
    socklen_t size = sizeof cause;
    ::getsockopt(opened.number(), SOL_SOCKET, SO_ERROR, &cause, &size);
    return cause;
  }
}

} // namespace

std::string to_string(const tcp_address& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? '[' + address.host + ']' : address.host.empty() ? "*" : address.host) + ':' +
         std::to_string(address.port);
}

status check_address(const tcp_address& address, bool passive) {
  if (address.port == 0)
    return error{errc::invalid_setting, "port 0 of host '" + address.host +
                                            "': expected a port from 1 to 65535"};
  if (address.host.empty() && !passive)
    return error{errc::invalid_setting, "expected a host to connect to at port " +
                                            std::to_string(address.port) +
                                            ", found an empty text"};
  if (auto found = resolve(address, passive); !found)
    return std::move(found.failure());
  return {};
}

result<file_descriptor> connect_to(const tcp_address& address, duration timeout, const std::string& advice) {
  auto found = resolve(address, false);
  if (!found)
    return std::move(found.failure());
  const time_point deadline = std::chrono::steady_clock::now() + timeout;
  int cause = 0;
  for (const addrinfo* to = found->get(); to; to = to->ai_next) {
    file_descriptor opened(
        ::socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol));
    const int failed = opened.is_open() ? connect_socket(opened, *to, deadline) : errno;
    if (failed == 0)
      return opened;
    if (cause == 0 || failed == ECONNREFUSED)
      cause = failed;
  }
  return socket_error("connect to", address, cause, advice);
}

std::string own_address_towards(const tcp_address& address) {
  const auto found = resolve(address, false);
  if (!found)
    return {};
  for (const addrinfo* one = found->get(); one; one = one->ai_next) {
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

namespace {

/// The port that a socket was given.
in_port_t bound_port(const file_descriptor& socket) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return 0;
  return own.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(own).sin6_port
                                   : reinterpret_cast<const sockaddr_in&>(own).sin_port;
}

void set_port(sockaddr& address, in_port_t port) {
  (address.sa_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                 : reinterpret_cast<sockaddr_in&>(address).sin_port) = port;
}

} // namespace

std::uint16_t port_of(const file_descriptor& socket) {
  return ntohs(bound_port(socket));
}

result<std::vector<file_descriptor>> listen_on(const tcp_address& address) {
  auto found = resolve(address, true);
  if (!found)
    return std::move(found.failure());
  std::vector<file_descriptor> listening;
  int cause = 0;
  for (const addrinfo* at = found->get(); at; at = at->ai_next) {
    file_descriptor opened(
        ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol));
    if (address.port == 0 && !listening.empty())
      set_port(*at->ai_addr, bound_port(listening.front()));
    const int yes = 1;
    if (opened.is_open()) {
      ::setsockopt(opened.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      if (at->ai_family == AF_INET6)
        ::setsockopt(opened.number(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    if (opened.is_open() && ::bind(opened.number(), at->ai_addr, at->ai_addrlen) == 0 &&
        ::listen(opened.number(), SOMAXCONN) == 0) {
      listening.push_back(std::move(opened));
      continue;
    }
    // A machine without IPv6 still has names with IPv6 addresses.
    if (cause == 0 || errno == EADDRINUSE)
      cause = errno;
    if (cause == EADDRINUSE && address.port == 0)
      return listen_on(address); // the port that was free at one address is not at another: again with another one
    if (cause == EADDRINUSE)
      return socket_error("listen on", address, cause);
  }
  if (listening.empty())
    return socket_error("listen on", address, cause);
  return listening;
}

} // namespace weir
