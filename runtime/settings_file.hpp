#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace weir {

/// One value of a settings file.
struct settings_file_entry {
  std::string key;       ///< with dots, whatever way it was written: "checkpoint.interval"
  std::string text;      ///< the value as a person would write it on a command line
  std::string key_place; ///< "job.toml:3:1"
  std::string place;     ///< of the value: "job.toml:3:12"
  bool is_table = false; ///< a heading with nothing below it
};

/// A TOML file, flattened. What it means is not looked at here.
struct settings_file {
  std::vector<settings_file_entry> entries;

  /// Why the file, or one of its values, could not be read; each says where.
  std::vector<std::string> problems;
};

/// Reads a TOML file. Values are strings, numbers and truth values; anything else is a problem.
settings_file read_settings_file(const std::filesystem::path& path);

} // namespace weir
