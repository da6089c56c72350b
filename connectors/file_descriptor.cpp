#include <weir/connectors/file_descriptor.hpp>

#include <stdexcept>

#include <unistd.h>

namespace weir {

void file_descriptor::close() noexcept {
  if (number_ >= 0)
    ::close(std::exchange(number_, -1));
}

void fail(const error& cause) {
  throw std::runtime_error(cause.message);
}

error file_error(errc code, const std::string& doing, const std::string& path, int number) {
  return error{code, "cannot " + doing + " '" + path + "': " + errno_text(number)};
}

} // namespace weir
