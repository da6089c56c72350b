#include <weir/runtime/cluster/frames.hpp>

#include <string>
#include <utility>

namespace weir {

void frame_writer::append(std::string_view part, bool more) {
  if (is_empty())
    frame_.write_raw(++last_);
  frame_.write_raw(static_cast<std::uint32_t>(part.size()));
  frame_.write_raw(static_cast<std::uint8_t>(more));
  frame_.write(part.data(), part.size());
}

bytes frame_writer::take() {
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
