#include <weir/base/file_descriptor.hpp>

#include <cerrno>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace weir {

void file_descriptor::close() noexcept {
  if (number_ >= 0)
    ::close(std::exchange(number_, -1));
}

void fail(const error& cause) {
  throw std::runtime_error(cause.message);
}

int sync_directory(const std::string& path) {
  const file_descriptor directory(
      ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.is_open() && ::fsync(directory.number()) == 0 ? 0 : errno;
}

error file_error(errc code, const std::string& doing, const std::string& path, int number) {
  return error{code, "cannot " + doing + " '" + path + "': " + errno_text(number)};
}

} // namespace weir
