#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_file.hpp>

namespace weir::detail {

/// A checkpoint that is about to be stored: its manifest, and the contents of the blobs that the
/// manifest refers to.
///
/// Ownership: borrows the snapshots that it is made of.
class store_draft {
 public:
  /// Errors: capacity when a part is too large for one blob, checkpoint when two instances claim
  ///         the same part. The messages name it.
  static result<store_draft>
  make(const completed_checkpoint& checkpoint,
       const std::vector<std::shared_ptr<const operator_snapshot>>& operators);

  status write(lmdb_transaction& transaction, const store_file& file) const;

  const completed_checkpoint& checkpoint() const noexcept { return manifest_.checkpoint; }

 private:
  struct blob {
    std::string key;
    std::string_view content;
    value_seal seal;
    std::string name;
  };

  status add(const operator_snapshot& snapshot);
  result<blob_reference> add_blob(const blob_key& key, std::string_view content, std::string name);
  status check_keys();

  manifest manifest_;
  std::vector<blob> blobs_;
  std::vector<std::unique_ptr<const bytes>> lists_;
};

} // namespace weir::detail
