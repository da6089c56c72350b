#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <weir/actors/protocol.hpp>
#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>
#include <weir/runtime/cluster/link_stream.hpp>
#include <weir/runtime/cluster/messages.hpp>

namespace weir {

struct written_batch;

/// What two workers share in one attempt.
struct link_setup {
  link_greeting greeting; ///< of this worker
  worker_address peer;
  std::map<std::uint32_t, linked_channel> channels; ///< by their number in the deployment, which both sides know
};

/// All channels between this worker and another, in both directions, for one attempt. To the tasks here it is the other
/// end of each: it takes batches, markers and credits, and gives them; nothing in a task knows about it.
///
/// The one with the lower number connects to the other one.
class peer_link_actor : public actor_base {
 public:
  /// `pulse`: is told of the connection; see link_pulse_actor.
  peer_link_actor(caf::actor_config& setup, const cluster_config& config, link_setup what, caf::actor worker,
                  caf::actor pulse);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  using message = std::variant<batch_sent, marker_sent, credit_returned>;

  void begin();
  void look_for_peer();
  void connect(std::shared_ptr<link_stream> stream);
  template <class Message>
  void take(Message& what);
  void send(batch_sent& sent);
  void send(const marker_sent& sent);
  void send(credit_returned& back);
  void pass_on(const written_batch& came);
  void lose(const std::string& reason);

  link_setup setup_;
  duration timeout_;
  duration time_between_looks_;
  time_point look_until_{};
  caf::actor worker_;
  caf::actor pulse_;
  std::shared_ptr<link_stream> stream_;
  std::deque<message> waiting_; // for it
  bool is_flush_due_ = false;
  bool is_lost_ = false;
};

/// Has the connections of a worker say that this end is there, however busy its tasks are, and notice when the other end
/// says nothing. It has a thread of its own.
class link_pulse_actor : public actor_base {
 public:
  link_pulse_actor(caf::actor_config& setup, duration interval);

 protected:
  caf::behavior make_behavior() override;

 private:
  void beat();

  duration interval_;
  std::vector<std::weak_ptr<link_stream>> streams_;
};

} // namespace weir
