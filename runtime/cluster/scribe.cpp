#include <weir/runtime/cluster/scribe.hpp>

#if CAF_VERSION < 10000

#  include <array>
#  include <cerrno>
#  include <cstdint>
#  include <utility>

#  include <fcntl.h>
#  include <sys/socket.h>

#  include <caf/io/basp/header.hpp>
#  include <caf/io/middleman.hpp>
#  include <caf/io/network/default_multiplexer.hpp>
#  include <caf/io/network/interfaces.hpp>
#  include <caf/io/network/stream_impl.hpp>
#  include <caf/policy/tcp.hpp>

#  include <weir/runtime/cluster/frames.hpp>
#  include <weir/runtime/cluster/network.hpp>
#  include <weir/runtime/cluster/tls_session.hpp>

namespace weir {

namespace {

namespace network = caf::io::network;
namespace basp = caf::io::basp;

// A frame of Weir's, and what CAF puts around it.
constexpr std::uint32_t longest_payload = frame_reader::longest_frame + (64 << 10);
constexpr std::uint32_t longest_handshake = 4 << 10;

struct frame_head {
  basp::message_type what;
  std::uint32_t payload;
};

frame_head read_head(const void* data) {
  const auto* const at = static_cast<const unsigned char*>(data);
  return {static_cast<basp::message_type>(at[0]),
          std::uint32_t{at[4]} << 24 | std::uint32_t{at[5]} << 16 | std::uint32_t{at[6]} << 8 | std::uint32_t{at[7]}};
}

template <class T>
T value_or_none(caf::expected<T> found) {
  return found ? std::move(*found) : T{};
}

/// A connection over which nothing comes that is no frame, or too long a one. CAF's rules say the rest.
template <class Policy>
class checked_scribe : public caf::io::scribe {
 public:
  /// `greeting`: how the other end has to begin, and what only it may say.
  template <class... Args>
  checked_scribe(network::default_multiplexer& loop, int socket, basp::message_type greeting, Args&&... args)
      : caf::io::scribe(network::conn_hdl_from_socket(socket)), greeting_(greeting),
        stream_(loop, socket, std::forward<Args>(args)...) {}

  bool consume(caf::execution_unit* where, const void* data, std::size_t size) override {
    if (!std::exchange(is_payload_next_, false)) {
      const frame_head head = read_head(data);
      if (!may_come(head)) {
        log_closed_connection(peer_of(stream_.fd()),
                              "what it sent is no frame, or one that is longer than any of this job's");
        io_failure(where, network::operation::read);
        return false;
      }
      has_greeted_ = true;
      is_payload_next_ = head.payload != 0;
    }
    return caf::io::scribe::consume(where, data, size);
  }

  void configure_read(caf::io::receive_policy::config how) override {
    stream_.configure_read(how);
    if (!std::exchange(is_started_, true))
      stream_.start(this);
  }

  void ack_writes(bool wanted) override { stream_.ack_writes(wanted); }
  std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
  std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
  void flush() override { stream_.flush(this); }
  std::string addr() const override { return value_or_none(network::remote_addr_of_fd(stream_.fd())); }
  std::uint16_t port() const override { return value_or_none(network::remote_port_of_fd(stream_.fd())); }
  void add_to_loop() override { stream_.activate(this); }
  void remove_from_loop() override { stream_.passivate(); }

  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }

 private:
  bool may_come(const frame_head& head) const {
    using enum basp::message_type;
    const bool greets = head.what == server_handshake || head.what == client_handshake;
    if (greets) // CAF reads the payload of these, whether there is one or not
      return head.what == greeting_ && head.payload != 0 && head.payload <= longest_handshake;
    return has_greeted_ && head.payload <= longest_payload;
  }

  basp::message_type greeting_;
  bool has_greeted_ = false;
  bool is_payload_next_ = false;
  bool is_started_ = false;
  network::stream_impl<Policy> stream_;
};

network::default_multiplexer& loop_of(caf::actor_system& system) {
  return static_cast<network::default_multiplexer&>(system.middleman().backend());
}

template <class Policy, class... Args>
caf::io::scribe_ptr make_scribe(caf::actor_system& system, file_descriptor socket, basp::message_type greeting,
                                Args&&... args) {
  network::keepalive(socket.number(), true);
  return caf::make_counted<checked_scribe<Policy>>(loop_of(system), socket.release(), greeting,
                                                   std::forward<Args>(args)...);
}

class plain_admission : public admission {
 public:
  plain_admission(caf::actor_system& system, const let_in_connection& let_in, std::uint16_t port)
      : system_(system), let_in_(let_in), port_(port) {}

  std::size_t least_bytes() const noexcept override { return least_; }

  /// Looks without taking anything away. With fewer bytes than the least nothing else will come.
  result<bool> examine(int socket) override {
    std::array<unsigned char, basp::header_size + longest_handshake> first{};
    const ssize_t received = ::recv(socket, first.data(), first.size(), MSG_PEEK);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
      return false;
    if (received <= 0)
      return error{errc::io, {}}; // whoever only looks whether somebody is here
    const auto size = static_cast<std::size_t>(received);
    if (begins_as_tls({reinterpret_cast<const char*>(first.data()), size}))
      return unwanted_tls();
    const frame_head head = read_head(first.data());
    if (size < least_ || head.what != basp::message_type::client_handshake || head.payload == 0 ||
        head.payload > longest_handshake)
      return error{errc::io, "what it sent does not begin as a process of a job does"};
    least_ = basp::header_size + head.payload;
    return size >= least_;
  }

  void let_in(file_descriptor socket) override {
    let_in_(make_scribe<caf::policy::tcp>(system_, std::move(socket), basp::message_type::client_handshake), port_);
  }

 private:
  caf::actor_system& system_;
  const let_in_connection& let_in_;
  std::uint16_t port_;
  std::size_t least_ = basp::header_size; // then with the frame that it begins
};

class tls_admission : public admission {
 public:
  tls_admission(caf::actor_system& system, const let_in_connection& let_in, std::uint16_t port)
      : system_(system), let_in_(let_in), port_(port) {}

  result<bool> examine(int socket) override { return accept_tls(system_, socket, session_); }

  void let_in(file_descriptor socket) override {
    let_in_(make_scribe<tls_session>(system_, std::move(socket), basp::message_type::client_handshake,
                                     std::move(*session_)),
            port_);
  }

 private:
  caf::actor_system& system_;
  const let_in_connection& let_in_;
  std::uint16_t port_;
  std::unique_ptr<tls_session> session_; // from the first byte on
};

} // namespace

result<made_connection> make_connection(caf::actor_system& system, const tcp_address& to, duration timeout,
                                        const std::string& advice) {
  const time_point deadline = std::chrono::steady_clock::now() + timeout;
  auto socket = connect_to(to, timeout, advice);
  if (!socket)
    return std::move(socket.failure());
  made_connection made{nullptr, file_descriptor(::fcntl(socket->number(), F_DUPFD_CLOEXEC, 0)),
                       std::make_shared<connection_fate>()};
  if (!made.socket.is_open())
    return error{errc::io, "cannot connect to " + to_string(to) + ": " + errno_text(errno)};
  constexpr auto greeting = basp::message_type::server_handshake;
  if (!system.has_openssl_manager()) {
    made.scribe = make_scribe<caf::policy::tcp>(system, std::move(*socket), greeting);
    return made;
  }
  auto session = tls_session::agree(system, socket->number(), deadline);
  if (!session)
    return no_answer_from(to, true, session.failure().message);
  session->report_to(made.fate);
  made.scribe = make_scribe<tls_session>(system, std::move(*socket), greeting, std::move(*session));
  return made;
}

guarded_port::admission_maker admissions(caf::actor_system& system, let_in_connection let_in) {
  return [&system, let_in = std::move(let_in)](std::uint16_t port) -> std::unique_ptr<admission> {
    if (system.has_openssl_manager())
      return std::make_unique<tls_admission>(system, let_in, port);
    return std::make_unique<plain_admission>(system, let_in, port);
  };
}

} // namespace weir

#endif
