#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace weir {

/// An exception of a user's function, with the operator and the record it came from. Made once,
/// where it is first caught; the task reports it to the supervisor.
class operator_error : public std::runtime_error {
 public:
  operator_error(const std::string& where, const std::string& what)
      : std::runtime_error(where + ": " + what) {}
};

/// The text of the exception being handled: its type and its what() where it has one. Call inside a
/// catch block.
std::string current_exception_text();

/// A two-phase-commit sink could not commit what a complete checkpoint owns: it may succeed later.
class commit_error : public operator_error {
 public:
  explicit commit_error(const operator_error& cause) : operator_error(cause) {}
};

} // namespace weir
