#include <weir/snapshot/manifest.hpp>

#include <stdexcept>

#include <weir/base/units.hpp>

namespace weir::detail {

namespace {

struct unknown_part : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void write_reference(byte_writer& out, const blob_reference& blob) {
  out.write_raw(blob.key.checkpoint.value);
  out.write_raw(blob.key.operator_hash);
  out.write_raw(static_cast<std::uint8_t>(blob.key.kind));
  out.write_raw(blob.key.index);
  out.write_raw(blob.bytes);
  out.write_raw(blob.checksum);
}

blob_reference read_reference(byte_reader& in) {
  blob_reference blob;
  blob.key.checkpoint = checkpoint_id{in.read_raw<std::uint64_t>()};
  blob.key.operator_hash = in.read_raw<std::uint64_t>();
  blob.key.kind = static_cast<blob_kind>(in.read_raw<std::uint8_t>());
  blob.key.index = in.read_raw<std::uint64_t>();
  blob.bytes = in.read_raw<std::uint64_t>();
  blob.checksum = in.read_raw<std::uint64_t>();
  return blob;
}

/// Of a part that is one blob.
blob_reference read_only_reference(byte_reader& in, blob_kind kind, const std::string& user) {
  const std::size_t count = in.read_size();
  if (count > 1)
    throw unknown_part(user + " consists of " + std::to_string(count) + " blobs");
  if (count == 0)
    throw malformed_bytes(user + " has no blob");
  const blob_reference blob = read_reference(in);
  if (blob.key.kind != kind)
    throw unknown_part(user + " is stored as " + to_string(blob.key.kind));
  return blob;
}

std::vector<blob_reference> read_chain(byte_reader& in, key_group group, const std::string& user) {
  std::vector<blob_reference> blobs;
  for (std::size_t left = in.read_size(); left > 0; --left) {
    const blob_reference& blob = blobs.emplace_back(read_reference(in));
    const std::size_t position = blobs.size() - 1;
    if (blob.key.kind != blob_kind::key_group && blob.key.kind != blob_kind::key_group_delta)
      throw unknown_part(user + " is stored as " + to_string(blob.key.kind));
    if (blob.key.kind == blob_kind::key_group && position != 0)
      throw malformed_bytes(user + " begins anew after " + std::to_string(position) + " blobs");
    if (blob.key.index != (std::uint64_t{group.value} << 32 | position))
      throw malformed_bytes(user + " has the blob of another place as number " + std::to_string(position));
  }
  if (blobs.empty())
    throw malformed_bytes(user + " has no blob");
  return blobs;
}

bool read_flag(byte_reader& in) {
  const auto flag = in.read_raw<std::uint8_t>();
  if (flag > 1)
    throw malformed_bytes("a flag is " + std::to_string(flag));
  return flag == 1;
}

redistribution read_redistribution(byte_reader& in) {
  const auto mode = in.read_raw<std::uint8_t>();
  if (mode > static_cast<std::uint8_t>(redistribution::full_union))
    throw unknown_part("redistribution " + std::to_string(mode));
  return static_cast<redistribution>(mode);
}

void write_operator(byte_writer& out, const stored_operator& from) {
  out.write_text(from.uid);
  out.write_raw(from.instance);
  out.write_raw(from.parallelism);
  out.write_raw(static_cast<std::uint8_t>(from.drained));
  out.write_raw(from.counts.in);
  out.write_raw(from.counts.late);
  out.write_raw(from.counts.dropped);
  out.write_raw(std::int64_t{from.watermark.time_since_epoch().count()});
  out.write_text(from.key_type);
  out.write_raw(std::uint64_t{from.keyed_states.size()});
  for (const state_schema& state : from.keyed_states) {
    out.write_text(state.name);
    out.write_text(state.kind);
    out.write_text(state.type);
    out.write_raw(static_cast<std::uint8_t>(state.expires));
  }
  out.write_raw(std::uint64_t{from.key_groups.size()});
  for (const stored_key_group& group : from.key_groups) {
    out.write_raw(group.group.value);
    out.write_raw(group.entries);
    out.write_raw(std::uint64_t{group.blobs.size()});
    for (const blob_reference& blob : group.blobs)
      write_reference(out, blob);
  }
  out.write_raw(std::uint64_t{from.lists.size()});
  for (const stored_list& list : from.lists) {
    out.write_text(list.name);
    out.write_raw(static_cast<std::uint8_t>(list.mode));
    out.write_text(list.type);
    out.write_raw(list.items);
    out.write_raw(std::uint64_t{1});
    write_reference(out, list.blob);
  }
  out.write_raw(std::uint64_t{from.channels.size()});
  for (const stored_channel& channel : from.channels) {
    out.write_raw(static_cast<std::uint8_t>(blob_kind::channel));
    out.write_text(channel.sender);
    out.write_raw(std::uint64_t{channel.instance} << 32 | std::uint32_t{channel.output} << 16 | channel.input);
    out.write_raw(std::uint64_t{1});
    write_reference(out, channel.blob);
  }
}

stored_operator read_operator(byte_reader& in) {
  stored_operator into;
  into.uid = in.read_text();
  into.instance = in.read_raw<std::uint32_t>();
  into.parallelism = in.read_raw<std::uint32_t>();
  into.drained = read_flag(in);
  into.counts.in = in.read_raw<std::uint64_t>();
  into.counts.late = in.read_raw<std::uint64_t>();
  into.counts.dropped = in.read_raw<std::uint64_t>();
  into.watermark = event_time{std::chrono::milliseconds{in.read_raw<std::int64_t>()}};
  into.key_type = in.read_text();
  const std::string of_operator = " of operator \"" + into.uid + "\"";
  for (std::size_t left = in.read_size(); left > 0; --left) {
    state_schema& state = into.keyed_states.emplace_back();
    state.name = in.read_text();
    state.kind = in.read_text();
    state.type = in.read_text();
    state.expires = read_flag(in);
  }
  for (std::size_t left = in.read_size(); left > 0; --left) {
    stored_key_group& group = into.key_groups.emplace_back();
    group.group = key_group{in.read_raw<std::uint32_t>()};
    group.entries = in.read_raw<std::uint64_t>();
    group.blobs = read_chain(in, group.group, "key group " + to_string(group.group) + of_operator);
  }
  for (std::size_t left = in.read_size(); left > 0; --left) {
    stored_list& list = into.lists.emplace_back();
    list.name = in.read_text();
    list.mode = read_redistribution(in);
    list.type = in.read_text();
    list.items = in.read_raw<std::uint64_t>();
    list.blob = read_only_reference(in, blob_kind::list, "list state \"" + list.name + "\"" + of_operator);
  }
  for (std::size_t left = in.read_size(); left > 0; --left) {
    const auto kind = static_cast<blob_kind>(in.read_raw<std::uint8_t>());
    if (kind != blob_kind::channel)
      throw unknown_part(to_string(kind) + of_operator);
    stored_channel& channel = into.channels.emplace_back();
    channel.sender = in.read_text();
    const auto number = in.read_raw<std::uint64_t>();
    channel.instance = static_cast<std::uint32_t>(number >> 32);
    channel.output = static_cast<std::uint16_t>(number >> 16);
    channel.input = static_cast<std::uint16_t>(number);
    channel.blob = read_only_reference(in, blob_kind::channel, "channel from \"" + channel.sender + "\"" + of_operator);
  }
  return into;
}

} // namespace

std::string name_of(const stored_operator& owner, const stored_key_group& group) {
  return "key group " + to_string(group.group) + " of operator " + in_quotes(owner.uid);
}

std::string name_of(const stored_operator& owner, const stored_list& list) {
  return "list state " + in_quotes(list.name) + " of operator " + in_quotes(owner.uid) + ", instance " +
         std::to_string(owner.instance);
}

std::string name_of(const stored_operator& owner, const stored_channel& channel) {
  return "the channel from " + in_quotes(channel.sender) + ", instance " + std::to_string(channel.instance) +
         ", to operator " + in_quotes(owner.uid) + ", instance " + std::to_string(owner.instance);
}

bytes encode_manifest(const manifest& from) {
  byte_writer out;
  out.write_raw(from.checkpoint.id.value);
  out.write_raw(from.checkpoint.attempt.value);
  out.write_raw(from.checkpoint.completed_at_ms);
  out.write_raw(from.checkpoint.key_groups);
  out.write_raw(from.checkpoint.bytes);
  out.write_raw(static_cast<std::uint8_t>(from.checkpoint.last));
  out.write_raw(std::uint64_t{from.operators.size()});
  for (const stored_operator& part : from.operators)
    write_operator(out, part);
  return std::move(out).take();
}

result<manifest> decode_manifest(std::string_view content) {
  try {
    byte_reader in{content};
    manifest into;
    into.checkpoint.id = checkpoint_id{in.read_raw<std::uint64_t>()};
    into.checkpoint.attempt = epoch{in.read_raw<std::uint64_t>()};
    into.checkpoint.completed_at_ms = in.read_raw<std::int64_t>();
    into.checkpoint.key_groups = in.read_raw<std::uint32_t>();
    into.checkpoint.bytes = in.read_raw<std::uint64_t>();
    into.checkpoint.last = read_flag(in);
    for (std::size_t left = in.read_size(); left > 0; --left)
      into.operators.push_back(read_operator(in));
    if (!in.at_end())
      return error{errc::corrupt,
                   "there are " + std::to_string(in.remaining()) + " bytes left over"};
    return into;
  } catch (const malformed_bytes& problem) {
    return error{errc::corrupt, problem.what()};
  } catch (const unknown_part& part) {
    return error{errc::wrong_version,
                 std::string{"this version cannot interpret its "} + part.what()};
  }
}

} // namespace weir::detail
