#pragma once

#include <string>
#include <utility>

#include <weir/base/error.hpp>

namespace weir {

/// An open file or socket, closed with its owner.
class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int number) noexcept : number_(number) {}
  file_descriptor(file_descriptor&& other) noexcept
      : number_(std::exchange(other.number_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~file_descriptor() { close(); }

  int number() const noexcept { return number_; }
  bool is_open() const noexcept { return number_ >= 0; }

  void close() noexcept;

  /// Gives the number away, to be closed by the caller.
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

/// Throws std::runtime_error with the message.
[[noreturn]] void fail(const error& cause);

/// Makes a directory's entries durable: files made, renamed and removed in it. An empty path is the
/// working directory. Returns what errno would be.
int sync_directory(const std::string& path);

/// "cannot open file 'a.txt': Permission denied (errno 13)"
error file_error(errc code, const std::string& doing, const std::string& path, int number);

} // namespace weir
