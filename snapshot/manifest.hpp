#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/base/error.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir::detail {

/// A blob that a checkpoint needs: where it is, and what it must contain.
struct blob_reference {
  blob_key key;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
};

/// Reads and verifies the content of a blob.
using blob_function = std::function<result<bytes>(const blob_reference&)>;

struct stored_key_group {
  key_group group;
  std::uint64_t entries = 0;
  std::vector<blob_reference> blobs; ///< everything, then the deltas since; at least one
};

struct stored_list {
  std::string name;
  redistribution mode = redistribution::even_split;
  std::string type;
  std::uint64_t items = 0;
  blob_reference blob;
};

/// Of a channel_snapshot; the rest is in the blob.
struct stored_channel {
  std::string sender;
  std::uint32_t instance = 0;
  std::uint16_t output = 0;
  std::uint16_t input = 0;
  blob_reference blob;
};

/// One operator instance in a manifest: an operator_snapshot with references for its data.
struct stored_operator {
  std::string uid;
  std::uint32_t instance = 0;
  std::uint32_t parallelism = 1;
  bool drained = false;
  record_counts counts;
  event_time watermark = no_watermark;
  std::string key_type;
  std::vector<state_schema> keyed_states;
  std::vector<stored_key_group> key_groups;
  std::vector<stored_list> lists;
  std::vector<stored_channel> channels;
};

/// What a complete checkpoint consists of. It is complete because its manifest is stored.
struct manifest {
  completed_checkpoint checkpoint;
  std::vector<stored_operator> operators;
};

/// How a part is named in errors: "key group 5 of operator "count"".
std::string name_of(const stored_operator& owner, const stored_key_group& group);
std::string name_of(const stored_operator& owner, const stored_list& list);
std::string name_of(const stored_operator& owner, const stored_channel& channel);

/// Calls use(owner, blob) for every blob that a manifest refers to.
template <class Use>
void for_each_blob(const manifest& of, Use&& use) {
  for (const stored_operator& owner : of.operators) {
    for (const stored_key_group& group : owner.key_groups)
      for (const blob_reference& blob : group.blobs)
        use(owner, blob);
    for (const stored_list& list : owner.lists)
      use(owner, list.blob);
    for (const stored_channel& channel : owner.channels)
      use(owner, channel.blob);
  }
}

/// The content that is stored, unsealed, as docs/format/checkpoint.md says.
bytes encode_manifest(const manifest& from);

/// Errors: corrupt when the content makes no sense; wrong_version when it names a part that this
///         version reserves but cannot interpret. The messages give the reason alone.
result<manifest> decode_manifest(std::string_view content);

} // namespace weir::detail
