#include <weir/runtime/cluster/frames.hpp>

#include <string>
#include <utility>

namespace weir {

void frame_writer::begin_frame() {
  frame_.reserve(last_size_);
  frame_.write_raw(++last_);
}

void frame_writer::append(std::string_view part, bool more) {
  if (is_empty())
    begin_frame();
  frame_.write_raw(static_cast<std::uint32_t>(part.size()));
  frame_.write_raw(static_cast<std::uint8_t>(more));
  frame_.write(part.data(), part.size());
}

std::size_t frame_writer::begin_part() {
  const std::size_t before = frame_.size();
  append({}, false);
  return before;
}

void frame_writer::cut_off(std::size_t size) {
  bytes kept = std::exchange(frame_, {}).take();
  kept.resize(size);
  frame_ = byte_writer(std::move(kept));
  if (size == 0)
    --last_; // it has not begun
}

bytes frame_writer::take() {
  last_size_ = frame_.size();
  return std::exchange(frame_, {}).take();
}

byte_reader frame_reader::begin(std::string_view frame) {
  if (frame.size() > longest_frame)
    throw malformed_bytes("expected a frame of at most " + std::to_string(longest_frame) + " bytes, found " +
                          std::to_string(frame.size()));
  byte_reader in(frame);
  if (const auto number = in.read_raw<std::uint64_t>(); number != ++last_)
    throw malformed_bytes("expected frame " + std::to_string(last_) + ", found frame " + std::to_string(number) +
                          ": something was lost or came twice");
  return in;
}

} // namespace weir
