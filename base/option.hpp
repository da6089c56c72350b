#pragma once

#include <concepts>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace weir {

/// A value of the job's own command line, declared while the topology is built and known when the
/// job starts.
///
/// `topology::option` makes it. It is a handle: copy it into lambdas and connectors, and read it
/// there with `*`; before the command line has been read it holds the default.
///
/// Ownership:     shared by all copies.
/// Thread safety: read by any thread once the job has started.
template <class T>
class option {
 public:
  explicit option(T initial) : value_(std::make_shared<T>(std::move(initial))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

  /// Sets the value for all copies. For the command line, before the job starts.
  void assign(T value) { *value_ = std::move(value); }

 private:
  std::shared_ptr<T> value_;
};

/// What a connector takes where a user may give either a value or an option: `read_lines{"in.txt"}`
/// and `read_lines{job.option<std::string>("input", "...")}`.
///
/// Errors: an integer that T cannot hold throws std::out_of_range.
template <class T>
class parameter {
 public:
  parameter(T value) : handle_(std::move(value)) {}
  parameter(option<T> handle) : handle_(std::move(handle)) {}
  template <class U>
    requires(std::is_convertible_v<U, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, option<T>> &&
             !std::is_same_v<std::remove_cvref_t<U>, parameter<T>>)
  parameter(U&& value) : handle_(converted(std::forward<U>(value))) {}

  const T& operator*() const { return *handle_; }
  const T* operator->() const { return handle_.operator->(); }

 private:
  template <class U>
  static T converted(U&& value) {
    using given = std::remove_cvref_t<U>;
    if constexpr (std::integral<given> && std::integral<T> && !std::is_same_v<given, bool> &&
                  !std::is_same_v<T, bool>)
      if (static_cast<given>(static_cast<T>(value)) != value ||
          (static_cast<T>(value) < T{}) != (value < given{}))
        throw std::out_of_range("expected a whole number from " +
                                std::to_string(std::numeric_limits<T>::min()) + " to " +
                                std::to_string(std::numeric_limits<T>::max()) + ", found " +
                                std::to_string(value));
    return T(std::forward<U>(value));
  }

  option<T> handle_;
};

} // namespace weir
