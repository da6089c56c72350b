#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir::detail {

/// A checkpoint that is about to be stored: its blobs, and the manifest that refers to them.
///
/// Ownership: borrows the snapshots that it is made of.
class store_draft {
 public:
  /// Errors: checkpoint when two instances claim the same part; the message names it.
  static result<store_draft>
  make(const completed_checkpoint& checkpoint,
       const std::vector<std::shared_ptr<const operator_snapshot>>& operators);

  /// Stores one blob under its key. What is passed holds until it returns.
  using put_blob =
      std::function<status(std::string_view key, const value_seal& seal, std::string_view content)>;

  /// Passes all blobs to `put`, in the order of their keys, and notes them in the manifest. What is
  /// only read now is in memory for the time of its call.
  ///
  /// Errors: capacity when a part is too large for one blob, those of reading it, those of `put`.
  status write_blobs(const put_blob& put);

  /// After write_blobs.
  const manifest& content() const noexcept { return manifest_; }

 private:
  struct part {
    blob_key key;
    std::uint32_t owner;              // in the manifest's operators
    const key_group_snapshot* group;  // either of them
    const list_snapshot* list;
    std::string name;
  };

  void add(const operator_snapshot& snapshot);
  status sort_parts();
  status write_group(const part& from, const put_blob& put);
  status write_list(const part& from, const put_blob& put);
  result<blob_reference> write_blob(const part& from, std::string_view content, const put_blob& put);

  manifest manifest_;
  std::vector<part> parts_;
};

} // namespace weir::detail
