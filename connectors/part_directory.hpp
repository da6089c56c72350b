#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cereal/types/string.hpp>

#include <weir/actors/operator.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// One file of a directory sink, under its two names.
struct part_file {
  std::string pending; ///< while it is written and waits for its checkpoint
  std::string final;   ///< from the commit on

  template <class Archive>
  void serialize(Archive& archive) {
    archive(pending, final);
  }

  bool operator==(const part_file&) const = default;
};

/// A directory in which files appear when they are complete, exactly once.
///
/// A part is written under a hidden name, made durable at the barrier, and renamed when the
/// checkpoint is complete:
///
///     .pending-JOB-UID-00001-RUN-000042
///     part-00001-20240131T235959.123Z-RUN-000042-OPERATOR
///
/// with the operator's uid, its instance, the run (another one at each start), a number within it,
/// and a hash of job and uid. Final names sort by instance and by the time at which the part was
/// begun; none is ever used twice. Several sinks and jobs may write into one directory, but of the
/// jobs with one name only one may run at a time.
///
/// Thread safety: one thread per object; objects of one directory may live in several processes.
/// Errors:        exceptions that name the file and the cause, where nothing else is said. A failed
///                commit can be repeated.
/// Cost:          a buffer of 256 KiB while a part is open.
class part_directory {
 public:
  part_directory() = default;
  explicit part_directory(std::string path);

  /// Before the job starts: makes the directory where it is missing, tries to write in it, and, when
  /// the job is `fresh` (starts from its beginning), refuses one that holds committed parts of this
  /// operator, as their records would be there twice.
  status check(const operator_context& context, bool fresh) const;

  void open(const operator_context& context);

  /// Starts a part. At most one is open at a time.
  part_file begin();

  /// Appends the line and a newline to the open part.
  void write_line(std::string_view line) {
    buffer_.append(line);
    buffer_.push_back('\n');
    if (buffer_.size() >= buffer_size) [[unlikely]]
      flush();
  }

  /// Closes the open part, which is on the disk afterwards, and still hidden.
  void pre_commit(const part_file& part);

  /// Shows the part. Does nothing when that has been done; when neither name is there any more,
  /// warns and goes on, as a reader may have taken the file away.
  void commit(const part_file& part) const;

  /// Removes the part, open or not.
  void abort(const part_file& part) noexcept;

  /// Removes what earlier runs of this operator have left behind, except the parts in `kept`.
  void abort_others(const std::vector<part_file>& kept) const;

 private:
  class open_part;

  static constexpr std::size_t buffer_size = std::size_t{256} << 10;

  void flush();
  bool is_of_this_or_later_run(std::string_view pending) const;
  void sync() const;
  std::string path_of(const std::string& name) const;

  std::string path_;
  std::string pending_prefix_; // of all runs
  std::string run_;
  std::string instance_;
  std::string operator_hash_;
  std::uint64_t next_ = 1;
  std::shared_ptr<open_part> open_;
  std::string buffer_;
};

} // namespace weir
