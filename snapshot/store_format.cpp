#include <weir/snapshot/store_format.hpp>

#include <weir/base/hash.hpp>

namespace weir::detail {

namespace {

void append_big_endian(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(number >> shift));
}

} // namespace

value_seal seal_of(std::string_view content) noexcept {
  return {content.size(), hash_bytes(content.data(), content.size())};
}

bytes sealed(std::string_view content) {
  byte_writer out;
  out.reserve(seal_size + content.size());
  out.write_raw(seal_of(content));
  out.write(content.data(), content.size());
  return std::move(out).take();
}

result<std::string_view> unsealed(std::string_view value) {
  if (value.size() < seal_size)
    return error{errc::corrupt, "it has " + std::to_string(value.size()) +
                                    " bytes, and its length and checksum alone take " +
                                    std::to_string(seal_size)};
  byte_reader in{value};
  const auto seal = in.read_raw<value_seal>();
  const std::string_view content = value.substr(seal_size);
  if (seal.size != content.size())
    return error{errc::corrupt, "its length should be " + std::to_string(seal.size) + " and is " +
                                    std::to_string(content.size())};
  if (seal.checksum != hash_bytes(content.data(), content.size()))
    return error{errc::corrupt, "its checksum does not fit"};
  return content;
}

status check_format(const std::filesystem::path& path, std::string_view content) {
  if (!content.starts_with(checkpoint_format_magic))
    return error{errc::corrupt, path.string() + " is not a checkpoint file of Weir"};
  content.remove_prefix(checkpoint_format_magic.size());
  if (content.size() < sizeof(std::uint32_t))
    return error{errc::corrupt, path.string() + " is damaged: its record of the format is too short"};
  const auto version = byte_reader(content).read_raw<std::uint32_t>();
  if (version != checkpoint_format_version)
    return error{errc::wrong_version, path.string() + " has checkpoint format " + std::to_string(version) +
                                          "; this program reads and writes format " +
                                          std::to_string(checkpoint_format_version)};
  return {};
}

std::string to_string(blob_kind kind) {
  switch (kind) {
  case blob_kind::key_group: return "key group";
  case blob_kind::list: return "list";
  case blob_kind::key_group_delta: return "key group delta";
  case blob_kind::broadcast_state: return "broadcast state";
  case blob_kind::timers: return "timers";
  case blob_kind::channel: return "channel";
  }
  return "kind " + std::to_string(static_cast<int>(kind));
}

std::string blob_key::encoded() const {
  std::string out;
  append_big_endian(out, checkpoint.value);
  append_big_endian(out, operator_hash);
  out.push_back(static_cast<char>(kind));
  append_big_endian(out, index);
  return out;
}

blob_key key_group_blob(checkpoint_id checkpoint, std::string_view uid, key_group group) {
  return {checkpoint, hash_bytes(uid.data(), uid.size()), blob_kind::key_group,
          std::uint64_t{group.value} << 32};
}

blob_key delta_blob(checkpoint_id checkpoint, std::string_view uid, key_group group, std::uint32_t position) {
  return {checkpoint, hash_bytes(uid.data(), uid.size()), blob_kind::key_group_delta,
          std::uint64_t{group.value} << 32 | position};
}

blob_key list_blob(checkpoint_id checkpoint, std::string_view uid, std::uint32_t instance,
                   std::uint32_t position) {
  return {checkpoint, hash_bytes(uid.data(), uid.size()), blob_kind::list,
          std::uint64_t{instance} << 32 | position};
}

blob_key channel_blob(checkpoint_id checkpoint, std::string_view uid, std::uint32_t instance,
                      std::uint32_t position) {
  return {checkpoint, hash_bytes(uid.data(), uid.size()), blob_kind::channel,
          std::uint64_t{instance} << 32 | position};
}

std::string checkpoint_key(checkpoint_id id) {
  std::string out;
  append_big_endian(out, id.value);
  return out;
}

checkpoint_id checkpoint_of_key(std::string_view key) {
  if (key.size() != 8)
    return {};
  std::uint64_t number = 0;
  for (const char c : key)
    number = number << 8 | static_cast<unsigned char>(c);
  return checkpoint_id{number};
}

} // namespace weir::detail
