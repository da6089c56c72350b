#include <weir/runtime/cluster/connection.hpp>

#include <chrono>
#include <utility>

#include <weir/actors/operator_error.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/cluster/network.hpp>

namespace weir {

namespace {

// By which the other end knows this one; shorter than any frame.
constexpr std::string_view greeting = "!";

} // namespace

connection_actor::pulse_actor::pulse_actor(caf::actor_config& setup, caf::actor peer, duration interval)
    : actor_base(setup), peer_(std::move(peer)), interval_(interval) {
  ignore_unknown_messages(*this);
}

caf::behavior connection_actor::pulse_actor::make_behavior() {
  return {
      [this](heartbeat_due) {
        tell_anonymously(peer_, bytes{});
        tell_self_later(*this, interval_, heartbeat_due{});
      },
  };
}

connection_actor::connection_actor(caf::actor_config& setup, const cluster_config& config)
    : actor_base(setup), heartbeat_(config.heartbeat), timeout_(config.timeout) {
  ignore_unknown_messages(*this);
  on_watched_end(*this, [this](const caf::actor_addr&, const std::string&) { lose("the connection was closed"); });
}

caf::message_handler connection_actor::connection_behavior() {
  return {
      [this](begin_connection) { begin(); },
      [this](const bytes& frame) { handle_frame(frame); },
      [this](const send_message& order) { send(order.message); },
      [this](flush_frames) { flush(); },
      [this](look_due) { look_for_silence(); },
  };
}

void connection_actor::connect(const caf::actor& peer) {
  if (peer_ || is_lost_)
    return;
  if (!peer)
    return lose("it was gone before it could be answered");
  peer_ = peer;
  watch(*this, peer_);
  pulse_ = spawn_detached<pulse_actor>(system(), peer_, heartbeat_);
  tell(*this, pulse_, heartbeat_due{});
  send_frame(bytes(greeting));
  for (bytes& frame : std::exchange(waiting_, {}))
    send_frame(std::move(frame));
  expect_peer();
}

void connection_actor::expect_peer() {
  if (last_look_ != time_point{})
    return;
  last_heard_ = last_look_ = std::chrono::steady_clock::now();
  tell_self_later(*this, heartbeat_, look_due{});
}

void connection_actor::send(std::string_view message) {
  if (is_lost_)
    return;
  flush_later();
  writer_.add(message, [this](bytes frame) { send_frame(std::move(frame)); });
}

/// Behind the messages that are there already.
void connection_actor::flush_later() {
  if (writer_.is_empty())
    tell(*this, caf::actor_cast<caf::actor>(this), flush_frames{});
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
  last_heard_ = std::chrono::steady_clock::now();
  if (frame.empty()) // a heartbeat
    return;
  if (frame == greeting)
    return connect(sender_of_message(*this));
  if (peer_ && current_sender() != peer_)
    return; // CAF has taken it for one of another connection
  try {
    reader_.read(frame, [this](std::string_view message) { receive(message); });
  } catch (const malformed_bytes& why) {
    lose(std::string("it sent what cannot be read: ") + why.what());
  } catch (...) {
    lose("what it sent could not be handled: " + current_exception_text());
  }
}

void connection_actor::look_for_silence() {
  if (is_lost_)
    return;
  const time_point now = std::chrono::steady_clock::now();
  if (now - last_look_ > timeout_ / 2)
    last_heard_ = now; // this end stood still: what has come meanwhile has not been read yet
  else if (now - last_heard_ > timeout_)
    return lose((peer_ ? "nothing has been heard from it for " : "it has not answered for ") + duration_text(timeout_));
  last_look_ = now;
  tell_self_later(*this, heartbeat_, look_due{});
}

void connection_actor::lose(const std::string& reason) {
  if (std::exchange(is_lost_, true))
    return;
  stop_pulse();
  peer_ = nullptr;
  waiting_.clear();
  handle_loss(reason);
}

void connection_actor::stop_pulse() {
  if (pulse_)
    kill_actor(std::exchange(pulse_, nullptr));
}

void connection_actor::on_exit() {
  stop_pulse();
  peer_ = nullptr;
}

} // namespace weir
