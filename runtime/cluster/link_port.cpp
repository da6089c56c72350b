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
constexpr std::size_t greeting_size = signature.size() + 2 * sizeof(std::uint64_t) + sizeof(std::uint32_t);

bytes written(const link_greeting& greeting) {
  byte_writer out;
  out.write(signature.data(), signature.size());
  out.write_raw(greeting.attempt.value);
  out.write_raw(greeting.run);
  out.write_raw(greeting.worker);
  return std::move(out).take();
}

/// Into a connection that is new, and takes so little at once.
bool send_first(int socket, tls_session* session, std::string_view what) {
  if (!session)
    return ::send(socket, what.data(), what.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(what.size());
  std::size_t sent = 0;
  return session->try_write(sent, socket, what.data(), what.size()) == rw_state::success && sent == what.size();
}

rw_state read_some(int socket, tls_session* session, char* to, std::size_t most, std::size_t& size) {
  if (session)
    return session->try_read(size, socket, to, most);
  const ssize_t received = ::recv(socket, to, most, MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR))
    return rw_state::indeterminate;
  if (received <= 0)
    return rw_state::failure;
  size = static_cast<std::size_t>(received);
  return rw_state::success;
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
      switch (read_some(socket, session_.get(), received_.data() + size_, greeting_size - size_, more)) {
      case rw_state::success: size_ += more; break;
      case rw_state::indeterminate: return false;
      case rw_state::failure: return error{errc::io, size_ == 0 ? "" : "it was closed while it said what it is"};
      }
      if (begins_as_tls({received_.data(), size_}))
        return unwanted_tls();
      if (const auto so_far = std::min(size_, signature.size()); signature.substr(0, so_far) != received().substr(0, so_far))
        return error{errc::io, "what it sent does not begin as a worker of a job does"};
    }
    return session_ || answer(socket);
  }

  void let_in(file_descriptor socket) override {
    byte_reader in(received().substr(signature.size()));
    link_greeting greeting;
    greeting.attempt = epoch{in.read_raw<std::uint64_t>()};
    greeting.run = in.read_raw<std::uint64_t>();
    greeting.worker = in.read_raw<std::uint32_t>();
    let_in_(greeting, {std::move(socket), std::move(session_)});
  }

 private:
  std::string_view received() const { return {received_.data(), size_}; }

  /// Whether there is nothing more to agree on.
  result<bool> agree(int socket) {
    if (is_agreed_ || !system_.has_openssl_manager())
      return true;
    auto agreed = accept_tls(system_, socket, session_);
    if (!agreed || !*agreed)
      return agreed;
    is_agreed_ = true;
    return answer(socket);
  }

  /// With keys as soon as they are agreed on: then the other end knows that its certificate is accepted.
  result<bool> answer(int socket) {
    if (!send_first(socket, session_.get(), signature))
      return error{errc::io, {}};
    return true;
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
  const int number = made.socket.number();
  const auto fate = std::make_shared<connection_fate>();
  const auto fail = [&](const std::string& otherwise) -> error {
    return no_answer_from(to, made.session != nullptr, fate->tls_failure.empty() ? otherwise : "TLS: " + fate->tls_failure);
  };
  if (system.has_openssl_manager()) {
    auto session = tls_session::agree(system, number, deadline);
    if (!session)
      return no_answer_from(to, true, session.failure().message);
    made.session = std::make_unique<tls_session>(std::move(*session));
    made.session->report_to(fate);
  } else if (!send_first(number, nullptr, written(greeting))) {
    return fail("it has closed the connection");
  }
  std::array<char, signature.size()> answer{};
  for (std::size_t size = 0; size != answer.size();) {
    std::size_t more = 0;
    const rw_state how = read_some(number, made.session.get(), answer.data() + size, answer.size() - size, more);
    if (how == rw_state::failure)
      return fail("it has closed the connection");
    if (how == rw_state::indeterminate && !await_readable(number, deadline))
      return fail("nothing has come in time");
    size += more;
  }
  if (std::string_view(answer.data(), answer.size()) != signature)
    return fail("its answer is not that of a worker");
  if (made.session && !send_first(number, made.session.get(), written(greeting)))
    return fail("it has closed the connection");
  return made;
}

guarded_port::admission_maker link_admissions(caf::actor_system& system, let_in_link let_in) {
  return [&system, let_in = std::move(let_in)](std::uint16_t) { return std::make_unique<link_admission>(system, let_in); };
}

} // namespace weir
