#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <weir/base/bytes.hpp>
#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>

/// The small parts of the format in docs/format/checkpoint.md: sealed values and keys.
namespace weir::detail {

inline constexpr std::uint32_t checkpoint_format_version = 4;
inline constexpr std::string_view checkpoint_format_magic = "WEIRCKPT";

/// The LMDB file of a checkpoint directory.
inline constexpr const char* lmdb_file_name = "checkpoints.mdb";

/// What a sealed value has before its content.
struct value_seal {
  std::uint64_t size;
  std::uint64_t checksum;
};
inline constexpr std::size_t seal_size = sizeof(value_seal);

value_seal seal_of(std::string_view content) noexcept;
bytes sealed(std::string_view content);

/// The content of a sealed value, or corrupt with the reason alone. The view is into `value`.
result<std::string_view> unsealed(std::string_view value);

/// Checks the content of the record "format" of the file at `path`.
///
/// Errors: corrupt; wrong_version, with both versions.
status check_format(const std::filesystem::path& path, std::string_view content);

/// What a blob holds. The numbers are stored.
enum class blob_kind : std::uint8_t {
  key_group = 1,       ///< keyed state of one operator in one key group
  list = 2,            ///< one list state of one operator instance
  key_group_delta = 3, ///< what has changed in it
  broadcast_state = 4, ///< reserved
  timers = 5,          ///< reserved
  channel = 6,         ///< what was under way to one operator instance on one channel
};
std::string to_string(blob_kind kind);

/// Where a blob is stored.
struct blob_key {
  checkpoint_id checkpoint;
  std::uint64_t operator_hash = 0; ///< of the uid
  blob_kind kind = blob_kind::key_group;
  std::uint64_t index = 0;

  auto operator<=>(const blob_key&) const = default;
  std::string encoded() const;
};

blob_key key_group_blob(checkpoint_id checkpoint, std::string_view uid, key_group group);

/// `position` is that among the references of the key group.
blob_key delta_blob(checkpoint_id checkpoint, std::string_view uid, key_group group, std::uint32_t position);
blob_key list_blob(checkpoint_id checkpoint, std::string_view uid, std::uint32_t instance,
                   std::uint32_t position);

/// `position` is that among the channels of the receiving instance.
blob_key channel_blob(checkpoint_id checkpoint, std::string_view uid, std::uint32_t instance,
                      std::uint32_t position);

std::string checkpoint_key(checkpoint_id id);

/// The reverse of checkpoint_key; 0 ("none") for what is not one.
checkpoint_id checkpoint_of_key(std::string_view key);

} // namespace weir::detail
