#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/snapshot/checkpoint_file.hpp>

/// A directory of checkpoints as files: how they are named, and the blobs in them.
namespace weir::detail {

inline constexpr std::string_view checkpoint_prefix = "checkpoint-";
inline constexpr std::string_view blobs_prefix = "blobs-"; ///< of a file whose checkpoint retention has deleted

std::string name_of_file(checkpoint_id id, std::string_view prefix);
std::optional<checkpoint_id> id_of_file(const std::string& name, std::string_view prefix);

/// The file that has the blobs stored under a checkpoint, under either of its names.
std::filesystem::path path_of_holder(const std::filesystem::path& directory, checkpoint_id id);

/// A directory that cannot be read is an error, and not one without checkpoints.
template <class Use>
status for_each_file_name(const std::filesystem::path& directory, Use&& use) {
  std::error_code code;
  std::filesystem::directory_iterator at(directory, code);
  for (; !code && at != std::filesystem::directory_iterator{}; at.increment(code))
    use(at->path().filename().string());
  if (code)
    return error{errc::io, "cannot read the checkpoint directory " + directory.string() + ": " + code.message()};
  return {};
}

/// The numbers of the files with a prefix, in ascending order.
result<std::vector<checkpoint_id>> ids_of_files(const std::filesystem::path& directory, std::string_view prefix);

/// The content of a small sealed file of a directory, or nothing where there is none.
result<std::optional<bytes>> read_small_file(const std::filesystem::path& path, std::string_view advice);

/// Writes one durably, under another name first.
status write_small_file(const std::filesystem::path& path, std::string_view content);

/// How often the job has been started or restarted; 0 where nothing says so.
result<epoch> read_attempt(const std::filesystem::path& directory);

/// The files of a directory, opened as blobs in them are asked for.
///
/// Thread safety: any thread.
class checkpoint_files {
 public:
  explicit checkpoint_files(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Reads and verifies a blob. The error names the file.
  result<bytes> read_blob(const blob_reference& blob);

  static error missing(checkpoint_id id);

 private:
  using opened = std::shared_ptr<const result<checkpoint_file>>;

  opened open(checkpoint_id id);

  const std::filesystem::path directory_;
  std::mutex mutex_;
  std::map<checkpoint_id, opened> files_;
};

} // namespace weir::detail
