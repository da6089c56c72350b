#include <weir/connectors/socket_lines.hpp>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include <weir/base/log.hpp>
#include <weir/connectors/line_buffer.hpp>
#include <weir/base/tcp.hpp>

namespace weir {

namespace {

constexpr int longest_wait_ms = 20;
constexpr std::size_t block_size = std::size_t{32} << 10;

} // namespace

/// The sockets that all copies of a source listen on, from the first call until the last copy goes.
class socket_listener {
 public:
  status listen(const tcp_address& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!sockets_.empty())
      return {};
    auto opened = listen_on(address);
    if (!opened)
      return std::move(opened.failure());
    sockets_ = std::move(*opened);
    return {};
  }

  /// After listen(). They do not change any more.
  const std::vector<file_descriptor>& sockets() const noexcept { return sockets_; }

 private:
  std::mutex mutex_;
  std::vector<file_descriptor> sockets_;
};

class socket_lines::reader {
 public:
  reader(tcp_address address, const socket_lines_options& options,
         std::shared_ptr<socket_listener> listener)
      : address_(std::move(address)), options_(options), listener_(std::move(listener)) {
    if (*options_.listen) {
      if (const status listening = listener_->listen(address_); !listening)
        fail(listening.failure());
      return;
    }
    auto connected = connect_to(address_, options_.connect_timeout,
                                "start what sends the lines first, for example `nc -lk " + std::to_string(address_.port) + "`");
    if (!connected)
      fail(connected.failure());
    connections_.push_back({std::move(*connected), {}});
  }

  source_turn poll(emitter<std::string>& out) {
    if (!*options_.listen && connections_.empty())
      return source_turn::ended();
    watched_.clear();
    for (const connection& one : connections_)
      watched_.push_back({one.socket.number(), POLLIN, 0});
    if (*options_.listen)
      for (const file_descriptor& socket : listener_->sockets())
        watched_.push_back({socket.number(), POLLIN, 0});
    const int ready = ::poll(watched_.data(), watched_.size(), longest_wait_ms);
    if (ready < 0 && errno != EINTR)
      fail({errc::io, "cannot wait for data from " + to_string(address_) + ": " + errno_text(errno)});
    if (ready <= 0)
      return source_turn::idle(duration::zero());
    const std::size_t known = connections_.size();
    for (std::size_t i = 0; i < known; ++i)
      if (watched_[i].revents != 0)
        receive(connections_[i], out);
    for (std::size_t i = known; i < watched_.size(); ++i)
      if (watched_[i].revents != 0)
        accept(watched_[i].fd);
    std::erase_if(connections_, [](const connection& one) { return !one.socket.is_open(); });
    return !*options_.listen && connections_.empty() ? source_turn::ended() : source_turn::more();
  }

  bool is_open() const noexcept { return *options_.listen || !connections_.empty(); }

 private:
  struct connection {
    file_descriptor socket;
    line_buffer buffer;
  };

  void receive(connection& from, emitter<std::string>& out) {
    const std::span<char> room = from.buffer.room(block_size);
    const ssize_t n = ::recv(from.socket.number(), room.data(), room.size(), 0);
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)
        return;
      lose(from, {errc::io, "the connection with " + to_string(address_) + " broke: " +
                                errno_text(errno)});
    }
    line_buffer::line line;
    if (n > 0) {
      from.buffer.filled(static_cast<std::size_t>(n));
      bool is_short = true;
      while (is_short && from.buffer.next(line))
        if ((is_short = line.text.size() <= options_.longest_line))
          out.append().assign(line.text);
      if (is_short && from.buffer.size() <= options_.longest_line + 1)
        return;
      from.buffer.clear();
      lose(from, {errc::capacity, "a line from " + to_string(address_) + " is longer than " +
                                      std::to_string(options_.longest_line) +
                                      " bytes: raise socket_lines_options::longest_line if it is "
                                      "text"});
    }
    if (from.buffer.rest(line))
      out.append().assign(line.text);
    from.socket.close();
  }

  void lose(const connection&, const error& cause) const {
    if (!*options_.listen)
      fail(cause);
    log_warning("a connection is closed", {{"cause", cause.message}});
  }

  void accept(int listening) {
    file_descriptor socket(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.is_open()) {
      connections_.push_back({std::move(socket), {}});
      return;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      fail({errc::io, "cannot accept a connection on " + to_string(address_) + ": " +
                          errno_text(errno) + ": raise the limit (`ulimit -n`) or connect less"});
  }

  tcp_address address_;
  socket_lines_options options_;
  std::shared_ptr<socket_listener> listener_;
  std::vector<connection> connections_;
  std::vector<pollfd> watched_;
};

socket_lines::socket_lines(parameter<std::string> host, parameter<std::uint16_t> port,
                           socket_lines_options options)
    : host_(std::move(host)), port_(std::move(port)), options_(std::move(options)),
      listener_(std::make_shared<socket_listener>()) {}

result<std::vector<socket_lines::split>> socket_lines::splits(std::uint32_t) const {
  const tcp_address address{*host_, *port_};
  if (status found = check_address(address, *options_.listen); !found)
    return std::move(found.failure());
  if (*options_.listen)
    if (status listening = listener_->listen(address); !listening)
      return std::move(listening.failure());
  return std::vector<split>{split{}};
}

void socket_lines::open(const operator_context&, std::vector<split> assigned) {
  if (!assigned.empty())
    reader_ = std::make_shared<reader>(tcp_address{*host_, *port_}, options_, listener_);
}

source_turn socket_lines::poll(emitter<std::string>& out) {
  return reader_ ? reader_->poll(out) : source_turn::ended();
}

std::vector<socket_lines::split> socket_lines::snapshot() const {
  return reader_ && reader_->is_open() ? std::vector<split>{split{}} : std::vector<split>{};
}

void socket_lines::close() noexcept {
  reader_.reset();
}

} // namespace weir
