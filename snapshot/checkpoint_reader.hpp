#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <weir/snapshot/manifest.hpp>

namespace weir {

/// A job's checkpoint directory seen from outside: by another process, while the job may be running.
///
/// Reads either form of it, an LMDB file or files, and takes no lock that the job would wait for. What
/// is read together is read in one short transaction; between two calls the job goes on and may delete
/// a checkpoint.
///
/// Thread safety: one thread at a time.
/// Errors:        corrupt, wrong_version and io, with a message that names the file; checkpoint when the one that
///                is read has been deleted meanwhile; invalid_setting for one that is not there.
class checkpoint_reader {
 public:
  /// Of a directory with both forms (a job that is changing from one to the other was killed) it reads the one
  /// with the newest checkpoint.
  static result<std::unique_ptr<checkpoint_reader>> open(const std::filesystem::path& directory);

  virtual ~checkpoint_reader() = default;

  const std::filesystem::path& directory() const noexcept { return directory_; }

  /// The job's name; empty where no checkpoint can be read that would tell it.
  virtual std::string job() = 0;

  /// Of all checkpoints, readable or not, in ascending order.
  virtual result<std::vector<checkpoint_id>> ids() = 0;

  result<detail::manifest> read_manifest(checkpoint_id id);

  /// The contents of blobs of a checkpoint, one after the other, verified.
  result<bytes> read_blobs(checkpoint_id of, const std::vector<detail::blob_reference>& blobs);

  /// Checks what holds the checkpoints together.
  virtual status check_structure() = 0;

 protected:
  explicit checkpoint_reader(std::filesystem::path directory) : directory_(std::move(directory)) {}

  virtual result<detail::manifest> manifest_of(checkpoint_id id) = 0;
  virtual result<bytes> contents_of(const std::vector<detail::blob_reference>& blobs) = 0;

 private:
  /// The failure, or that the checkpoint is gone.
  error explained(checkpoint_id id, error failure);

  std::filesystem::path directory_;
};

} // namespace weir
