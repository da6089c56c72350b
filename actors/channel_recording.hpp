#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include <weir/actors/batch_codec.hpp>
#include <weir/actors/channel_item.hpp>
#include <weir/base/bytes.hpp>

namespace weir {

/// What was recorded of one channel.
struct recorded_channel {
  std::uint32_t channel;
  std::uint64_t records;
  bytes data;
};

/// What was under way to one task when it took its snapshot: of each channel that is recorded, all that comes
/// before the barrier and was not processed yet (K. M. Chandy, L. Lamport: Distributed Snapshots, 1985).
///
/// Batches are written down later than they are added: a few at a time, and at last when one is about to be
/// processed, which may change it. Barriers, probes and the end of input are not recorded.
///
/// Thread safety: task thread only.
class channel_recording {
 public:
  /// The codec of each channel; nullptr for those that are never opened.
  explicit channel_recording(std::vector<const batch_codec*> codecs);

  /// From now on what comes on the channel is added, until its barrier closes it.
  void open(std::uint32_t channel);
  void close(std::uint32_t channel);
  bool is_open(std::uint32_t channel) const { return parts_[channel].is_open; }

  /// What has to be known before the first item; it is recorded if there is one.
  void begin_with(std::uint32_t channel, const marker& what) { parts_[channel].before.push_back(what); }

  void add(std::uint32_t channel, const channel_item& item);

  /// The next batch of the channel is about to be processed.
  void write_before(std::uint32_t channel, const batch_base& next);

  /// Writes some of what has been added.
  void write_some();

  /// Whether something is left to be written.
  bool has_unwritten() const noexcept { return unwritten_ != 0; }

  /// Whether all channels have been closed, and all has been written.
  bool is_complete() const noexcept { return open_ == 0 && unwritten_ == 0; }

  /// The channels on which anything was under way.
  std::vector<recorded_channel> take();

 private:
  struct part {
    const batch_codec* codec;
    bool is_open = false;
    std::uint64_t records = 0;
    byte_writer out;
    std::vector<marker> before;
    std::deque<channel_item> unwritten;
  };

  void write_first(part& of);

  std::vector<part> parts_; // by channel
  std::uint32_t open_ = 0;
  std::size_t unwritten_ = 0; // items, of all channels
  std::size_t next_ = 0;      // channel to write from
};

/// The items that were recorded, in their order. Throws malformed_bytes.
std::deque<channel_item> read_recorded(std::string_view data, const batch_codec& codec);

/// The reverse.
bytes write_recorded(const std::deque<channel_item>& items, const batch_codec& codec);

} // namespace weir
