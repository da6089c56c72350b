#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <caf/config.hpp>

#if CAF_VERSION >= 10000
#  error "expected CAF 0.17: workers talk to each other in its network loop, which 1.x does not have"
#endif

#include <caf/io/network/event_handler.hpp>

#include <weir/actors/batch_codec.hpp>
#include <weir/actors/protocol.hpp>
#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/link_frames.hpp>
#include <weir/runtime/cluster/link_port.hpp>

namespace weir {

/// One end of a channel that leaves the process.
struct linked_channel {
  const batch_codec* codec = nullptr;
  caf::actor task;           ///< here
  std::uint32_t channel = 0; ///< its number on the task's side
  bool comes_in = false;     ///< records come over it to here; otherwise from here
};

/// A connection between two workers, in the hands of CAF's network loop. Batches go out of the memory that tasks have
/// filled, and come into memory that tasks have emptied.
///
/// A batch goes back to its sender with the credit that comes for it.
///
/// Threads: what is sent is written by the thread that says so, as far as the network takes it, and the rest by the loop,
///          which also reads and tells the tasks; a pulse has a thread of its own.
class link_stream : public caf::io::network::event_handler,
                    public std::enable_shared_from_this<link_stream>,
                    private link_frames_receiver {
 public:
  link_stream(caf::actor_system& system, link_socket connected);
  ~link_stream() override;

  /// Has the tasks of `channels`, by their number in the deployment, told what comes; of channels whose records do not lie
  /// flat, `link` is, to pass it on, and of all that the connection is lost, by stream_lost. `timeout`: how long the
  /// other end may say nothing. Any thread, once.
  void start(std::map<std::uint32_t, linked_channel> channels, caf::actor link, duration timeout);

  /// After start(). What is sent is gathered until there is much of it, or flush(). Any thread; it goes in the order of the calls.
  void send_batch(std::uint32_t channel, const batch_codec& codec, batch_ptr records);
  void send_marker(std::uint32_t channel, const marker& what);
  /// `emptied`: memory for what is to come; may be null.
  void send_credit(std::uint32_t channel, const batch_codec& codec, batch_ptr emptied);
  void flush();

  /// Says that this end is there, and looks for silence of the other one. Any thread, before start(), too.
  void beat();

  /// Nothing more is sent, and nobody is told anything any more. Any thread.
  void close();

  void handle_event(caf::io::network::operation what) override;
  void removed_from_loop(caf::io::network::operation) override {}
  void graceful_shutdown() override { close(); }

 private:
  void flush_locked();
  void write_on();
  void await_writable();
  bool write_all();
  caf::io::network::rw_state write_some(std::span<const iovec> parts, std::size_t& size);
  void read_on();
  bool has_read_ahead();
  caf::io::network::rw_state read_some(std::span<const iovec> space, std::size_t& size);
  void lose(const std::string& reason);
  void enter_loop();
  void leave_loop();

  const batch_codec& codec_of(std::uint32_t channel) override { return *channel_of(channel, true).codec; }
  batch_ptr take_empty(std::uint32_t channel, std::uint32_t records) override;
  void receive_flat(std::uint32_t channel, batch_ptr records) override;
  void receive_written(std::uint32_t channel, bytes records) override;
  void receive_marker(std::uint32_t channel, const marker& what) override;
  void receive_credit(std::uint32_t channel) override;
  const linked_channel& channel_of(std::uint32_t number, bool comes_in) const;
  template <class Message>
  void pass_on(const caf::actor& to, Message&& message) {
    if (!is_over_)
      tell_anonymously(to, std::forward<Message>(message));
  }

  // Not changed after the start.
  std::map<std::uint32_t, linked_channel> channels_;
  caf::actor link_;
  duration timeout_{};
  std::atomic<bool> is_started_ = false;
  std::atomic<bool> is_over_ = false;

  std::unique_ptr<tls_session> session_; // with its mutex, where there is one
  std::mutex session_mutex_;

  std::mutex writing_;
  link_writer writer_;
  bool is_waiting_ = false; // until the loop says that the network takes more

  std::mutex batches_;
  std::map<std::uint32_t, std::deque<batch_ptr>> sent_;     // by channel, until their credit comes; null: others read it
  std::map<std::uint32_t, std::vector<batch_ptr>> emptied_; // by channel, for what is to come

  // The loop's.
  link_reader reader_;
  std::map<std::uint32_t, std::uint32_t> largest_; // batch so far, by channel
  std::shared_ptr<link_stream> self_;              // as long as the loop has it

  std::atomic<time_point> last_heard_{};
  time_point last_look_{}; // the pulse's
};

} // namespace weir
