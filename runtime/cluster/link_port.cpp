#include <weir/runtime/cluster/link_port.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include <sys/socket.h>

#include <weir/base/bytes.hpp>
#include <weir/runtime/cluster/network.hpp>

namespace weir {

namespace {

using caf::io::network::rw_state;

// Of this version of frames; neither CAF's own connections begin with it, nor TLS.
constexpr std::string_view signature = "weirlink00000001";
constexpr std::size_t greeting_size = signature.size() + sizeof(std::uint64_t) + sizeof(std::uint32_t);

bytes written(const link_greeting& greeting) {
  byte_writer out;
  out.write(signature.data(), signature.size());
  out.write_raw(greeting.attempt.value);
  out.write_raw(greeting.worker);
  return std::move(out).take();
}

/// Sends all of it into a connection that is new, and takes that much at once.
bool send_greeting(const link_socket& to, const bytes& greeting) {
  if (!to.session)
    return ::send(to.socket.number(), greeting.data(), greeting.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(greeting.size());
  std::size_t sent = 0;
  return to.session->try_write(sent, to.socket.number(), greeting.data(), greeting.size()) == rw_state::success &&
         sent == greeting.size();
}

class link_admission : public admission {
 public:
  link_admission(caf::actor_system& system, const let_in_link& let_in) : system_(system), let_in_(let_in) {}

  std::size_t least_bytes() const noexcept override {
    return system_.has_openssl_manager() ? 1 : greeting_size - size_;
  }

  result<bool> examine(int socket) override {
    if (const auto agreed = agree(socket); !agreed || !*agreed)
      return agreed;
    while (size_ != greeting_size) {
      std::size_t more = 0;
      switch (read_some(socket, more)) {
      case rw_state::success: size_ += more; break;
      case rw_state::indeterminate: return false;
      case rw_state::failure: return error{errc::io, size_ == 0 ? "" : "it was closed while it said what it is"};
      }
      if (begins_as_tls({received_.data(), size_}))
        return unwanted_tls();
      if (const auto so_far = std::min(size_, signature.size()); signature.substr(0, so_far) != received().substr(0, so_far))
        return error{errc::io, "what it sent does not begin as a worker of a job does"};
    }
    return true;
  }

  void let_in(file_descriptor socket) override {
    byte_reader in(received().substr(signature.size()));
    const epoch attempt{in.read_raw<std::uint64_t>()};
    let_in_({attempt, in.read_raw<std::uint32_t>()}, {std::move(socket), std::move(session_)});
  }

 private:
  std::string_view received() const { return {received_.data(), size_}; }

  /// Whether there is nothing more to agree on.
  result<bool> agree(int socket) {
    if (is_agreed_ || !system_.has_openssl_manager())
      return true;
    char first = 0;
    if (!session_ && ::recv(socket, &first, 1, MSG_PEEK) == 0)
      return error{errc::io, {}}; // whoever only looks whether somebody is here
    auto agreed = go_on(socket);
    if (!agreed)
      agreed.failure().message += ". Expected a process with a certificate that is signed by one of cluster.tls-ca";
    else
      is_agreed_ = *agreed;
    return agreed;
  }

  result<bool> go_on(int socket) {
    if (!session_) {
      auto begun = tls_session::begin(system_, socket, true);
      if (!begun)
        return std::move(begun.failure());
      session_ = std::make_unique<tls_session>(std::move(*begun));
    }
    return session_->go_on(socket);
  }

  rw_state read_some(int socket, std::size_t& size) {
    char* const to = received_.data() + size_;
    if (session_)
      return session_->try_read(size, socket, to, greeting_size - size_);
    const ssize_t received = ::recv(socket, to, greeting_size - size_, MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
      return rw_state::indeterminate;
    if (received <= 0)
      return rw_state::failure;
    size = static_cast<std::size_t>(received);
    return rw_state::success;
  }

  caf::actor_system& system_;
  const let_in_link& let_in_;
  std::unique_ptr<tls_session> session_; // from the first byte on
  bool is_agreed_ = false;
  std::array<char, greeting_size> received_{};
  std::size_t size_ = 0;
};

} // namespace

result<link_socket> connect_link(caf::actor_system& system, const tcp_address& to, duration timeout,
                                 const std::string& advice, const link_greeting& greeting) {
  const time_point deadline = std::chrono::steady_clock::now() + timeout;
  auto socket = connect_to(to, timeout, advice);
  if (!socket)
    return std::move(socket.failure());
  link_socket made{std::move(*socket), nullptr};
  if (system.has_openssl_manager()) {
    auto session = tls_session::agree(system, made.socket.number(), deadline);
    if (!session)
      return no_answer_from(to, true, session.failure().message);
    made.session = std::make_unique<tls_session>(std::move(*session));
  }
  if (!send_greeting(made, written(greeting)))
    return no_answer_from(to, made.session != nullptr, "it has closed the connection");
  return made;
}

guarded_port::admission_maker link_admissions(caf::actor_system& system, let_in_link let_in) {
  return [&system, let_in = std::move(let_in)](std::uint16_t) { return std::make_unique<link_admission>(system, let_in); };
}

} // namespace weir
