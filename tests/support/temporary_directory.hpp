#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace weir::testing {

/// A directory of its own for one test, removed with everything in it. In memory where there is such
/// a place, so that tests do not wait for the disk; TMPDIR overrides it.
class temporary_directory {
 public:
  temporary_directory() {
    const bool in_memory = !std::getenv("TMPDIR") && std::filesystem::is_directory("/dev/shm");
    const std::filesystem::path parent =
        in_memory ? std::filesystem::path{"/dev/shm"} : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "weir-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data()))
      throw std::runtime_error("cannot make a temporary directory " + pattern);
    path_ = pattern;
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

} // namespace weir::testing
