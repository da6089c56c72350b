#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/tcp.hpp>

namespace weir {

/// The members of "etcd://HOST:PORT", or of several behind each other with commas between them.
///
/// Errors: invalid_setting.
result<std::vector<tcp_address>> parse_etcd_members(std::string_view text);

/// Sends requests to an etcd cluster: JSON over HTTP, neither encrypted nor with a password.
///
/// Each request has a connection of its own. One that a member does not answer goes to the next, and the one that has
/// answered is asked first the next time.
///
/// Thread safety: any thread.
/// Errors:        io when no member has answered by the deadline, with what each of them did instead.
/// Cost:          blocks. Names are looked up by the system, which may take longer than the deadline.
class etcd_client {
 public:
  struct answer {
    unsigned code = 0; ///< of HTTP: 200, or below 500 for a request that etcd refuses
    std::string body;
  };

  /// `patience`: how long one member may take when there are others.
  explicit etcd_client(std::vector<tcp_address> members, duration patience = std::chrono::milliseconds{800});

  /// `path`: "/v3/kv/txn". A request that was sent to one member and not answered may be carried out twice.
  result<answer> post(const std::string& path, const std::string& body, time_point deadline);

  const std::vector<tcp_address>& members() const noexcept { return members_; }

 private:
  std::vector<tcp_address> members_;
  duration patience_;
  std::atomic<std::size_t> first_{0};
};

} // namespace weir
