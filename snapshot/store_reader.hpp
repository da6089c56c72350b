#pragma once

#include <string_view>
#include <vector>

#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_file.hpp>

namespace weir::detail {

/// The items of the blob of a list state.
result<std::vector<bytes>> decode_list(std::string_view content, std::uint64_t expected);

/// The blob of a channel: type, records and data.
status decode_channel(std::string_view content, channel_snapshot& into);

/// Puts a checkpoint together: verifies all of it, and leaves it to those who need a key group to read
/// that again, with the same function, on any thread. The errors name the part; those of reading again
/// begin with `context`.
result<checkpoint_contents> read_contents(const manifest& description, const blob_function& read_blob,
                                          const std::string& context);

/// Reads manifests and blobs in one transaction, and verifies what it reads.
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
  result<bytes> read_blob(const blob_reference& blob);

 private:
  lmdb_transaction& transaction_;
  const store_file& file_;
};

} // namespace weir::detail
