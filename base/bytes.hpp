#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// Encoded data: a state blob, a position, a message body. A std::string because that is the type
/// that CAF copies with one memcpy.
using bytes = std::string;

/// Appends encoded values to a byte string.
///
/// Integers of the format are little-endian and of fixed width; a length is 8 bytes.
///
/// Thread safety: one thread.
class byte_writer {
 public:
  byte_writer() = default;
  /// Writes into the memory of `buffer`, which is empty.
  explicit byte_writer(bytes buffer) : buffer_(std::move(buffer)) {}

  void write(const void* data, std::size_t size) {
    buffer_.append(static_cast<const char*>(data), size);
  }
  template <class T>
  void write_raw(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    write(&value, sizeof value);
  }
  void write_text(std::string_view text) {
    write_raw(static_cast<std::uint64_t>(text.size()));
    write(text.data(), text.size());
  }

  void reserve(std::size_t size) { buffer_.reserve(size); }
  /// Forgets what was written and keeps the memory.
  void clear() noexcept { buffer_.clear(); }
  std::size_t size() const noexcept { return buffer_.size(); }
  const bytes& view() const& noexcept { return buffer_; }
  bytes take() && { return std::move(buffer_); }

  /// Overwrites bytes already written, for counts that are known only at the end.
  template <class T>
  void patch_raw(std::size_t position, const T& value) {
    std::memcpy(buffer_.data() + position, &value, sizeof value);
  }

 private:
  bytes buffer_;
};

/// Encoded data ended too early or holds an impossible length. Caught where the data is read as a
/// whole, and turned into an error that names it.
class malformed_bytes : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads what byte_writer wrote. Never reads past the end: throws malformed_bytes instead.
///
/// Ownership: borrows the bytes; they must outlive the reader and every view it returned.
class byte_reader {
 public:
  explicit byte_reader(std::string_view data) : rest_(data) {}

  void read(void* out, std::size_t size) {
    const std::string_view part = read_view(size);
    if (size != 0)
      std::memcpy(out, part.data(), size);
  }
  template <class T>
  T read_raw() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    read(&value, sizeof value);
    return value;
  }
  std::string_view read_view(std::size_t size) {
    if (size > rest_.size())
      throw malformed_bytes("expected " + std::to_string(size) + " more bytes, found " +
                            std::to_string(rest_.size()));
    const std::string_view part = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return part;
  }
  /// A bool: any byte but 0 and 1 is malformed, where read_raw<bool> would be undefined behaviour.
  bool read_truth() {
    const auto value = read_raw<std::uint8_t>();
    if (value > 1)
      throw malformed_bytes("expected a truth value, found " + std::to_string(value));
    return value == 1;
  }
  std::string_view read_text() { return read_view(read_size()); }

  /// A length that is followed by at least that many bytes or elements of one byte or more.
  std::size_t read_size() {
    const auto size = read_raw<std::uint64_t>();
    if (size > rest_.size())
      throw malformed_bytes("a length of " + std::to_string(size) + " with only " +
                            std::to_string(rest_.size()) + " bytes left");
    return static_cast<std::size_t>(size);
  }

  std::string_view rest() const noexcept { return rest_; }
  std::size_t remaining() const noexcept { return rest_.size(); }
  bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

} // namespace weir
