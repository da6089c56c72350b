#pragma once

#include <vector>

#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_file.hpp>

namespace weir::detail {

/// Puts a checkpoint together. The errors name the part.
result<checkpoint_contents> read_contents(const manifest& description, const blob_function& read_blob);

/// Reads manifests and checkpoints in one transaction, and verifies what it reads.
///
/// Ownership: borrows the transaction and the file.
/// Errors:    corrupt and wrong_version; the messages name the part, not the checkpoint or the
/// file.
class store_reader {
 public:
  store_reader(lmdb_transaction& transaction, const store_file& file)
      : transaction_(transaction), file_(file) {}

  /// Of all manifests, readable or not, in ascending order.
  result<std::vector<checkpoint_id>> ids();
  result<manifest> read_manifest(checkpoint_id id);
  result<checkpoint_contents> read_checkpoint(checkpoint_id id);

 private:
  result<bytes> read_blob(const blob_reference& blob);

  lmdb_transaction& transaction_;
  const store_file& file_;
};

} // namespace weir::detail
