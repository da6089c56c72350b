#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include <caf/message_handler.hpp>

#include <weir/base/bytes.hpp>
#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>
#include <weir/runtime/cluster/frames.hpp>
#include <weir/runtime/cluster/protocol.hpp>

namespace weir {

/// One end of a connection to another process; the other end is an actor of this kind there. Messages are gathered into
/// frames, and come in their order, each once, or the connection is lost.
///
/// It is lost when the other end ends, the network says so, nothing has come from it for `timeout`, or something has
/// come that it cannot have sent. While this process itself stood still, silence does not count.
///
/// Threads: those of the scheduler; but that this end is there, a thread of its own says, however busy they are. It has none
///          for itself, since CAF may keep what talks to other processes for ever, and with it a thread that it waits for.
class connection_actor : public actor_base {
 public:
  /// Sends an empty frame to the other end now and then, which says that this one is there. Nobody learns from whom they
  /// come, so nobody there watches it.
  class pulse_actor : public actor_base {
   public:
    pulse_actor(caf::actor_config& setup, caf::actor peer, duration interval);

   protected:
    caf::behavior make_behavior() override;
    void on_exit() override { peer_ = nullptr; }

   private:
    caf::actor peer_;
    duration interval_;
  };

 protected:
  connection_actor(caf::actor_config& setup, const cluster_config& config);

  /// The first message is begin_connection.
  virtual void begin() = 0;

  /// What every connection does; to be joined with what is special to one.
  caf::message_handler connection_behavior();

  /// Who the other end is. Until that is known, which it is at the latest when that has called this, what is sent waits.
  void connect(const caf::actor& peer);

  /// Unless that is known within `timeout`, or until then at least heartbeats come, the connection is lost.
  void expect_peer();
  bool is_connected() const noexcept { return static_cast<bool>(peer_); }
  bool is_lost() const noexcept { return is_lost_; }

  duration timeout() const noexcept { return timeout_; }

  /// Gathers it with others that are sent in the same message of this actor.
  void send(std::string_view message);

  /// Sends what has been gathered now: this actor is about to end.
  void flush();

  /// Something has come. May throw malformed_bytes.
  virtual void receive(std::string_view message) = 0;

  /// Nothing comes any more, and what is sent goes nowhere. Called once.
  virtual void handle_loss(const std::string& reason) = 0;

  void lose(const std::string& reason);

  void on_exit() override;

 private:
  void handle_frame(const bytes& frame);
  void flush_later();
  void look_for_silence();
  void send_frame(bytes frame);
  void stop_pulse();

  duration heartbeat_;
  duration timeout_;
  caf::actor peer_;
  caf::actor pulse_; // which says that this end is there
  frame_writer writer_;
  frame_reader reader_;
  std::deque<bytes> waiting_; // frames, until the peer is known
  time_point last_heard_{};
  time_point last_look_{};
  bool is_lost_ = false;
};

} // namespace weir
