#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/actors/operators/source.hpp>
#include <weir/base/option.hpp>

namespace weir {

class socket_listener;

struct socket_lines_options {
  /// Waits for connections instead of making one.
  parameter<bool> listen = false;

  /// A longer line is an error. Larger means more memory per connection that sends such lines.
  std::size_t longest_line = std::size_t{1} << 20;

  /// How long to try to connect.
  duration connect_timeout = std::chrono::seconds{10};
};

/// A source of the lines that come over TCP.
///
///     job.source("lines", weir::socket_lines{"localhost", 9999})      // beside `nc -lk 9999`
///     job.source("lines", weir::socket_lines{"0.0.0.0", 9999, {.listen = true}})
///
/// It connects to host and port and ends when the other side closes the connection. With `listen` it
/// reads from any number of clients that come and go, and never ends; an empty host means all
/// addresses of the machine. A line ends with '\n' or '\r\n'; what a closed connection leaves
/// unfinished counts as a line.
///
/// A socket cannot be read again: each line counts at most once. What has been received after the
/// last checkpoint is lost when the job fails, and so is a line of which only a part has come.
///
/// Errors:    before the start: an unknown host, a bad port, an address to listen on that is in use.
///            When it opens: a connection that is refused; a restart tries again. While reading: a
///            connection that breaks, a line that is too long; with `listen` these end the
///            connection with a warning and the job goes on.
/// Snapshots: only whether the input has ended.
/// Cost:      one instance, on a thread of its own, which waits for data up to 20 ms at a time.
class socket_lines {
 public:
  using output = std::string;

  /// The whole input: nothing of it can be read again.
  struct split {
    bool is_open = true;
  };

  static constexpr bool blocks = true;
  static constexpr std::uint32_t maximum_parallelism = 1;

  socket_lines(parameter<std::string> host, parameter<std::uint16_t> port,
               socket_lines_options options = {});

  result<std::vector<split>> splits(std::uint32_t parallelism) const;
  void open(const operator_context& context, std::vector<split> assigned);
  source_turn poll(emitter<std::string>& out);
  std::vector<split> snapshot() const;
  void close() noexcept;

 private:
  class reader;

  parameter<std::string> host_;
  parameter<std::uint16_t> port_;
  socket_lines_options options_;
  std::shared_ptr<socket_listener> listener_; // of all copies: it listens from splits() on
  std::shared_ptr<reader> reader_;
};

} // namespace weir
