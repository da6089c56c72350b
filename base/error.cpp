#include <weir/base/error.hpp>

#include <system_error>

namespace weir {

std::string_view to_string(errc code) noexcept {
  switch (code) {
  case errc::invalid_setting: return "invalid setting";
  case errc::invalid_topology: return "invalid topology";
  case errc::invalid_input: return "invalid input";
  case errc::io: return "input/output error";
  case errc::corrupt: return "damaged data";
  case errc::wrong_version: return "wrong version";
  case errc::in_use: return "in use";
  case errc::state_mismatch: return "state does not fit";
  case errc::user_code: return "exception in user code";
  case errc::checkpoint: return "checkpoint failed";
  case errc::task_lost: return "task lost";
  case errc::capacity: return "limit reached";
  }
  return "unknown error";
}

error in_context(std::string_view where, error cause) {
  cause.message.insert(0, ": ").insert(0, where);
  return cause;
}

std::string errno_text(int number) {
  return std::generic_category().message(number) + " (errno " + std::to_string(number) + ")";
}

} // namespace weir
