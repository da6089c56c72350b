#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/base/tcp.hpp>

namespace weir {

/// What a connection to a guarded_port has to show before it is let in, and how it is let in.
class admission {
 public:
  virtual ~admission() = default;

  /// There is nothing to examine before so many bytes are there. Asked again whenever they were not enough.
  virtual std::size_t least_bytes() const noexcept { return 1; }

  /// Whether what has come is enough. Does not wait. `socket` is non-blocking.
  ///
  /// Errors: it is not to be let in. An empty message: there is nothing to be said about it.
  virtual result<bool> examine(int socket) = 0;

  /// It has shown enough.
  virtual void let_in(file_descriptor socket) = 0;
};

/// A port that anything may connect to, and that hands on only what has shown that it belongs here.
///
/// Until then a connection costs this process a file descriptor and no memory that its other end could ask for. One
/// that shows nothing in `patience`, or something wrong, is closed; if there are too many, the oldest one is, of
/// those that have said nothing first. What is wrong with them is logged, each reason now and then.
///
/// Threads: one of its own, on which admissions are used.
class guarded_port {
 public:
  using admission_maker = std::function<std::unique_ptr<admission>(std::uint16_t port)>;

  static constexpr std::size_t most_waiting = 256;
  static constexpr duration patience = std::chrono::seconds{5};

  /// Listens at the address; port 0: any free one.
  ///
  /// Errors: see listen_on.
  static result<std::unique_ptr<guarded_port>> open(const tcp_address& where, admission_maker make);

  /// Nobody is let in any more.
  ~guarded_port();
  guarded_port(const guarded_port&) = delete;
  guarded_port& operator=(const guarded_port&) = delete;

  std::uint16_t number() const noexcept { return number_; }

 private:
  struct visitor {
    file_descriptor socket;
    std::unique_ptr<admission> pass;
    std::string from;
    time_point until;
    bool has_begun; // something has come of it, but not enough
  };

  guarded_port(std::vector<file_descriptor> listening, std::uint16_t number, file_descriptor wake,
               admission_maker make);

  void watch();
  void examine(std::list<visitor>::iterator which);
  void close_those_who_wait_too_long();
  void accept_all(int listening);
  void turn_away(std::list<visitor>::iterator which, const std::string& reason);
  void make_room(const std::string& reason);

  std::vector<file_descriptor> listening_;
  std::uint16_t number_;
  file_descriptor wake_;
  admission_maker make_;
  std::list<visitor> waiting_; // the oldest first
  time_point next_accept_{};   // not before, since there was no file descriptor left
  std::thread thread_;         // after all that it uses
};

/// Logs that a connection from there was closed. The same reason again within some seconds is counted only.
///
/// Thread safety: any thread.
void log_closed_connection(const std::string& from, const std::string& reason);

/// "10.0.0.7:40312": who is at the other end of a connected socket; empty if that cannot be said.
std::string peer_of(int socket);

} // namespace weir
