#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cereal/types/string.hpp>

#include <weir/actors/operators/source.hpp>
#include <weir/base/option.hpp>

namespace weir {

struct read_lines_options {
  /// A longer line is an error: the file is probably no text. Larger means more memory per instance
  /// where there are such lines.
  std::size_t longest_line = std::size_t{64} << 20;

  /// The largest part of a file that is handed out as one split. Smaller means finer sharing among
  /// instances, and more to keep in each checkpoint.
  std::uint64_t split_size = std::uint64_t{64} << 20;
};

/// A part of a file: the lines that start in [begin, end).
struct file_range {
  std::string path;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t position = 0; ///< `begin`, or where the next line starts
  std::uint64_t size = 0;     ///< of the whole file when the job first started

  template <class Archive>
  void serialize(Archive& archive) {
    archive(path, begin, end, position, size);
  }
};

/// A source of the lines of a file, or of all files of a directory and the directories in it.
///
///     job.source("lines", weir::read_lines{"input/"})
///
/// A line ends with '\n' or '\r\n'; a last line without them counts, too. Files and directories
/// whose names start with a dot are passed over, and so is what is no regular file. Large files are
/// cut into ranges so that all instances have work. An instance reads its ranges in the order of
/// paths and positions; with one instance that is the order of the input. What is appended to a
/// file, and files that appear, after the job's first start are not read.
///
/// Each file is a partition: event times have an order in each of them. They are read one after the
/// other, so the watermark stays behind the earliest file that is left.
///
/// Errors:    before the start: a path that is missing or unreadable, a directory without files.
///            While reading: a file that has vanished, shrunk or cannot be read, a line that is too
///            long; each names the file.
/// Snapshots: the ranges that are left, with the position behind the last line emitted. About 60
///            bytes and a path each.
/// Cost:      reads blocks of 256 KiB; runs on a thread of its own, as reading may wait for a disk.
class read_lines {
 public:
  using output = std::string;
  using split = file_range;

  static constexpr bool blocks = true;

  explicit read_lines(parameter<std::string> path, read_lines_options options = {});

  result<std::vector<file_range>> splits(std::uint32_t parallelism) const;
  void open(const operator_context& context, std::vector<file_range> assigned);
  source_turn poll(emitter<std::string>& out);
  std::vector<file_range> snapshot() const;
  void close() noexcept;

 private:
  class reader;

  parameter<std::string> path_;
  read_lines_options options_;
  std::shared_ptr<reader> reader_;
};

} // namespace weir
