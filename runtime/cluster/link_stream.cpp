#include <weir/runtime/cluster/link_stream.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>

#include <sys/socket.h>

#include <caf/io/middleman.hpp>
#include <caf/io/network/default_multiplexer.hpp>

#include <weir/actors/operator_error.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/cluster/protocol.hpp>

namespace weir {

namespace {

namespace network = caf::io::network;
using network::rw_state;

// Less than that waits for more, until flush().
constexpr std::size_t sent_at_once = std::size_t{64} << 10;
constexpr int most_reads = 16; // then others have their turn
constexpr std::size_t most_emptied = 64; // batches of a channel that are kept

/// What a system call says that has moved so many bytes.
rw_state state_of(ssize_t moved, std::size_t& size) {
  if (moved > 0) {
    size = static_cast<std::size_t>(moved);
    return rw_state::success;
  }
  return moved < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) ? rw_state::indeterminate : rw_state::failure;
}

msghdr message_of(std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return message;
}

} // namespace

link_stream::link_stream(caf::actor_system& system, link_socket connected)
    : event_handler(static_cast<network::default_multiplexer&>(system.middleman().backend()), connected.socket.release()),
      session_(std::move(connected.session)) {}

link_stream::~link_stream() = default;

void link_stream::start(std::map<std::uint32_t, linked_channel> channels, caf::actor link, duration timeout) {
  channels_ = std::move(channels);
  link_ = std::move(link);
  timeout_ = timeout;
  last_heard_ = std::chrono::steady_clock::now();
  is_started_ = true;
  backend().dispatch([self = shared_from_this()] { self->enter_loop(); });
}

void link_stream::send_batch(std::uint32_t channel, const batch_codec& codec, batch_ptr records) {
  const bool is_flat = link_writer::is_flat(codec, *records);
  bytes written;
  if (!is_flat) {
    byte_writer out;
    codec.write(out, *records);
    written = std::move(out).take();
    if (written.size() > longest_link_batch)
      throw std::length_error("a batch for another worker is longer than " + std::to_string(longest_link_batch) +
                              " bytes: make records smaller, or batches (batch.size)");
  }
  {
    // Nobody else writes into it before its credit has come, and that comes when it has been written.
    const std::lock_guard lock(batches_);
    sent_[channel].push_back(records->is_shared() ? batch_ptr() : records);
  }
  const std::lock_guard lock(writing_);
  if (is_flat)
    writer_.add_flat(channel, codec, std::move(records));
  else
    writer_.add_written(channel, std::move(written));
  if (writer_.size() >= sent_at_once)
    flush_locked();
}

void link_stream::send_marker(std::uint32_t channel, const marker& what) {
  const std::lock_guard lock(writing_);
  writer_.add_marker(channel, what);
}

void link_stream::send_credit(std::uint32_t channel, const batch_codec& codec, batch_ptr emptied) {
  if (codec.record_size != 0 && emptied && !emptied->is_shared()) {
    const std::lock_guard lock(batches_);
    if (std::vector<batch_ptr>& others = emptied_[channel]; others.size() < most_emptied)
      others.push_back(std::move(emptied));
  }
  const std::lock_guard lock(writing_);
  writer_.add_credit(channel);
}

void link_stream::flush() {
  const std::lock_guard lock(writing_);
  flush_locked();
}

void link_stream::beat() {
  if (is_over_)
    return;
  {
    const std::lock_guard lock(writing_);
    if (writer_.is_empty())
      writer_.add_heartbeat();
    flush_locked();
  }
  const time_point now = std::chrono::steady_clock::now();
  const time_point last = std::exchange(last_look_, now);
  if (!is_started_)
    return;
  if (now - last > timeout_ / 2)
    last_heard_ = now; // this end stood still: what has come meanwhile has not been read yet
  else if (now - last_heard_.load() > timeout_)
    lose("nothing has been heard from it for " + duration_text(timeout_));
}

void link_stream::close() {
  if (!is_over_.exchange(true))
    leave_loop();
}

void link_stream::lose(const std::string& reason) {
  if (is_over_.exchange(true))
    return;
  tell_anonymously(link_, stream_lost{reason});
  leave_loop();
}

void link_stream::enter_loop() {
  if (is_over_)
    return;
  self_ = shared_from_this();
  activate();
  {
    const std::lock_guard lock(writing_);
    if (is_waiting_)
      await_writable();
  }
  if (has_read_ahead())
    read_on();
}

/// What the loop has of it, it lets go later, when none of its functions runs.
void link_stream::leave_loop() {
  backend().post([self = shared_from_this()] {
    if (!self->self_)
      return;
    self->passivate();
    self->backend().del(network::operation::write, self->fd(), self.get());
    self->backend().post([left = std::move(self->self_)] {
      left->channels_.clear();
      left->link_ = nullptr;
    });
  });
}

void link_stream::handle_event(network::operation what) {
  if (is_over_ || !is_started_)
    return;
  switch (what) {
  case network::operation::read: return read_on();
  case network::operation::write: return write_on();
  case network::operation::propagate_error: return lose("the connection was closed");
  }
}

/// The loop goes on with what the network does not take.
void link_stream::flush_locked() {
  if (is_waiting_ || write_all())
    return;
  is_waiting_ = true;
  backend().dispatch([self = shared_from_this()] { self->await_writable(); });
}

void link_stream::await_writable() {
  if (self_)
    backend().add(network::operation::write, fd(), this);
}

void link_stream::write_on() {
  const std::lock_guard lock(writing_);
  is_waiting_ = !write_all();
  if (!is_waiting_)
    backend().del(network::operation::write, fd(), this);
}

/// Whether all has been written; otherwise the network takes no more for now.
bool link_stream::write_all() {
  while (!is_over_ && !writer_.is_empty()) {
    std::size_t size = 0;
    switch (write_some(writer_.next(), size)) {
    case rw_state::success: writer_.written(size); break;
    case rw_state::indeterminate: return false;
    case rw_state::failure:
      if (!is_started_)
        return false; // who starts it will be told
      lose("the connection was closed");
    }
  }
  return true;
}

rw_state link_stream::write_some(std::span<const iovec> parts, std::size_t& size) {
  if (session_) {
    const std::lock_guard lock(session_mutex_);
    return session_->try_write(size, fd(), parts.front().iov_base, parts.front().iov_len);
  }
  const msghdr message = message_of(parts);
  return state_of(::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT), size);
}

void link_stream::read_on() {
  try {
    for (int reads = 0; reads < most_reads && !is_over_; ++reads) {
      const std::span<const iovec> space = reader_.space();
      std::size_t size = 0;
      const rw_state how = read_some(space, size);
      if (how == rw_state::failure)
        return lose("the connection was closed");
      if (size == 0)
        return;
      last_heard_ = std::chrono::steady_clock::now();
      reader_.received(size, *this);
      if (how == rw_state::indeterminate)
        return;
    }
    if (has_read_ahead())
      backend().post([self = shared_from_this()] { self->handle_event(network::operation::read); });
  } catch (const malformed_bytes& why) {
    lose(std::string("it sent what cannot be read: ") + why.what());
  } catch (...) {
    lose("what it sent could not be handled: " + current_exception_text());
  }
}

/// Whether there is more to read that the loop does not see: TLS has taken it from the network.
bool link_stream::has_read_ahead() {
  if (!session_)
    return false;
  const std::lock_guard lock(session_mutex_);
  return session_->must_read_more(fd(), 1);
}

/// Indeterminate, with or without bytes: there is no more for now.
rw_state link_stream::read_some(std::span<const iovec> space, std::size_t& size) {
  if (session_) {
    const std::lock_guard lock(session_mutex_);
    for (const iovec& part : space)
      for (std::size_t filled = 0; filled != part.iov_len;) {
        std::size_t more = 0;
        const rw_state how = session_->try_read(more, fd(), static_cast<char*>(part.iov_base) + filled, part.iov_len - filled);
        if (how != rw_state::success)
          return size == 0 ? how : rw_state::indeterminate;
        filled += more;
        size += more;
      }
    return rw_state::success;
  }
  msghdr message = message_of(space);
  const rw_state how = state_of(::recvmsg(fd(), &message, MSG_DONTWAIT), size);
  std::size_t wanted = 0;
  for (const iovec& part : space)
    wanted += part.iov_len;
  return how == rw_state::success && size != wanted ? rw_state::indeterminate : how;
}

const linked_channel& link_stream::channel_of(std::uint32_t number, bool comes_in) const {
  const auto found = channels_.find(number);
  if (found == channels_.end() || found->second.comes_in != comes_in)
    throw malformed_bytes("it speaks of channel " + std::to_string(number) + ", which does not lead from " +
                          (comes_in ? "there to here" : "here to there"));
  return found->second;
}

batch_ptr link_stream::take_empty(std::uint32_t channel, std::uint32_t records) {
  {
    const std::lock_guard lock(batches_);
    for (std::vector<batch_ptr>& emptied = emptied_[channel]; !emptied.empty();) {
      batch_ptr last = std::move(emptied.back());
      emptied.pop_back();
      if (last->capacity() >= records)
        return last;
    }
  }
  std::uint32_t& largest = largest_[channel];
  largest = std::max(largest, records);
  return codec_of(channel).make(largest);
}

void link_stream::receive_flat(std::uint32_t channel, batch_ptr records) {
  const linked_channel& to = channel_of(channel, true);
  pass_on(to.task, batch_sent{to.channel, std::move(records)});
}

/// In a frame of flat records there is nothing to decode, and what is too long for one is only copied.
void link_stream::receive_written(std::uint32_t channel, bytes records) {
  const linked_channel& to = channel_of(channel, true);
  if (to.codec->record_size == 0)
    return pass_on(link_, written_batch{channel, std::move(records)});
  byte_reader in(records);
  pass_on(to.task, batch_sent{to.channel, to.codec->read(in)});
}

void link_stream::receive_marker(std::uint32_t channel, const marker& what) {
  const linked_channel& to = channel_of(channel, true);
  if (to.codec->record_size == 0)
    pass_on(link_, written_marker{channel, what});
  else
    pass_on(to.task, marker_sent{to.channel, what});
}

void link_stream::receive_credit(std::uint32_t channel) {
  const linked_channel& to = channel_of(channel, false);
  batch_ptr emptied;
  {
    const std::lock_guard lock(batches_);
    std::deque<batch_ptr>& sent = sent_[channel];
    if (sent.empty())
      throw malformed_bytes("it gives back more batches than it got");
    emptied = std::move(sent.front());
    sent.pop_front();
  }
  if (emptied && emptied->is_shared())
    emptied = batch_ptr(); // it is still being written
  pass_on(to.task, credit_returned{to.channel, std::move(emptied)});
}

} // namespace weir
