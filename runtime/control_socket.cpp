#include <weir/runtime/control_socket.hpp>

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_line = std::size_t{64} << 10;

/// The address of the socket in an open directory: a path of any length fits into it this way.
sockaddr_un address_in(const file_descriptor& directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory.number()) + "/" + control_socket_name;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

file_descriptor open_directory(const fs::path& directory) {
  return file_descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void set_timeouts(const file_descriptor& socket, std::chrono::seconds read) {
  const timeval write_limit{5, 0};
  const timeval read_limit{read.count(), 0};
  ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &write_limit, sizeof write_limit);
  ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &read_limit, sizeof read_limit);
}

/// A line without its end; nothing when none comes, or one that is too long.
std::optional<std::string> receive_line(const file_descriptor& socket) {
  std::string line;
  for (char part[4096]; line.size() <= longest_line;) {
    const ssize_t size = ::recv(socket.number(), part, sizeof part, 0);
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return std::nullopt;
    line.append(part, static_cast<std::size_t>(size));
    if (const std::size_t end = line.find('\n'); end != std::string::npos)
      return line.substr(0, end);
  }
  return std::nullopt;
}

bool send_line(const file_descriptor& socket, const std::string& text) {
  const std::string line = text + '\n';
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t size = ::send(socket.number(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return false;
    sent += static_cast<std::size_t>(size);
  }
  return true;
}

bool may_command(const file_descriptor& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.number(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == ::geteuid() || peer.uid == 0);
}

} // namespace

result<std::unique_ptr<control_socket>> control_socket::open(const fs::path& directory, handler handle) {
  const auto failure = [&](const std::string& doing) {
    return file_error(errc::io, doing, (directory / control_socket_name).string(), errno);
  };
  file_descriptor place = open_directory(directory);
  file_descriptor listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  file_descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (!place.is_open() || !listening.is_open() || !wake.is_open())
    return failure("make the socket");
  ::unlinkat(place.number(), control_socket_name, 0);
  const sockaddr_un address = address_in(place);
  // Nobody can connect before listen().
  if (::bind(listening.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(place.number(), control_socket_name, S_IRUSR | S_IWUSR, 0) != 0 ||
      ::listen(listening.number(), 16) != 0)
    return failure("make the socket");
  return std::unique_ptr<control_socket>(
      new control_socket(std::move(place), std::move(listening), std::move(wake), std::move(handle)));
}

control_socket::control_socket(file_descriptor directory, file_descriptor listening, file_descriptor wake,
                               handler handle)
    : directory_(std::move(directory)), listening_(std::move(listening)), wake_(std::move(wake)),
      handle_(std::move(handle)), thread_([this] { accept_connections(); }) {}

control_socket::~control_socket() {
  ::unlinkat(directory_.number(), control_socket_name, 0);
  ::eventfd_write(wake_.number(), 1);
  thread_.join();
  {
    const std::lock_guard guard(mutex_);
    for (const connection& one : connections_)
      ::shutdown(one.socket.number(), SHUT_RD); // what is being carried out is still answered
  }
  for (connection& one : connections_)
    one.thread.join();
}

void control_socket::accept_connections() {
  pollfd waiting[] = {{listening_.number(), POLLIN, 0}, {wake_.number(), POLLIN, 0}};
  for (;;) {
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR)
      return;
    if (waiting[1].revents != 0)
      return;
    if ((waiting[0].revents & POLLIN) == 0)
      continue;
    file_descriptor socket(::accept4(listening_.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.is_open()) { // no descriptor left, most likely: not at once again
      ::poll(&waiting[1], 1, 100);
      continue;
    }
    if (!may_command(socket))
      continue;
    set_timeouts(socket, std::chrono::seconds{5});
    forget_ended();
    const std::lock_guard guard(mutex_);
    if (connections_.size() >= most_connections)
      continue;
    connection& added = connections_.emplace_back();
    added.socket = std::move(socket);
    try {
      added.thread = std::thread([this, &added] { serve(added); });
    } catch (const std::system_error&) { // no thread left: whoever asks is told nothing, and may ask again
      connections_.pop_back();
    }
  }
}

void control_socket::serve(connection& with) {
  if (const auto request = receive_line(with.socket))
    if (!send_line(with.socket, handle_(*request)))
      log_warning("whoever told the job what to do has not waited for the answer", {{"request", *request}});
  const std::lock_guard guard(mutex_);
  with.is_over = true;
}

void control_socket::forget_ended() {
  std::list<connection> ended;
  {
    const std::lock_guard guard(mutex_);
    for (auto at = connections_.begin(); at != connections_.end();) {
      const auto next = std::next(at);
      if (at->is_over)
        ended.splice(ended.end(), connections_, at);
      at = next;
    }
  }
  for (connection& one : ended)
    one.thread.join();
}

result<std::string> ask_job(const fs::path& directory, const std::string& request) {
  const file_descriptor place = open_directory(directory);
  if (!place.is_open())
    return error{errc::invalid_input, "expected the checkpoint directory of a job, found " + directory.string() + ": " +
                                          errno_text(errno)};
  const file_descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_in(place);
  if (!socket.is_open() ||
      ::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool is_absent = errno == ENOENT || errno == ECONNREFUSED;
    return error{errc::io, "no job can be reached in " + directory.string() + ": " +
                               (is_absent ? "none runs with it as checkpoint.dir" : errno_text(errno))};
  }
  set_timeouts(socket, std::chrono::seconds{0}); // a savepoint takes as long as it takes
  if (!send_line(socket, request))
    return error{errc::io, "the job in " + directory.string() + " does not listen: " + errno_text(errno)};
  if (auto answer = receive_line(socket))
    return std::move(*answer);
  return error{errc::io, "the job in " + directory.string() +
                             " has not answered: it has ended, or belongs to another user"};
}

} // namespace weir
