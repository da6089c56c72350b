#include <weir/runtime/cluster/connection.hpp>

#include <chrono>
#include <utility>

#include <weir/base/units.hpp>
#include <weir/runtime/cluster/network.hpp>

namespace weir {

connection_actor::connection_actor(caf::actor_config& setup, const cluster_config& config)
    : actor_base(setup), heartbeat_(config.heartbeat), timeout_(config.timeout) {
  ignore_unknown_messages(*this);
  on_watched_end(*this, [this](const caf::actor_addr& who, const std::string&) {
    if (peer_ && who == peer_.address())
      lose("the connection was closed");
  });
}

caf::message_handler connection_actor::connection_behavior() {
  return {
      [this](const bytes& frame) { handle_frame(frame); },
      [this](const send_message& order) { send(order.message); },
      [this](const peer_found& fact) { connect(fact.peer); },
      [this](flush_frames) { flush(); },
      [this](heartbeat_due) { beat(); },
      [this](peer_due) {
        if (!peer_)
          lose("it has not answered for " + duration_text(timeout_));
      },
  };
}

void connection_actor::connect(const caf::actor& peer) {
  if (peer_ || is_lost_)
    return;
  peer_ = peer;
  watch(*this, peer_);
  last_heard_ = last_beat_ = std::chrono::steady_clock::now();
  for (bytes& frame : std::exchange(waiting_, {}))
    send_frame(std::move(frame));
  beat();
}

void connection_actor::expect_peer() {
  tell_self_later(*this, timeout_, peer_due{});
}

void connection_actor::send(std::string_view message) {
  if (is_lost_)
    return;
  if (writer_.is_empty())
    tell(*this, caf::actor_cast<caf::actor>(this), flush_frames{}); // behind what is there already
  writer_.add(message, [this](bytes frame) { send_frame(std::move(frame)); });
}

void connection_actor::flush() {
  if (!writer_.is_empty())
    send_frame(writer_.take());
}

void connection_actor::send_frame(bytes frame) {
  if (peer_)
    tell(*this, peer_, std::move(frame));
  else if (!is_lost_)
    waiting_.push_back(std::move(frame));
}

void connection_actor::handle_frame(const bytes& frame) {
  if (is_lost_)
    return;
  connect(sender_of_message(*this));
  last_heard_ = std::chrono::steady_clock::now();
  if (frame.empty()) // a heartbeat
    return;
  try {
    reader_.read(frame, [this](std::string_view message) { receive(message); });
  } catch (const malformed_bytes& why) {
    lose(std::string("it sent what cannot be read: ") + why.what());
  }
}

void connection_actor::beat() {
  if (is_lost_)
    return;
  const time_point now = std::chrono::steady_clock::now();
  if (now - last_beat_ > timeout_ / 2)
    last_heard_ = now; // this process stood still: what has come meanwhile has not been read yet
  else if (now - last_heard_ > timeout_)
    return lose("nothing has been heard from it for " + duration_text(timeout_));
  last_beat_ = now;
  tell(*this, peer_, bytes{});
  tell_self_later(*this, heartbeat_, heartbeat_due{});
}

void connection_actor::lose(const std::string& reason) {
  if (std::exchange(is_lost_, true))
    return;
  peer_ = nullptr;
  waiting_.clear();
  handle_loss(reason);
}

void connection_actor::on_exit() {
  peer_ = nullptr;
}

} // namespace weir
