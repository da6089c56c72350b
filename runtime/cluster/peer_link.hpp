#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <weir/actors/batch_codec.hpp>
#include <weir/actors/protocol.hpp>
#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/connection.hpp>
#include <weir/runtime/cluster/messages.hpp>

namespace weir {

/// One end of a channel that leaves the process.
struct linked_channel {
  const batch_codec* codec = nullptr;
  caf::actor task;           ///< here
  std::uint32_t channel = 0; ///< its number on the task's side
};

/// What two workers share in one attempt.
struct link_setup {
  epoch attempt;
  std::uint32_t own = 0;  ///< number of this worker
  worker_address peer;
  std::map<std::uint32_t, linked_channel> channels; ///< by their number in the deployment, which both sides know
};

/// All channels between this worker and another, in both directions, for one attempt. To the tasks here it is the other
/// end of each: it takes batches, markers and credits, and gives them; nothing in a task knows about it.
///
/// A batch is written down when it is sent, and goes back to its sender with the credit that comes for it, so that no
/// memory is allocated; at most as many are under way as there are credits.
class peer_link_actor : public connection_actor {
 public:
  peer_link_actor(caf::actor_config& setup, const cluster_config& config, link_setup what, caf::actor worker);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;
  void begin() override;
  void receive(std::string_view message) override;
  void handle_loss(const std::string& reason) override;

 private:
  enum class item : std::uint8_t { batch, marker, credit };

  void look_for_peer();
  void call_peer();
  static void write_head(byte_writer& out, item what, std::uint32_t channel);
  const linked_channel& channel_of(std::uint32_t number) const;

  link_setup setup_;
  caf::actor worker_;
  caf::actor door_; // of the other worker
  duration time_between_calls_;
  time_point look_until_{};
  std::map<std::uint32_t, std::vector<batch_ptr>> emptied_; // by channel, on the side that sends
};

} // namespace weir
