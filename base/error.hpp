#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace weir {

/// What kind of thing went wrong. The message says the rest; code only branches on this.
enum class errc : std::uint8_t {
  invalid_setting,  ///< a setting, an option or the command line
  invalid_topology, ///< the graph cannot run as it was built
  invalid_input,    ///< what a source was told to read is not there or not readable
  io,               ///< a file or socket operation failed
  corrupt,          ///< stored bytes are not what was written
  wrong_version,    ///< stored by another version of a format
  in_use,           ///< another process owns it
  state_mismatch,   ///< stored state does not fit the topology
  user_code,        ///< an exception came out of a user's function
  checkpoint,       ///< a checkpoint could not be completed
  task_lost,        ///< a task ended without saying why
  capacity,         ///< a fixed limit was reached
};

std::string_view to_string(errc code) noexcept;

/// A failure: its kind, and a message that says what was expected, what was found, where, and what
/// to do about it.
struct error {
  errc code;
  std::string message;
};

/// The same failure seen from further out: puts `where` and a colon before the message.
error in_context(std::string_view where, error cause);

/// The last failure of the C library as text: "No space left on device (errno 28)".
std::string errno_text(int number);

/// A value, or the error that stands in its place.
///
/// Thread safety: as the value.
/// Errors:        asking for the value when there is none (or the reverse) is a mistake of the
///                caller and ends in std::bad_variant_access.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;

  result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  result(error cause) : content_(std::in_place_index<1>, std::move(cause)) {}

  bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return std::get<0>(content_); }
  const T& value() const& { return std::get<0>(content_); }
  T&& value() && { return std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  weir::error& failure() { return std::get<1>(content_); }
  const weir::error& failure() const { return std::get<1>(content_); }

 private:
  std::variant<T, weir::error> content_;
};

/// Success, or the error that prevented it.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;

  result() = default;
  result(error cause) : failure_(std::move(cause)) {}

  bool has_value() const noexcept { return !failure_; }
  explicit operator bool() const noexcept { return has_value(); }

  weir::error& failure() { return failure_.value(); }
  const weir::error& failure() const { return failure_.value(); }

 private:
  std::optional<weir::error> failure_;
};

using status = result<void>;

} // namespace weir
