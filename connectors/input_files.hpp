#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weir/base/error.hpp>

namespace weir {

/// A file that is there and can be read.
struct input_file {
  std::string path;
  std::uint64_t size = 0;
};

/// The file `path`, or the files of the directory `path` and of the directories in it, sorted by
/// path. Names that start with a dot are passed over, and so is what is no regular file; symbolic
/// links to files count as files, those to directories are not followed.
///
/// Errors: errc::invalid_input for a path that is missing, unreadable or neither file nor directory,
///         for a directory without files, and for a file that cannot be opened.
result<std::vector<input_file>> find_input_files(const std::string& path);

} // namespace weir
