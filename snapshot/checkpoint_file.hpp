#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_draft.hpp>

namespace weir::detail {

/// One checkpoint as one file: the blobs that were new with it, an index of where they are, the manifest.
/// Its contents do not change once it has its name.
///
/// Thread safety: one thread at a time.
class checkpoint_file {
 public:
  /// Opens a file and reads its index and manifest.
  ///
  /// Errors: corrupt, wrong_version, io; the messages name the file. Nothing is changed.
  static result<checkpoint_file> open(const std::filesystem::path& path);

  /// The name of the job that wrote it.
  const std::string& job() const noexcept { return job_; }
  const manifest& content() const noexcept { return manifest_; }

  /// Reads and verifies a blob. The error gives the reason alone.
  result<bytes> read_blob(const blob_reference& blob) const;

 private:
  explicit checkpoint_file(std::filesystem::path path) : path_(std::move(path)) {}

  status read_description(const file_descriptor& file);

  std::filesystem::path path_; // opened for each blob: a checkpoint may be in many files
  std::string job_;
  manifest manifest_;
  std::map<std::string, std::uint64_t, std::less<>> offsets_; // of blobs, by their keys
};

/// That there is one, and what to do.
error file_exists(const std::filesystem::path& path);

/// What to do where there is a file of that name already.
enum class existing_file : std::uint8_t { replaced, refused };

/// Writes a checkpoint to a file of another name, makes it durable, and then gives it its name.
/// `write_blobs` passes the blobs that are stored in it to a function; `content` is read after that.
///
/// Errors: capacity on a full disk, io, in_use when there is a file and it may not be replaced, those of
///         `write_blobs`. Nothing is left then.
result<completed_checkpoint>
write_checkpoint_file(const std::filesystem::path& path, const std::string& job, const manifest& content,
                      const std::function<status(const store_draft::put_blob&)>& write_blobs,
                      existing_file existing = existing_file::replaced);

} // namespace weir::detail
