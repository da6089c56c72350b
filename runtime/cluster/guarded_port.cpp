#include <weir/runtime/cluster/guarded_port.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <weir/base/log.hpp>

namespace weir {

namespace {

using namespace std::chrono_literals;

constexpr auto time_between_lines = 5s;
constexpr duration rest_without_descriptors = 100ms;
constexpr int most_accepted_at_once = 64; // then others have their turn

std::string address_text(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return {};
  return to_string(tcp_address{host, static_cast<std::uint16_t>(std::stoul(port))});
}

int milliseconds(duration time) {
  return static_cast<int>(std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(time).count()));
}

void wake_from(int socket, std::size_t least) {
  const int bytes = static_cast<int>(least);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

bool has_something_to_read(int socket) {
  char first = 0;
  return ::recv(socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/// Takes away what has come: a socket that is closed with it tells the other end that the connection was reset, before
/// that has read what was said last, such as what TLS has against it.
void throw_away_input(int socket) {
  char thrown_away[4096];
  for (int i = 0; i < 16 && ::recv(socket, thrown_away, sizeof thrown_away, MSG_DONTWAIT) > 0; ++i)
    ;
}

} // namespace

std::string peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return {};
  return address_text(address, size);
}

void log_closed_connection(const std::string& from, const std::string& reason) {
  struct entry {
    time_point last;
    std::uint64_t unsaid = 0;
  };
  static std::mutex mutex;
  static std::map<std::string, entry> said; // by reason
  const time_point now = std::chrono::steady_clock::now();
  std::uint64_t times = 1;
  {
    const std::lock_guard lock(mutex);
    if (const auto known = said.find(reason); known != said.end()) {
      if (now - known->second.last < time_between_lines) {
        ++known->second.unsaid;
        return;
      }
      times += known->second.unsaid;
    } else if (said.size() >= 64) {
      said.clear();
    }
    said[reason] = {now, 0};
  }
  log_warning("a connection was closed", {{"from", from}, {"reason", reason}, {"times", times}});
}

result<std::unique_ptr<guarded_port>> guarded_port::open(const tcp_address& where, admission_maker make) {
  auto listening = listen_on(where);
  if (!listening)
    return std::move(listening.failure());
  file_descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.is_open())
    return error{errc::io, "cannot listen on " + to_string(where) + ": " + errno_text(errno)};
  const std::uint16_t number = port_of(listening->front());
  return std::unique_ptr<guarded_port>(
      new guarded_port(std::move(*listening), number, std::move(wake), std::move(make)));
}

guarded_port::guarded_port(std::vector<file_descriptor> listening, std::uint16_t number, file_descriptor wake,
                           admission_maker make)
    : listening_(std::move(listening)), number_(number), wake_(std::move(wake)), make_(std::move(make)),
      thread_([this] { watch(); }) {}

guarded_port::~guarded_port() {
  ::eventfd_write(wake_.number(), 1);
  thread_.join();
}

void guarded_port::watch() {
  std::vector<pollfd> polled;
  for (;;) {
    const time_point now = std::chrono::steady_clock::now();
    const bool accepts = now >= next_accept_;
    polled.assign(1, {wake_.number(), POLLIN, 0});
    for (const file_descriptor& socket : listening_)
      polled.push_back({socket.number(), static_cast<short>(accepts ? POLLIN : 0), 0});
    for (const visitor& one : waiting_)
      polled.push_back({one.socket.number(), POLLIN, 0});
    time_point next = accepts ? time_point::max() : next_accept_;
    if (!waiting_.empty())
      next = std::min(next, waiting_.front().until);
    const int wait = next == time_point::max() ? -1 : milliseconds(next - now);
    if (::poll(polled.data(), polled.size(), wait) < 0 && errno != EINTR) {
      log_error("nobody can connect to this process any more", {{"port", number_}, {"reason", errno_text(errno)}});
      return;
    }
    if (polled[0].revents != 0)
      return;
    auto at = polled.begin() + 1 + static_cast<std::ptrdiff_t>(listening_.size());
    for (auto which = waiting_.begin(); which != waiting_.end(); ++at)
      if (const auto one = which++; at->revents != 0)
        examine(one);
    close_those_who_wait_too_long();
    for (std::size_t i = 0; i < listening_.size(); ++i)
      if (polled[1 + i].revents != 0)
        accept_all(listening_[i].number());
  }
}

void guarded_port::examine(std::list<visitor>::iterator which) {
  const result<bool> shown = which->pass->examine(which->socket.number());
  which->has_begun = true;
  if (shown && !*shown)
    return wake_from(which->socket.number(), which->pass->least_bytes());
  if (shown) {
    wake_from(which->socket.number(), 1);
    which->pass->let_in(std::move(which->socket));
  } else if (!shown.failure().message.empty()) {
    log_closed_connection(which->from, shown.failure().message);
    throw_away_input(which->socket.number());
  }
  waiting_.erase(which);
}

void guarded_port::close_those_who_wait_too_long() {
  const time_point now = std::chrono::steady_clock::now();
  while (!waiting_.empty() && waiting_.front().until <= now)
    turn_away(waiting_.begin(), "it has not shown within " + std::to_string(patience / 1s) + " s that it is a process of this job");
}

void guarded_port::turn_away(std::list<visitor>::iterator which, const std::string& reason) {
  log_closed_connection(which->from, reason);
  waiting_.erase(which);
}

/// Of those that have said nothing yet, looked at or not, as long as there are some: a flood of them is no reason to break
/// off what others have begun.
void guarded_port::make_room(const std::string& reason) {
  const auto silent = std::find_if_not(waiting_.begin(), waiting_.end(), [](const visitor& one) {
    return one.has_begun || has_something_to_read(one.socket.number());
  });
  turn_away(silent == waiting_.end() ? waiting_.begin() : silent, reason);
}

void guarded_port::accept_all(int listening) {
  for (int accepted = 0; accepted < most_accepted_at_once; ++accepted) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    file_descriptor socket(
        ::accept4(listening, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.is_open()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        if (!waiting_.empty()) {
          make_room("too many connections for the files that this process may open (`ulimit -n`)");
          continue;
        }
        next_accept_ = std::chrono::steady_clock::now() + rest_without_descriptors;
      } else if (errno == ECONNABORTED || errno == EINTR) {
        continue;
      }
      return;
    }
    if (waiting_.size() >= most_waiting)
      make_room("too many connections that have not shown what they are");
    std::unique_ptr<admission> pass = make_(number_);
    wake_from(socket.number(), pass->least_bytes());
    waiting_.push_back({std::move(socket), std::move(pass), address_text(address, size),
                        std::chrono::steady_clock::now() + patience, false});
  }
}

} // namespace weir
