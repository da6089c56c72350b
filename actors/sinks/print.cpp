#include <weir/actors/sinks/print.hpp>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <string_view>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <weir/base/error.hpp>

namespace weir::detail {

void open_standard_output() {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

void write_standard_output(const std::string& text) {
  static std::mutex one_text_at_a_time;
  const std::lock_guard<std::mutex> lock(one_text_at_a_time);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (n >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    const int cause = errno;
    if (cause == EAGAIN || cause == EWOULDBLOCK) {
      pollfd ready{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (cause != EINTR) {
      throw std::runtime_error("standard output: cannot write " +
                               std::to_string(text.size()) + " bytes: " + errno_text(cause) +
                               (cause == EPIPE ? ": keep its reader running until the job ends" : ""));
    }
  }
}

} // namespace weir::detail
