#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <weir/base/bytes.hpp>

namespace weir {

/// Gathers messages to one peer into frames, since a frame costs microseconds however short it is. A message that is
/// longer than a frame is divided.
///
///     u64  number of the frame, from 1
///     ...  parts, each: u32 length, u8 whether more of the same message follows, bytes
///
/// Plain data: no clock, no actor. Thread safety: one thread.
class frame_writer {
 public:
  /// From this size on a frame is full; at most so much of one message is in it, too.
  static constexpr std::size_t full_size = std::size_t{128} << 10;

  /// Calls send(bytes) for each frame that is full.
  template <class Send>
  void add(std::string_view message, Send&& send) {
    do {
      const std::string_view part = message.substr(0, full_size);
      message.remove_prefix(part.size());
      append(part, !message.empty());
      if (frame_.size() >= full_size)
        send(take());
    } while (!message.empty());
  }

  bool is_empty() const noexcept { return frame_.size() == 0; }

  /// What has been gathered.
  bytes take();

 private:
  void append(std::string_view part, bool more);

  byte_writer frame_;
  std::uint64_t last_ = 0;
};

/// Takes frames apart, in their order.
class frame_reader {
 public:
  /// Longer than any frame of a frame_writer.
  static constexpr std::size_t longest_frame = 2 * frame_writer::full_size + 1024;

  /// Calls receive(std::string_view) for each message that is complete. Throws malformed_bytes for a frame that
  /// is not the next one, or none.
  template <class Receive>
  void read(std::string_view frame, Receive&& receive) {
    byte_reader in = begin(frame);
    while (!in.at_end()) {
      const auto size = in.read_raw<std::uint32_t>();
      const bool more = in.read_truth();
      const std::string_view part = in.read_view(size);
      if (!more && message_.empty()) {
        receive(part);
        continue;
      }
      message_.append(part);
      if (!more) {
        receive(std::string_view(message_));
        bytes().swap(message_);
      }
    }
  }

 private:
  byte_reader begin(std::string_view frame);

  bytes message_; // the parts of one that is not complete
  std::uint64_t last_ = 0;
};

} // namespace weir
