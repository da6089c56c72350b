#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weir/snapshot/checkpoint_file.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/directory_lock.hpp>

namespace weir::detail {

/// The checkpoint_store in which every checkpoint is a file of its own, checkpoint-<number>.weir. A file
/// that is only kept because newer ones refer to its blobs is named blobs-<number>.weir.
///
/// Errors: as checkpoint_store.
class files_checkpoint_store final : public checkpoint_store {
 public:
  static result<std::unique_ptr<checkpoint_store>>
  open(directory_lock lock, const std::filesystem::path& directory, const std::string& job,
       std::uint32_t retained);

  /// Whether a directory holds checkpoints in this form.
  static result<bool> is_in(const std::filesystem::path& directory);

  const std::string& job() const noexcept override { return job_; }
  result<epoch> continue_after(epoch last) override;
  result<epoch> begin_attempt() override;
  result<std::vector<completed_checkpoint>> list() override;
  result<checkpoint_contents> load(checkpoint_id id) override;
  result<completed_checkpoint>
  store(completed_checkpoint checkpoint,
        const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
        checkpoint_id keep_from) override;
  status remove(checkpoint_id id) override;
  status clear() override;

 private:
  files_checkpoint_store(directory_lock lock, std::filesystem::path directory, std::string job,
                         std::uint32_t retained)
      : lock_(std::move(lock)), directory_(std::move(directory)), job_(std::move(job)),
        retained_(retained == 0 ? 1 : retained) {}

  std::filesystem::path path_of(checkpoint_id id) const;
  std::filesystem::path blobs_path_of(checkpoint_id id) const;
  result<std::vector<checkpoint_id>> ids() const;
  result<std::vector<checkpoint_id>> ids_of(std::string_view prefix) const;
  result<checkpoint_contents> read(checkpoint_id id) const;
  status copy_from_sparse_files(store_draft& draft, const store_draft::put_blob& put) const;
  status write_attempt(epoch attempt);
  void expire(checkpoint_id keep_from);
  status expire_or_fail(checkpoint_id keep_from);
  status remove_files(const std::vector<checkpoint_id>& expired);

  directory_lock lock_;
  std::filesystem::path directory_;
  std::string job_;
  std::uint32_t retained_;
};

} // namespace weir::detail
