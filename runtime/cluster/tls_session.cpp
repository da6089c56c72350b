#include <weir/runtime/cluster/tls_session.hpp>

#if CAF_VERSION < 10000

#  include <algorithm>
#  include <cerrno>
#  include <chrono>
#  include <stdexcept>
#  include <utility>

#  include <poll.h>
#  include <sys/socket.h>

#  include <caf/openssl/session.hpp>

#  include <weir/runtime/cluster/tls.hpp>

namespace weir {

namespace {

using caf::io::network::rw_state;

// OpenSSL counts in int, and encrypts all of it before anything else has its turn.
constexpr std::size_t most_at_once = std::size_t{1} << 20;

error handshake_failure(std::string why = take_tls_failure()) {
  return {errc::io, "TLS: " + (why.empty() ? std::string("the other end closed the connection") : std::move(why))};
}

} // namespace

bool await_readable(int socket, time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return false;
    pollfd waiting{socket, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready != 0 && (ready > 0 || errno != EINTR))
      return true;
  }
}

result<bool> accept_tls(caf::actor_system& system, int socket, std::unique_ptr<tls_session>& session) {
  const auto with_advice = [](error failure) {
    failure.message += ". Expected a process with a certificate that is signed by one of cluster.tls-ca";
    return failure;
  };
  char first = 0;
  if (!session && ::recv(socket, &first, 1, MSG_PEEK) == 0)
    return error{errc::io, {}};
  if (!session) {
    auto begun = tls_session::begin(system, socket, true);
    if (!begun)
      return with_advice(std::move(begun.failure()));
    session = std::make_unique<tls_session>(std::move(*begun));
  }
  auto agreed = session->go_on(socket);
  if (!agreed)
    return with_advice(std::move(agreed.failure()));
  return agreed;
}

bool begins_as_tls(std::string_view bytes) {
  constexpr char handshake = 0x16, major = 3;
  return bytes.size() > 1 && bytes[0] == handshake && bytes[1] == major;
}

error unwanted_tls() {
  return {errc::io, "it wants TLS, and this process has no keys: give it --tls-ca, --tls-cert and --tls-key, or leave them "
                    "out there"};
}

tls_session::tls_session(std::unique_ptr<caf::openssl::session> session) : session_(std::move(session)) {}
tls_session::tls_session(tls_session&&) noexcept = default;
tls_session::~tls_session() = default;

result<tls_session> tls_session::begin(caf::actor_system& system, int socket, bool accepts) {
  take_tls_failure();
  try {
    // It reads the files anew, which may have been replaced.
    auto session = caf::openssl::make_session(system, socket, accepts);
    if (!session)
      return handshake_failure();
    return tls_session(std::move(session));
  } catch (const std::exception& why) {
    return handshake_failure(why.what() + std::string(": ") + take_tls_failure());
  }
}

result<tls_session> tls_session::agree(caf::actor_system& system, int socket, time_point deadline) {
  auto session = begin(system, socket, false);
  for (bool agreed = false; session;) {
    if (!await_readable(socket, deadline))
      return error{errc::io, "TLS: the other end does not answer"};
    if (agreed)
      break;
    auto step = session->go_on(socket);
    if (!step)
      return std::move(step.failure());
    agreed = *step;
  }
  return session;
}

result<bool> tls_session::go_on(int socket) {
  std::size_t none = 0;
  take_tls_failure();
  switch (session_->read_some(none, socket, nullptr, 0)) {
  case rw_state::success: return false;
  case rw_state::indeterminate: return true; // there is nothing to do but to read
  case rw_state::failure: break;
  }
  return handshake_failure();
}

void tls_session::report_to(std::shared_ptr<connection_fate> fate) {
  fate_ = std::move(fate);
}

rw_state tls_session::read_some(std::size_t& size, int socket, void* to, std::size_t most) {
  take_tls_failure();
  return noted(session_->read_some(size, socket, to, most));
}

rw_state tls_session::write_some(std::size_t& size, int socket, const void* from, std::size_t most) {
  take_tls_failure();
  return noted(session_->write_some(size, socket, from, std::min(most, most_at_once)));
}

rw_state tls_session::try_read(std::size_t& size, int socket, void* to, std::size_t most) {
  const rw_state how = read_some(size, socket, to, most);
  return how == rw_state::success && size == 0 ? rw_state::indeterminate : how;
}

rw_state tls_session::try_write(std::size_t& size, int socket, const void* from, std::size_t most) {
  const rw_state how = write_some(size, socket, from, most);
  return how == rw_state::success && size == 0 ? rw_state::indeterminate : how;
}

/// The first failure is the cause of the others.
rw_state tls_session::noted(rw_state how) {
  if (how == rw_state::failure && fate_ && fate_->tls_failure.empty())
    fate_->tls_failure = take_tls_failure();
  return how;
}

bool tls_session::must_read_more(int socket, std::size_t least) {
  return session_->must_read_more(socket, least);
}

} // namespace weir

#endif
