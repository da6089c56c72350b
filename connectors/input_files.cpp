#include <weir/connectors/input_files.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>

#include <weir/base/file_descriptor.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;

error unreadable(const std::string& path, int number) {
  error cause = file_error(errc::invalid_input, "read input", path, number);
  if (number == ENOENT)
    cause.message += ": give the path of a file or directory that is there";
  else if (number == EACCES)
    cause.message += ": give the user of this process the right to read it";
  return cause;
}

status add_file(const std::string& path, bool must_be_file, std::vector<input_file>& found) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return unreadable(path, errno);
  if (!S_ISREG(info.st_mode)) {
    if (!must_be_file)
      return {};
    return error{errc::invalid_input, "cannot read input '" + path +
                                          "': expected a regular file or a directory, found another "
                                          "kind of file: copy its contents to a file"};
  }
  const file_descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.is_open())
    return unreadable(path, errno);
  found.push_back({path, static_cast<std::uint64_t>(info.st_size)});
  return {};
}

status add_directory(const fs::path& directory, std::vector<input_file>& found) {
  std::error_code failed;
  for (fs::directory_iterator entries(directory, failed), end; !failed && entries != end;
       entries.increment(failed)) {
    if (entries->path().filename().native().starts_with('.'))
      continue;
    const fs::file_type type = entries->symlink_status(failed).type();
    if (failed)
      return unreadable(entries->path().native(), failed.value());
    const status added = type == fs::file_type::directory
                             ? add_directory(entries->path(), found)
                             : add_file(entries->path().native(), false, found);
    if (!added)
      return added;
  }
  if (failed)
    return unreadable(directory.native(), failed.value());
  return {};
}

} // namespace

result<std::vector<input_file>> find_input_files(const std::string& path) {
  std::vector<input_file> found;
  if (path.empty())
    return error{errc::invalid_input,
                 "cannot read input: expected the path of a file or directory, found an empty text"};
  std::error_code failed;
  if (!fs::is_directory(path, failed)) {
    if (status added = add_file(path, true, found); !added)
      return std::move(added.failure());
    return found;
  }
  if (status added = add_directory(path, found); !added)
    return std::move(added.failure());
  if (found.empty())
    return error{errc::invalid_input,
                 "cannot read input '" + path +
                     "': expected a directory with files in it, found no file whose name does not "
                     "start with a dot: put the input there, or give another path"};
  std::sort(found.begin(), found.end(),
            [](const input_file& a, const input_file& b) { return a.path < b.path; });
  return found;
}

} // namespace weir
