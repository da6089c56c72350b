#pragma once

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <sys/mount.h>

#include <support/temporary_directory.hpp>

namespace weir::testing {

/// A tmpfs of a given size, to see what a full disk does. Mounting it needs root.
class small_filesystem {
 public:
  explicit small_filesystem(std::size_t bytes) {
    const std::string size = "size=" + std::to_string(bytes);
    mounted_ = ::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~small_filesystem() {
    if (mounted_)
      ::umount2(directory_.path().c_str(), MNT_DETACH);
  }

  bool is_mounted() const { return mounted_; }
  const std::filesystem::path& path() const { return directory_.path(); }

  /// Leaves no byte free.
  void fill() const {
    std::ofstream ballast(path() / "ballast", std::ios::binary);
    const std::vector<char> block(4096);
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush())
      ;
  }

  /// Makes room again.
  void empty() const { std::filesystem::remove(path() / "ballast"); }

 private:
  temporary_directory directory_;
  bool mounted_ = false;
};

} // namespace weir::testing
