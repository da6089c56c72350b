#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir::detail {

/// A checkpoint that is about to be stored: its blobs, and the manifest that refers to them and to those
/// that it takes over from the checkpoints that its deltas add to.
///
/// Ownership: borrows the snapshots that it is made of.
class store_draft {
 public:
  /// Reads the manifest of a complete checkpoint. Only called by make().
  using manifest_function = std::function<result<manifest>(checkpoint_id)>;

  /// Errors: checkpoint when two instances claim the same part; the message names it.
  static result<store_draft>
  make(const completed_checkpoint& checkpoint,
       const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
       const manifest_function& read_manifest);

  /// Stores one blob under its key. What is passed holds until it returns.
  using put_blob =
      std::function<status(std::string_view key, const value_seal& seal, std::string_view content)>;

  /// Passes all new blobs to `put`, ordered by operator, and notes them in the manifest. What is only read
  /// now is in memory for the time of its call.
  ///
  /// Errors: capacity when a part is too large for one blob, corrupt when the checkpoint that a delta adds
  ///         to is missing or damaged, those of reading a part, those of `put`.
  status write_blobs(const put_blob& put);

  /// Calls check(blob) for each blob that is taken over, until one call fails. After write_blobs.
  status check_inherited(const std::function<status(const blob_reference&)>& check) const;

  /// Takes the blobs that are stored under `from` into this checkpoint, so that those are not needed any
  /// more. After write_blobs.
  ///
  /// Errors: those of `read` and `put`; the messages name the part.
  status copy_inherited(const std::set<checkpoint_id>& from, const blob_function& read,
                        const put_blob& put);

  /// After write_blobs.
  const manifest& content() const noexcept { return manifest_; }

 private:
  using base_groups = std::map<std::pair<std::string_view, key_group>, const stored_key_group*>;

  /// A checkpoint that deltas add to.
  struct delta_base {
    result<manifest> content;
    base_groups groups;
  };

  struct part {
    blob_key key;
    std::uint32_t owner;              // in the manifest's operators
    std::variant<const key_group_snapshot*, const list_snapshot*, const channel_snapshot*> content;
    checkpoint_id base;               // of a group that may be a delta
    std::string name;
  };

  void add(const operator_snapshot& snapshot);
  void read_base(const operator_snapshot& snapshot, const manifest_function& read_manifest);
  status sort_parts();
  result<std::vector<blob_reference>> inherited(const part& by, key_group group) const;
  status write_part(const part& from, const key_group_snapshot& group, const put_blob& put);
  status write_part(const part& from, const list_snapshot& list, const put_blob& put);
  status write_part(const part& from, const channel_snapshot& channel, const put_blob& put);
  result<blob_reference> write_blob(const part& from, const blob_key& key, std::string_view content,
                                    const put_blob& put);

  manifest manifest_;
  std::map<checkpoint_id, std::unique_ptr<delta_base>> bases_;
  std::vector<part> parts_;
};

/// What a checkpoint that was read holds, in the form in which it is stored.
std::vector<std::shared_ptr<const operator_snapshot>> shared(std::vector<operator_snapshot> operators);

} // namespace weir::detail
