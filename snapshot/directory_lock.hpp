#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include <weir/base/error.hpp>

namespace weir {

/// Makes this process the only owner of a directory, as long as the object lives.
///
/// The lock is on the file `owner` in the directory, which says in plain text who the owner is. The
/// system releases it when the process ends, however it ends.
///
/// Thread safety: any thread.
/// Errors:        in_use when another process, or another part of this one, owns the directory: the
///                message says which, since when, and what to do. invalid_setting on a network file
///                system, where neither the lock nor a mapped file can be relied on. io when the
///                directory cannot be written to.
/// Cost:          a directory that is in use by another process is tried for a fifth of a second,
/// so
///                that one that has just been killed has time to go.
class directory_lock {
 public:
  /// `shared_storage`: a network file system is all right, because nothing is mapped.
  static result<directory_lock> acquire(const std::filesystem::path& directory,
                                        bool shared_storage = false);

  /// Owns nothing: for a part of a program that runs under a lock that another part holds.
  static directory_lock none() { return directory_lock{-1}; }

  directory_lock(directory_lock&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  directory_lock& operator=(directory_lock&&) = delete;
  ~directory_lock();

 private:
  explicit directory_lock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

namespace detail {

/// The name of a network file system, by the number that statfs(2) reports for its type; none for
/// any other.
std::optional<std::string_view> network_file_system(std::uint64_t type);

} // namespace detail

} // namespace weir
