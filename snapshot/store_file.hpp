#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/state/lmdb.hpp>

namespace weir::detail {

/// An open checkpoint file, known to be one of this format and of this job.
///
/// Thread safety: one thread at a time.
class store_file {
 public:
  /// Checks the structure of an existing file, maps it, and checks what it says about itself.
  ///
  /// Errors: corrupt, wrong_version, state_mismatch when it belongs to another job, and those of
  ///         lmdb_environment. Nothing is changed.
  static result<store_file> open(const lmdb_file& file, const std::string& job);

  lmdb_environment& environment() noexcept { return environment_; }
  lmdb_database meta() const noexcept { return meta_; }
  lmdb_database checkpoints() const noexcept { return checkpoints_; }
  lmdb_database blobs() const noexcept { return blobs_; }
  std::string path() const { return environment_.file().path.string(); }

  /// Copies a part of a value that a transaction returned. Reads the file where that is possible: a
  /// failing disk or a file that was cut short is then an error, and not a signal.
  status copy(std::string_view value, char* out) const;

 private:
  store_file(lmdb_environment environment, lmdb_database meta, lmdb_database checkpoints,
             lmdb_database blobs)
      : environment_(std::move(environment)), meta_(meta), checkpoints_(checkpoints),
        blobs_(blobs) {}

  void find_map(std::string_view value);

  lmdb_environment environment_;
  lmdb_database meta_;
  lmdb_database checkpoints_;
  lmdb_database blobs_;
  const char* map_ = nullptr; // where the file lies in memory, if that is known
};

/// Makes the file of a new store, with no checkpoints in it. It appears under its name only when it
/// is complete and on disk.
status create_store_file(const lmdb_file& file, const std::string& job);

/// The content of a record of the database "meta", or an error that names file and record.
result<std::string> read_meta(lmdb_transaction& transaction, lmdb_database meta,
                              std::string_view key, const lmdb_file& file);

} // namespace weir::detail
