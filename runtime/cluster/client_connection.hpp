#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <weir/base/bytes.hpp>
#include <weir/base/caf.hpp>
#include <weir/base/clock.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>

/// \file
/// What a program that is no worker, such as `weir`, and the coordinator of a job tell each other, over the port that workers
/// join at. It is text, with a version in front, so that programs of different versions can say that they are that.

namespace weir {

/// Which version of these messages this program speaks.
inline constexpr std::uint64_t client_version = 1;

/// A line of JSON, and the version of who has sent it.
struct client_text {
  std::uint64_t version = client_version;
  std::string text;
};

/// Both in one message: "weir-client 1\n{...}".
bytes encoded_client_text(const client_text& what);

/// Nothing: the message is another one.
std::optional<client_text> read_client_text(std::string_view message);

/// Answers a request to a job. See answer_request.
using request_handler = std::function<std::string(const std::string& request)>;

/// The coordinator's end of such a connection: has one request answered, which may take its time, says meanwhile that it is
/// there, sends the answer, and ends when the client has.
class client_connection_actor : public actor_base {
 public:
  client_connection_actor(caf::actor_config& setup, const caf::actor& client, request_handler handle, std::string request,
                          const cluster_config& config);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  caf::actor client_;
  request_handler handle_;
  std::string request_;
  duration heartbeat_;
  duration patience_; // with a client that has its answer
  bool is_answered_ = false;
  caf::actor pulse_;
};

} // namespace weir
