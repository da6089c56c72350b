#include <weir/connectors/read_lines.hpp>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/base/file_descriptor.hpp>
#include <weir/base/hash.hpp>
#include <weir/connectors/input_files.hpp>
#include <weir/connectors/line_buffer.hpp>

namespace weir {

namespace {

constexpr std::uint64_t block_size = std::uint64_t{256} << 10;
constexpr std::uint64_t smallest_cut = std::uint64_t{256} << 10;
constexpr std::uint64_t cuts_per_instance = 4;

// Behind the end of a range only the rest of its last line is wanted.
constexpr std::uint64_t tail_size = std::uint64_t{8} << 10;

constexpr std::size_t turn_lines = batch_capacity<std::string>(1024);
constexpr std::size_t turn_bytes = std::size_t{64} << 10;

constexpr const char* advice =
    ": put the file back as it was, or start without the checkpoints of the earlier run";

[[noreturn]] void fail_shrunk(const file_range& range, std::uint64_t found) {
  fail({errc::invalid_input, "file '" + range.path + "': expected " + std::to_string(range.size) +
                                 " bytes as at the start of the job, found " +
                                 std::to_string(found) + advice});
}

[[noreturn]] void fail_unreadable(const file_range& range, int number) {
  error cause = file_error(errc::invalid_input, "read", range.path, number);
  fail({cause.code, cause.message + ", expected a file of " + std::to_string(range.size) +
                        " bytes as at the start of the job" + advice});
}

void require_unchanged(const file_range& range) {
  struct stat info {};
  if (::stat(range.path.c_str(), &info) != 0)
    fail_unreadable(range, errno);
  if (static_cast<std::uint64_t>(info.st_size) < range.size)
    fail_shrunk(range, static_cast<std::uint64_t>(info.st_size));
}

} // namespace

class read_lines::reader {
 public:
  reader(std::vector<file_range> assigned, std::size_t longest_line)
      : left_(std::move(assigned)), longest_line_(longest_line) {
    std::sort(left_.begin(), left_.end(), [](const file_range& a, const file_range& b) {
      return std::tie(a.path, a.begin) < std::tie(b.path, b.begin);
    });
    for (std::size_t i = 0; i < left_.size(); ++i)
      if (i == 0 || left_[i].path != left_[i - 1].path)
        require_unchanged(left_[i]);
  }

  source_turn poll(emitter<std::string>& out) {
    std::size_t lines = 0;
    std::size_t taken = 0;
    line_buffer::line line;
    if (!std::exchange(is_announced_, true))
      for (const file_range& range : left_)
        out.open_partition(partition_of(range));
    while (current_ != left_.size()) {
      file_range& range = left_[current_];
      if (!is_started_)
        start(range);
      out.set_partition(partition_of(range));
      while (is_aligned_ && range.position < range.end) {
        if (!take(range, line)) {
          if (!fill(range))
            return source_turn::more();
          continue;
        }
        require_short(range, line.text.size());
        out.append().assign(line.text);
        range.position += line.length;
        taken += line.length;
        if (++lines == turn_lines || taken >= turn_bytes)
          return source_turn::more();
      }
      if (range.position >= range.end)
        finish(range, out);
      else if (!align(range))
        return source_turn::more();
    }
    return source_turn::ended();
  }

  std::vector<file_range> left() const {
    return {left_.begin() + static_cast<std::ptrdiff_t>(current_), left_.end()};
  }

 private:
  void start(const file_range& range) {
    if (path_ != range.path || !file_.is_open()) {
      file_ = file_descriptor(::open(range.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file_.is_open())
        fail_unreadable(range, errno);
      path_ = range.path;
      ::posix_fadvise(file_.number(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    buffer_.clear();
    is_started_ = true;
    // The byte before the range tells whether a line starts with it.
    is_aligned_ = range.position != range.begin || range.begin == 0;
    offset_ = is_aligned_ ? range.position : range.begin - 1;
  }

  void finish(const file_range& range, emitter<std::string>& out) {
    ++current_;
    is_started_ = false;
    if (current_ == left_.size() || left_[current_].path != range.path)
      out.end_partition(partition_of(range));
  }

  static std::uint64_t partition_of(const file_range& range) {
    return hash_bytes(range.path.data(), range.path.size());
  }

  /// Passes over the line that started before the range. False when that takes long.
  bool align(file_range& range) {
    line_buffer::line line;
    while (offset_ < range.end) {
      buffer_.clear();
      const std::uint64_t from = offset_;
      read_block(range);
      if (buffer_.next(line)) {
        range.position = from + line.length;
        is_aligned_ = true;
        return true;
      }
      if (offset_ - from == block_size)
        return false;
    }
    range.position = range.end;
    return true;
  }

  bool take(const file_range& range, line_buffer::line& line) {
    return buffer_.next(line) || (offset_ == range.size && buffer_.rest(line));
  }

  /// Adds a block. False when that took long, so that markers get their turn.
  bool fill(const file_range& range) {
    require_short(range, buffer_.size() == 0 ? 0 : buffer_.size() - 1);
    const bool is_long = buffer_.size() >= block_size;
    read_block(range);
    return !is_long;
  }

  void read_block(const file_range& range) {
    const std::uint64_t wanted =
        std::min({range.size - offset_, block_size,
                  offset_ < range.end ? range.end - offset_ : tail_size + buffer_.size()});
    const std::span<char> room = buffer_.room(static_cast<std::size_t>(wanted));
    ssize_t n = 0;
    do
      n = ::pread(file_.number(), room.data(), room.size(), static_cast<off_t>(offset_));
    while (n < 0 && errno == EINTR);
    if (n < 0)
      fail_unreadable(range, errno);
    if (n == 0)
      fail_shrunk(range, offset_);
    buffer_.filled(static_cast<std::size_t>(n));
    offset_ += static_cast<std::uint64_t>(n);
  }

  void require_short(const file_range& range, std::size_t size) const {
    if (size > longest_line_)
      fail({errc::capacity, "file '" + range.path + "': the line that starts at byte " +
                                std::to_string(range.position) + " is longer than " +
                                std::to_string(longest_line_) +
                                " bytes: raise read_lines_options::longest_line if the file is text"});
  }

  std::vector<file_range> left_;
  std::size_t longest_line_;
  std::size_t current_ = 0;
  bool is_announced_ = false; // the partitions
  bool is_started_ = false;
  bool is_aligned_ = false; // the buffer begins where a line does
  std::string path_;        // of file_
  file_descriptor file_;
  std::uint64_t offset_ = 0; // of the next block
  line_buffer buffer_;
};

read_lines::read_lines(parameter<std::string> path, read_lines_options options)
    : path_(std::move(path)), options_(options) {}

result<std::vector<file_range>> read_lines::splits(std::uint32_t parallelism) const {
  if (options_.split_size == 0)
    return error{errc::invalid_setting,
                 "read_lines_options::split_size is 0: expected at least 1 byte"};
  auto files = find_input_files(*path_);
  if (!files)
    return std::move(files.failure());
  std::uint64_t total = 0;
  for (const input_file& file : *files)
    total += file.size;
  const std::uint64_t cuts = cuts_per_instance * std::max<std::uint32_t>(parallelism, 1);
  const std::uint64_t length = std::min(
      options_.split_size, std::max(smallest_cut, parallelism > 1 ? total / cuts + 1 : total));
  std::vector<file_range> ranges;
  for (const input_file& file : *files)
    for (std::uint64_t begin = 0; begin < file.size; begin += length)
      ranges.push_back(
          {file.path, begin, std::min(begin + length, file.size), begin, file.size});
  return ranges;
}

void read_lines::open(const operator_context&, std::vector<file_range> assigned) {
  reader_ = std::make_shared<reader>(std::move(assigned), options_.longest_line);
}

source_turn read_lines::poll(emitter<std::string>& out) {
  return reader_->poll(out);
}

std::vector<file_range> read_lines::snapshot() const {
  return reader_->left();
}

void read_lines::close() noexcept {
  reader_.reset();
}

} // namespace weir
