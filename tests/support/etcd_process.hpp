#pragma once

#include <csignal>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <support/temporary_directory.hpp>
#include <weir/base/file_descriptor.hpp>

extern char** environ;

namespace weir::testing {

/// A socket that listens on a free port of this machine and accepts nothing.
class listening_socket {
 public:
  listening_socket() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_.number(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_.number(), 16) == 0);
    REQUIRE(::getsockname(socket_.number(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }

  std::uint16_t port() const { return port_; }
  int number() const { return socket_.number(); }

 private:
  file_descriptor socket_;
  std::uint16_t port_ = 0;
};

/// A port that nobody listened on a moment ago.
inline std::uint16_t unused_port() {
  return listening_socket{}.port();
}

/// An etcd with data of its own, which can be killed and started again.
class etcd_process {
 public:
  static bool is_installed() { return ::system("command -v etcd >/dev/null 2>&1") == 0; }

  etcd_process() { start(); }
  ~etcd_process() { kill(); }
  etcd_process(const etcd_process&) = delete;
  etcd_process& operator=(const etcd_process&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const { return "etcd://127.0.0.1:" + std::to_string(port_); }

  void start() {
    const std::string own = "http://127.0.0.1:" + std::to_string(port_);
    const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
    std::vector<std::string> words{"etcd", "--data-dir", directory_ / "data", "--listen-client-urls", own,
                                   "--advertise-client-urls", own, "--listen-peer-urls", peer, "--log-level", "error",
                                   "--heartbeat-interval", "20", "--election-timeout", "200"};
    std::vector<char*> arguments;
    for (std::string& word : words)
      arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int output : {STDOUT_FILENO, STDERR_FILENO})
      ::posix_spawn_file_actions_addopen(&actions, output, (directory_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    REQUIRE(::posix_spawnp(&pid_, "etcd", &actions, nullptr, arguments.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
  }

  void kill() {
    if (pid_ == 0)
      return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }

 private:
  temporary_directory directory_;
  std::uint16_t port_ = unused_port();
  std::uint16_t peer_port_ = unused_port();
  pid_t pid_ = 0;
};

} // namespace weir::testing
