#pragma once

#include <caf/config.hpp>

#if CAF_VERSION < 10000

#  include <cstddef>
#  include <memory>

#  include <caf/actor_system.hpp>
#  include <caf/io/network/native_socket.hpp>
#  include <caf/io/network/rw_state.hpp>

#  include <weir/base/error.hpp>
#  include <weir/runtime/cluster/scribe.hpp>

namespace weir {

/// One end of an encrypted connection, over the keys that the actor system was configured with. Both ends have to show a
/// certificate. It is what a stream of CAF's reads and writes with.
///
/// CAF's session takes what OpenSSL has noted about one connection of a thread for a failure of the next one; here the
/// notes are taken away each time.
///
/// Thread safety: one thread at a time.
class tls_session {
 public:
  /// Begins on a non-blocking socket; `accepts`: this is the end that was connected to.
  ///
  /// Errors: io.
  static result<tls_session> begin(caf::actor_system& system, int socket, bool accepts);

  /// Agrees with the end that this one has connected to, and waits until that has said something: before it has looked at
  /// this end's certificate it says nothing, and what it has against that is lost if it is sent more meanwhile.
  ///
  /// Errors: io.
  static result<tls_session> agree(caf::actor_system& system, int socket, time_point deadline);

  tls_session(tls_session&&) noexcept;
  ~tls_session();

  /// Whether both ends have agreed; if not, more has to come.
  ///
  /// Errors: io.
  result<bool> go_on(int socket);

  /// Where it will note why it has failed.
  void report_to(std::shared_ptr<connection_fate> fate);

  // As CAF's streams want it: success without any bytes where it cannot be done now.
  caf::io::network::rw_state read_some(std::size_t& size, int socket, void* to, std::size_t most);
  caf::io::network::rw_state write_some(std::size_t& size, int socket, const void* from, std::size_t most);
  bool must_read_more(int socket, std::size_t least);

  // Indeterminate where it cannot be done now.
  caf::io::network::rw_state try_read(std::size_t& size, int socket, void* to, std::size_t most);
  caf::io::network::rw_state try_write(std::size_t& size, int socket, const void* from, std::size_t most);

 private:
  explicit tls_session(std::unique_ptr<caf::openssl::session> session);

  caf::io::network::rw_state noted(caf::io::network::rw_state how);

  std::unique_ptr<caf::openssl::session> session_;
  std::shared_ptr<connection_fate> fate_;
};

/// Goes on with agreeing on keys at the end that was connected to; makes `session` when the first byte has come. Returns
/// whether both ends have agreed; if not, more has to come. Does not wait.
///
/// Errors: io; an empty message: whoever it was only looked whether somebody is here.
result<bool> accept_tls(caf::actor_system& system, int socket, std::unique_ptr<tls_session>& session);

/// Waits until there is something to read, and returns whether that was before the deadline.
bool await_readable(int socket, time_point deadline);

/// Whether somebody who begins like this wants to agree on keys; and what there is to say to that where there are none.
bool begins_as_tls(std::string_view bytes);
error unwanted_tls();

} // namespace weir

#endif
