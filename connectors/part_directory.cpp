#include <weir/connectors/part_directory.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/base/hash.hpp>
#include <weir/base/log.hpp>
#include <weir/base/file_descriptor.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;

std::string hex(std::uint64_t number, int digits) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return std::string(text).substr(0, static_cast<std::size_t>(digits));
}

std::string padded(std::uint64_t number, int digits) {
  char text[24];
  std::snprintf(text, sizeof text, "%0*llu", digits, static_cast<unsigned long long>(number));
  return text;
}

// Letters, digits, '_' and '.' stay; the rest becomes %xx. The dash separates the parts of a name.
std::string escaped(std::string_view text) {
  constexpr std::size_t longest = 64;
  std::string name;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
        c == '.')
      name += c;
    else
      name += '%' + hex(static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << 56, 2);
  }
  if (name.size() <= longest)
    return name;
  const std::string hash = hex(hash_bytes(text.data(), text.size()), 16);
  return name.substr(0, longest - hash.size() - 1) + '~' + hash;
}

std::string pending_prefix_of(const operator_context& context) {
  return ".pending-" + escaped(context.job) + '-' + escaped(context.uid) + '-';
}

std::string operator_hash_of(const operator_context& context) {
  const std::string name = escaped(context.job) + '-' + escaped(context.uid);
  return hex(hash_bytes(name.data(), name.size()), 8);
}

std::string utc_now() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &parts);
  return std::string(text) + '.' + padded(now.time_since_epoch().count() % 1000, 3) + 'Z';
}

// Makes the directory and those above it, durably. Returns what errno would be.
int make_directories(const fs::path& directory) {
  std::error_code failed;
  if (fs::is_directory(directory, failed))
    return 0;
  const fs::path above = directory.parent_path();
  if (above != directory)
    if (const int cause = make_directories(above); cause != 0)
      return cause;
  if (::mkdir(directory.c_str(), 0777) != 0)
    return errno == EEXIST && fs::is_directory(directory, failed) ? 0
           : errno == EEXIST                                      ? ENOTDIR
                                                                  : errno;
  return sync_directory(above.native());
}

status make_directory(const std::string& path) {
  if (path.empty())
    return error{errc::invalid_setting,
                 "expected the path of an output directory, found an empty text"};
  std::error_code failed;
  const fs::path directory = fs::absolute(path + "/.", failed).lexically_normal().parent_path();
  const int cause = failed ? failed.value() : make_directories(directory);
  if (cause == 0)
    return {};
  error failure = file_error(errc::io, "use output directory", path, cause);
  failure.message += ": give a directory, or a path at which one can be made";
  return failure;
}

status try_to_write(const std::string& path) {
  // One name for all: what a process leaves that is killed here, the next one removes.
  const std::string probe = path + "/.pending~";
  const file_descriptor file(
      ::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  const int cause = errno;
  if (file.is_open()) {
    ::unlink(probe.c_str());
    return {};
  }
  error failure = file_error(errc::io, "write in output directory", path, cause);
  failure.message += ": give the user of this process the right to, or choose another directory";
  return failure;
}

template <class Body>
status for_each_name(const std::string& path, Body body) {
  std::error_code failed;
  for (fs::directory_iterator entries(path, failed), end; !failed && entries != end;
       entries.increment(failed))
    body(entries->path().filename().native());
  if (failed)
    return file_error(errc::io, "list output directory", path, failed.value());
  return {};
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

int rename_to_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return errno;
  if (exists(to)) // a file system without RENAME_NOREPLACE
    return exists(from) ? EEXIST : ENOENT;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

} // namespace

class part_directory::open_part {
 public:
  explicit open_part(std::string path)
      : path_(std::move(path)),
        file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
    if (!file_.is_open())
      fail(file_error(errc::io, "create output file", path_, errno));
  }

  void write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = ::write(file_.number(), data.data(), data.size());
      if (n >= 0)
        data.remove_prefix(static_cast<std::size_t>(n));
      else if (errno != EINTR)
        fail(file_error(errc::io, "write output file", path_, errno));
    }
  }

  void close() {
    if (::fsync(file_.number()) != 0)
      fail(file_error(errc::io, "write output file to the disk", path_, errno));
    if (::close(file_.release()) != 0 && errno != EINTR)
      fail(file_error(errc::io, "close output file", path_, errno));
  }

 private:
  std::string path_;
  file_descriptor file_;
};

part_directory::part_directory(std::string path) : path_(std::move(path)) {}

status part_directory::check(const operator_context& context, bool fresh) const {
  if (status made = make_directory(path_); !made)
    return made;
  if (status writable = try_to_write(path_); !writable)
    return writable;
  if (!fresh)
    return {};
  const std::string suffix = '-' + operator_hash_of(context);
  std::size_t parts = 0;
  std::string first;
  const status listed = for_each_name(path_, [&](const std::string& name) {
    if (!name.starts_with("part-") || !name.ends_with(suffix))
      return;
    first = parts++ == 0 ? name : std::min(first, name);
  });
  if (!listed || parts == 0)
    return listed;
  return error{errc::invalid_setting,
               "the output directory '" + path_ + "' holds " + std::to_string(parts) +
                   (parts == 1 ? " file" : " files") + " ('" + first +
                   "') that an earlier run of this job has written, and the job starts without a "
                   "checkpoint: its output would be there twice. Choose another output directory, "
                   "remove those files, or start with the checkpoint directory of the earlier run"};
}

void part_directory::open(const operator_context& context) {
  if (const status made = make_directory(path_); !made)
    fail(made.failure());
  pending_prefix_ = pending_prefix_of(context);
  operator_hash_ = operator_hash_of(context);
  run_ = escaped(context.run);
  instance_ = padded(context.instance, 5);
}

part_file part_directory::begin() {
  const std::string number = run_ + '-' + padded(next_++, 6);
  part_file part{pending_prefix_ + instance_ + '-' + number,
                 "part-" + instance_ + '-' + utc_now() + '-' + number + '-' + operator_hash_};
  open_ = std::make_shared<open_part>(path_of(part.pending));
  buffer_.clear();
  buffer_.reserve(buffer_size + buffer_size / 4);
  return part;
}

void part_directory::flush() {
  open_->write(buffer_);
  buffer_.clear();
}

void part_directory::pre_commit(const part_file&) {
  flush();
  open_->close();
  open_.reset();
  sync();
}

void part_directory::commit(const part_file& part) const {
  const int cause = rename_to_new(path_of(part.pending), path_of(part.final));
  if (cause == ENOENT && !exists(path_of(part.final))) {
    log_warning("an output file that was ready to be shown is gone; if no reader has taken it, its "
                "records are lost",
                {{"file", path_of(part.final)}, {"pending", part.pending}});
    return;
  }
  if (cause == EEXIST)
    fail({errc::io, "cannot rename output file '" + path_of(part.pending) + "' to '" + part.final +
                        "': there is a file of that name already: move it to another directory"});
  if (cause != 0 && cause != ENOENT)
    fail(file_error(errc::io, "rename output file", path_of(part.pending), cause));
  sync();
}

void part_directory::abort(const part_file& part) noexcept {
  open_.reset();
  buffer_.clear();
  if (::unlink(path_of(part.pending).c_str()) != 0 && errno != ENOENT)
    log_warning("cannot remove an unfinished output file; the next start will",
                {{"file", path_of(part.pending)}, {"cause", errno_text(errno)}});
}

void part_directory::abort_others(const std::vector<part_file>& kept) const {
  std::set<std::string> keep;
  for (const part_file& part : kept)
    keep.insert(part.pending);
  std::vector<std::string> left_behind;
  const status listed = for_each_name(path_, [&](const std::string& name) {
    if (name.starts_with(pending_prefix_) && !keep.contains(name) && !is_of_this_or_later_run(name))
      left_behind.push_back(name);
  });
  if (!listed)
    fail(listed.failure());
  for (const std::string& name : left_behind)
    if (::unlink(path_of(name).c_str()) != 0 && errno != ENOENT)
      fail(file_error(errc::io, "remove the unfinished output file", path_of(name), errno));
  if (!left_behind.empty())
    log_info("removed unfinished output files of earlier runs",
             {{"directory", path_}, {"files", left_behind.size()}});
}

/// A process that has stood still for long opens its files when others run a later attempt already.
bool part_directory::is_of_this_or_later_run(std::string_view pending) const {
  constexpr std::size_t attempt_size = 16; // of a run's name
  const std::size_t begin = pending_prefix_.size() + instance_.size() + 1;
  if (pending.size() <= begin)
    return false;
  const std::string_view run = pending.substr(begin, pending.find('-', begin) - begin);
  return run == run_ || (run.size() == run_.size() && run.substr(0, attempt_size) > run_.substr(0, attempt_size));
}

void part_directory::sync() const {
  if (const int cause = sync_directory(path_); cause != 0)
    fail(file_error(errc::io, "write output directory to the disk", path_, cause));
}

std::string part_directory::path_of(const std::string& name) const {
  return path_.ends_with('/') ? path_ + name : path_ + '/' + name;
}

} // namespace weir
