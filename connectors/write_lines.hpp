#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/actors/sinks/line_format.hpp>
#include <weir/base/option.hpp>
#include <weir/connectors/part_directory.hpp>

namespace weir {

/// A sink that writes each record exactly once, as a line of a file in a directory.
///
///     words.sink("result", weir::write_lines{"out/"});
///     counts.sink("result", weir::write_lines{"out/", [](const word_count& c, std::string& line) {
///       line += c.word + '\t' + std::to_string(c.count);
///     }});
///
/// Without a format a line is the record's own text; see weir::line_format. A record with newlines
/// in it becomes several lines. Each instance writes one file between two checkpoints and shows it,
/// with its final name, when the second one is complete: files that do not begin with a dot are
/// complete and never change. See part_directory for the names.
///
/// Errors:    before the start: a directory that cannot be made or written, or that holds output of
///            this operator while the job starts from its beginning. A disk that is full and other
///            failures to write fail the task; what was not shown is written again.
/// Snapshots: the names of the files that wait for their checkpoint.
/// Cost:      a buffer of 256 KiB; two or three fsync per instance and checkpoint. It runs on a
///            thread of its own.
template <class Format = plain_line>
class write_lines {
 public:
  using transaction = part_file;

  static constexpr bool blocks = true;

  explicit write_lines(parameter<std::string> directory, Format format = {})
      : directory_(std::move(directory)), format_(std::move(format)) {}

  status check(const operator_context& context, bool fresh) const {
    return parts_directory().check(context, fresh);
  }

  void open(const operator_context& context) {
    parts_ = parts_directory();
    parts_.open(context);
  }

  part_file begin() { return parts_.begin(); }

  template <class T>
    requires line_format<Format, T>
  void write(part_file&, const T& record) {
    line_.clear();
    append_line(format_, record, line_);
    parts_.write_line(line_);
  }
  void write(part_file&, const std::string& record)
    requires std::is_same_v<Format, plain_line>
  {
    parts_.write_line(record);
  }

  void pre_commit(part_file& part) { parts_.pre_commit(part); }
  void commit(const part_file& part) { parts_.commit(part); }
  void abort(const part_file& part) noexcept { parts_.abort(part); }
  void abort_others(const std::vector<part_file>& kept) { parts_.abort_others(kept); }

 private:
  part_directory parts_directory() const { return part_directory(*directory_); }

  parameter<std::string> directory_;
  Format format_;
  part_directory parts_;
  std::string line_;
};

template <class Directory>
write_lines(Directory) -> write_lines<>;
template <class Directory, class Format>
write_lines(Directory, Format) -> write_lines<Format>;

} // namespace weir
