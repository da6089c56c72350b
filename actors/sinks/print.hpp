#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <weir/actors/operator.hpp>
#include <weir/actors/sinks/line_format.hpp>

namespace weir {

struct print_options {
  /// Puts the number of the instance before each line, "2> ", where there is more than one.
  bool show_instance = false;
};

namespace detail {

/// Prepares the calling thread for writing to standard output: a reader that has gone becomes an
/// error of the write, not a signal.
void open_standard_output();

/// Writes all of `text`, or throws std::runtime_error.
void write_standard_output(const std::string& text);

} // namespace detail

/// A sink that writes each record as one line to standard output: the record's own text, or what a
/// format makes of it (see weir::line_format).
///
///     words.sink("show", weir::print());
///     totals.sink("show", weir::print([](const total& t) { return t.name + ": " + t.text(); }));
///
/// Lines of several instances do not mix. After a restart the lines since the last checkpoint come
/// again; weir::write_lines is the sink without that.
///
/// Errors: standard output that cannot be written (disk full, reader gone) fails the task.
/// Cost:   one system call per batch of records. It runs on a thread of its own, as the reader may be
///         slow.
template <class Format = plain_line>
class print {
 public:
  static constexpr bool blocks = true;

  explicit print(print_options options = {}) : options_(options) {}
  explicit print(Format format, print_options options = {})
      : format_(std::move(format)), options_(options) {}

  void open(const operator_context& context) {
    if (options_.show_instance && context.parallelism > 1)
      prefix_ = std::to_string(context.instance) + "> ";
    detail::open_standard_output();
  }

  template <class T>
    requires line_format<Format, T>
  void write(const T& value) {
    line_.clear();
    append_line(format_, value, line_);
    text_ += prefix_;
    text_ += line_;
    text_ += '\n';
    if (text_.size() >= enough)
      flush();
  }

  void flush() {
    if (text_.empty())
      return;
    detail::write_standard_output(text_);
    text_.clear();
  }

 private:
  static constexpr std::size_t enough = std::size_t{64} << 10;

  Format format_{};
  print_options options_;
  std::string prefix_;
  std::string line_;
  std::string text_; // whole lines that are not written yet
};

print() -> print<>;
print(print_options) -> print<>;

} // namespace weir
