#include <support/connections.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <doctest/doctest.h>

#include <weir/base/tcp.hpp>

namespace weir::testing {

namespace {

int milliseconds_until(time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

bool is_closed(const file_descriptor& connection) {
  char thrown_away[4096];
  for (;;) {
    const ssize_t size = ::recv(connection.number(), thrown_away, sizeof thrown_away, MSG_DONTWAIT);
    if (size <= 0)
      return size == 0 || (errno != EAGAIN && errno != EINTR);
  }
}

} // namespace

file_descriptor connect_locally(std::uint16_t port) {
  auto connected = connect_to({"127.0.0.1", port}, std::chrono::seconds{10}, {});
  if (!connected)
    FAIL(connected.failure().message);
  return std::move(*connected);
}

void send_all(const file_descriptor& to, std::string_view data, duration limit) {
  const time_point deadline = std::chrono::steady_clock::now() + limit;
  while (!data.empty()) {
    const ssize_t size = ::send(to.number(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size > 0) {
      data.remove_prefix(static_cast<std::size_t>(size));
      continue;
    }
    pollfd ready{to.number(), POLLOUT, 0};
    if (errno != EAGAIN || ::poll(&ready, 1, milliseconds_until(deadline)) <= 0)
      return;
  }
}

bool is_closed_within(const file_descriptor& connection, duration limit) {
  const time_point deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    pollfd ready{connection.number(), POLLIN, 0};
    if (::poll(&ready, 1, milliseconds_until(deadline)) <= 0)
      return false;
    if (is_closed(connection))
      return true;
  }
}

std::size_t closed_within(const std::vector<file_descriptor>& connections, std::size_t wanted, duration limit) {
  const time_point deadline = std::chrono::steady_clock::now() + limit;
  std::vector<pollfd> open;
  for (const file_descriptor& one : connections)
    open.push_back({one.number(), POLLIN, 0});
  while (connections.size() - open.size() < wanted && ::poll(open.data(), open.size(), milliseconds_until(deadline)) > 0)
    std::erase_if(open, [&](const pollfd& one) {
      const auto which = std::find_if(connections.begin(), connections.end(),
                                      [&](const file_descriptor& all) { return all.number() == one.fd; });
      return one.revents != 0 && is_closed(*which);
    });
  return connections.size() - open.size();
}

std::vector<std::uint16_t> own_ports() {
  std::vector<std::uint16_t> ports;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int number = std::stoi(entry.path().filename().string());
    int listens = 0;
    socklen_t size = sizeof listens;
    sockaddr_in own{};
    socklen_t own_size = sizeof own;
    if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
        ::getsockname(number, reinterpret_cast<sockaddr*>(&own), &own_size) == 0 && own.sin_family == AF_INET)
      ports.push_back(ntohs(own.sin_port));
  }
  return ports;
}

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  std::uint64_t kib = 0;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:"))
      kib = std::stoull(line.substr(6));
  std::ofstream("/proc/self/clear_refs") << '5';
  return kib / 1024;
}

} // namespace weir::testing
