#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace weir {

/// Bytes on their way to become lines: filled in blocks, emptied line by line.
///
/// A line ends with '\n' or '\r\n', which are not part of it.
///
/// Ownership:     a returned line lives until the next call that is not const.
/// Thread safety: one thread.
/// Cost:          each byte is looked at once; an unfinished line is moved to the front when a block
///                is added, and the memory doubles while a line does not fit.
class line_buffer {
 public:
  /// A line, and the bytes that it took with its end.
  struct line {
    std::string_view text;
    std::size_t length = 0;
  };

  /// Room for `size` bytes behind those that are there.
  std::span<char> room(std::size_t size) {
    if (capacity_ - end_ < size)
      make_room(size);
    return {data_.get() + end_, size};
  }

  /// The first `size` bytes of room() have been filled.
  void filled(std::size_t size) noexcept { end_ += size; }

  /// Takes the next line that has its end.
  bool next(line& out) noexcept {
    const char* const from = data_.get() + scanned_;
    const void* const found = end_ == scanned_ ? nullptr : std::memchr(from, '\n', end_ - scanned_);
    if (!found) {
      scanned_ = end_;
      return false;
    }
    const char* const first = data_.get() + begin_;
    const char* const last = static_cast<const char*>(found);
    out.length = static_cast<std::size_t>(last - first) + 1;
    out.text = {first, out.length - (last != first && last[-1] == '\r' ? 2 : 1)};
    begin_ += out.length;
    scanned_ = begin_;
    return true;
  }

  /// Takes what is left, as the last line of an input that does not end with a newline.
  bool rest(line& out) noexcept {
    out.length = size();
    out.text = {data_.get() + begin_, out.length};
    clear();
    return out.length != 0;
  }

  /// Bytes that have not been taken.
  std::size_t size() const noexcept { return end_ - begin_; }

  void clear() noexcept { begin_ = scanned_ = end_ = 0; }

 private:
  void make_room(std::size_t size);

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;   // of the next line
  std::size_t scanned_ = 0; // no newline before it
  std::size_t end_ = 0;
};

} // namespace weir
