#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/directory_lock.hpp>
#include <weir/snapshot/store_file.hpp>
#include <weir/snapshot/store_reader.hpp>

namespace weir::detail {

/// An open store file that others read restored state from: it is not closed while one of them does.
struct shared_store_file {
  std::shared_mutex mutex; ///< held shared by readers on other threads, and alone to open or close
  std::optional<store_file> file;
};

/// The checkpoint store on a store file that exists.
///
/// Errors: as checkpoint_store. After a failed commit the next call checks the file and opens it
///         again, so that a disk that was full is no reason to start anew.
class lmdb_checkpoint_store final : public checkpoint_store {
 public:
  /// Takes the lock only if it succeeds.
  static result<std::unique_ptr<checkpoint_store>>
  open(directory_lock&& lock, lmdb_file file, const std::string& job, std::uint32_t retained);
  ~lmdb_checkpoint_store() override;

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
  lmdb_checkpoint_store(directory_lock lock, lmdb_file file, std::string job,
                        std::uint32_t retained)
      : lock_(std::move(lock)), file_(std::move(file)), job_(std::move(job)),
        retained_(retained == 0 ? 1 : retained) {}

  result<lmdb_transaction> begin_read();
  result<lmdb_transaction> begin_write();
  status ensure_open();
  result<epoch> count_attempt(epoch at_least, bool count_on);
  status check_number(checkpoint_id id);
  result<manifest> read_manifest(checkpoint_id id);
  void drop_unfinished();
  result<checkpoint_contents> read(checkpoint_id id, store_reader& reader) const;
  std::string name_of(checkpoint_id id) const;
  result<completed_checkpoint>
  write(const completed_checkpoint& checkpoint,
        const std::vector<std::shared_ptr<const operator_snapshot>>& operators, checkpoint_id keep_from);

  directory_lock lock_;
  lmdb_file file_;
  std::string job_;
  std::uint32_t retained_;
  std::shared_ptr<shared_store_file> open_ = std::make_shared<shared_store_file>();
};

} // namespace weir::detail
