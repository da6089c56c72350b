#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>

#include <sys/uio.h>

#include <weir/actors/batch.hpp>
#include <weir/actors/batch_codec.hpp>
#include <weir/actors/marker.hpp>
#include <weir/base/bytes.hpp>

/// \file
/// What two workers of one program tell each other over a connection of their own, as frames. Both run the same program
/// file, so records that lie flat in memory travel as they lie there, without a copy on either side.
///
///     u64  number of the frame, from 1
///     u32  channel
///     u32  size of the body
///     u32  records, of flat ones
///     u8   what it is: see link_frame
///     u8   columns of flat records: 1 event times, 2 key hashes, 3 both
///     u16  0
///     ...  body
///
/// Plain data: no sockets, no actors, no clock. Thread safety: one thread at a time.

namespace weir {

enum class link_frame : std::uint8_t {
  heartbeat, ///< nothing; the sender is there
  flat,      ///< a batch: its event times, its hashes, its records
  part,      ///< of a batch that is written by its codec: more of it follows
  batch,     ///< such a batch, or the rest of it
  marker,
  credit,    ///< for a batch that came on this channel
};

/// A body is no longer than this. Flat records that are more are written in parts.
inline constexpr std::size_t longest_link_body = std::size_t{256} << 10;

/// All parts of a batch are together no longer than this.
inline constexpr std::size_t longest_link_batch = std::size_t{1} << 30;

/// Gathers frames until they are written.
class link_writer {
 public:
  /// Whether a batch can go as it lies in memory. Otherwise its codec writes it down.
  static bool is_flat(const batch_codec& codec, batch_base& records);

  void add_flat(std::uint32_t channel, const batch_codec& codec, batch_ptr records);
  void add_written(std::uint32_t channel, bytes records);
  void add_marker(std::uint32_t channel, const marker& what);
  void add_credit(std::uint32_t channel);
  void add_heartbeat();

  bool is_empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; } ///< of all that is not written yet, in bytes

  /// What is to be written next. It stays where it is until that is done.
  std::span<const iovec> next();

  /// So many bytes of it have been.
  void written(std::size_t count);

 private:
  static constexpr std::size_t most_pieces = 64;

  struct piece {
    bytes own;            // where `data` points into it
    const char* data = nullptr;
    std::size_t size = 0; // left to be written
    batch_ptr kept;
  };

  void add_head(link_frame what, std::uint32_t channel, std::size_t body, std::uint32_t records = 0,
                std::uint8_t columns = 0);
  void add_small(const void* data, std::size_t size);
  void add_own(bytes data);
  void add_foreign(const void* data, std::size_t size);

  std::deque<piece> pieces_;
  bool may_append_ = false; // to the last piece, which is its own and which nobody has seen yet
  std::size_t size_ = 0;
  std::uint64_t last_ = 0;
  std::array<iovec, most_pieces> next_{};
};

/// Who is told what a link_reader has read. What they throw goes through.
class link_frames_receiver {
 public:
  virtual ~link_frames_receiver() = default;

  /// Throws malformed_bytes if there is no such channel to here.
  virtual const batch_codec& codec_of(std::uint32_t channel) = 0;
  /// An empty batch for at least so many records.
  virtual batch_ptr take_empty(std::uint32_t channel, std::uint32_t records) = 0;

  virtual void receive_flat(std::uint32_t channel, batch_ptr records) = 0;
  /// What add_written() was given.
  virtual void receive_written(std::uint32_t channel, bytes records) = 0;
  virtual void receive_marker(std::uint32_t channel, const marker& what) = 0;
  virtual void receive_credit(std::uint32_t channel) = 0;
};

/// Takes frames apart, in their order.
class link_reader {
 public:
  /// Where the next bytes go.
  std::span<const iovec> space();

  /// So many bytes have come there; at most what there was space for. Throws malformed_bytes for what is no frame, or
  /// not the next one; then nothing more can be read.
  void received(std::size_t count, link_frames_receiver& receiver);

 private:
  struct frame_head {
    std::uint32_t channel = 0;
    std::uint32_t size = 0;
    std::uint32_t records = 0;
    link_frame what{};
    std::uint8_t columns = 0;
  };

  frame_head read_head();
  void begin_body(link_frames_receiver& receiver);
  void begin_flat(link_frames_receiver& receiver);
  void add_target(void* data, std::size_t size);
  std::size_t fill_targets(std::size_t count);
  void take_from_buffer();
  void end_frame(link_frames_receiver& receiver);
  void end_written_batch(link_frames_receiver& receiver);

  // Behind what is awaited so much more is read: the next head, and small frames. It is copied.
  std::array<char, 4096> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;

  bool is_in_body_ = false;
  frame_head head_;
  std::array<iovec, 4> targets_{}; // of the body, and the buffer behind them
  std::size_t first_target_ = 0;
  std::size_t last_target_ = 0;
  batch_ptr flat_;
  bytes body_;
  bytes parts_; // of a batch that is not complete
  std::uint32_t parts_channel_ = 0;
  std::uint64_t last_ = 0;
};

} // namespace weir
