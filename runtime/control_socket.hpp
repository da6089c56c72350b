#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <weir/base/error.hpp>
#include <weir/base/file_descriptor.hpp>

namespace weir {

/// The name of the socket in a job's checkpoint directory.
inline constexpr const char* control_socket_name = "control";

/// A Unix socket on which a running job is told what to do: one line of text in, one line out, for each connection.
///
/// Only the user that the job runs as, and root, are answered: by the mode of the socket, and by what the kernel says of
/// who has connected.
///
/// Errors:        the handler throws nothing.
/// Thread safety: has threads of its own, on which the handler is called, for several connections at a time.
/// Ownership:     destroying it removes the socket, and waits for calls of the handler to return.
class control_socket {
 public:
  using handler = std::function<std::string(const std::string& request)>;

  /// Listens in a directory that this process owns; a socket that an earlier process has left there is replaced.
  ///
  /// Errors: io, where sockets cannot be made, such as on some network file systems.
  static result<std::unique_ptr<control_socket>> open(const std::filesystem::path& directory, handler handle);

  ~control_socket();
  control_socket(const control_socket&) = delete;
  control_socket& operator=(const control_socket&) = delete;

 private:
  struct connection {
    file_descriptor socket;
    std::thread thread;
    bool is_over = false;
  };

  control_socket(file_descriptor directory, file_descriptor listening, file_descriptor wake, handler handle);

  void accept_connections();
  void serve(connection& with);
  void forget_ended();

  static constexpr std::size_t most_connections = 16;

  file_descriptor directory_;
  file_descriptor listening_;
  file_descriptor wake_; // an eventfd
  handler handle_;
  std::mutex mutex_;
  std::list<connection> connections_;
  std::thread thread_;
};

/// Sends one line to the job whose checkpoint directory this is, and returns its answer, which may take as long as what
/// it was told to do.
///
/// Errors: invalid_input where there is no such directory, io where no job listens there.
result<std::string> ask_job(const std::filesystem::path& directory, const std::string& request);

} // namespace weir
