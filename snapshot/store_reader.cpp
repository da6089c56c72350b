#include <weir/snapshot/store_reader.hpp>

#include <cstring>
#include <map>
#include <memory>

#include <weir/base/hash.hpp>
#include <weir/base/units.hpp>

namespace weir::detail {

namespace {

error malformed(const std::string& what) {
  return {errc::corrupt, what};
}

} // namespace

result<std::vector<bytes>> decode_list(std::string_view content, std::uint64_t expected) {
  try {
    byte_reader in{content};
    const auto count = in.read_raw<std::uint64_t>();
    if (count != expected)
      return malformed("it has " + std::to_string(count) + " items instead of " +
                       std::to_string(expected));
    std::vector<bytes> items;
    for (std::uint64_t i = 0; i < count; ++i)
      items.emplace_back(in.read_text());
    if (!in.at_end())
      return malformed("bytes are left over after its items");
    return items;
  } catch (const malformed_bytes& problem) {
    return malformed(problem.what());
  }
}

status decode_channel(std::string_view content, channel_snapshot& into) {
  try {
    byte_reader in{content};
    into.type = in.read_text();
    into.records = in.read_raw<std::uint64_t>();
    into.data = in.rest();
    return {};
  } catch (const malformed_bytes& problem) {
    return malformed(problem.what());
  }
}

result<std::vector<checkpoint_id>> store_reader::ids() {
  std::vector<checkpoint_id> found;
  auto cursor = transaction_.cursor(file_.checkpoints());
  if (!cursor)
    return cursor.failure();
  auto here = cursor->first();
  for (; here && *here; here = cursor->next())
    found.push_back(checkpoint_of_key(cursor->key()));
  if (!here)
    return here.failure();
  return found;
}

result<manifest> store_reader::read_manifest(checkpoint_id id) {
  const auto value = transaction_.read(file_.checkpoints(), checkpoint_key(id));
  if (!value)
    return value.failure();
  if (!*value)
    return malformed("its manifest is missing");
  const auto content = unsealed(**value);
  if (!content)
    return in_context("its manifest", content.failure());
  auto found = decode_manifest(*content);
  if (!found)
    return in_context("its manifest", found.failure());
  if (found->checkpoint.id != id)
    return malformed("its manifest is that of checkpoint " + to_string(found->checkpoint.id));
  return found;
}

result<bytes> store_reader::read_blob(const blob_reference& blob) {
  const auto value = transaction_.read(file_.blobs(), blob.key.encoded());
  if (!value)
    return value.failure();
  if (!*value)
    return malformed("it is missing");
  if ((*value)->size() < seal_size || (*value)->size() - seal_size != blob.bytes)
    return malformed("its length with its seal should be " +
                     std::to_string(blob.bytes + seal_size) + " and is " +
                     std::to_string((*value)->size()));
  char head[seal_size];
  if (const status copied = file_.copy((*value)->substr(0, seal_size), head); !copied)
    return copied.failure();
  value_seal seal{};
  std::memcpy(&seal, head, seal_size);
  if (seal.size != blob.bytes || seal.checksum != blob.checksum)
    return malformed("its own length and checksum differ from those in the manifest");
  bytes content(blob.bytes, '\0');
  if (const status copied = file_.copy((*value)->substr(seal_size), content.data()); !copied)
    return copied.failure();
  if (hash_bytes(content.data(), content.size()) != blob.checksum)
    return malformed("its checksum does not fit");
  return content;
}

namespace {

delta_chain chain_of(const stored_key_group& group) {
  delta_chain chain;
  for (const blob_reference& blob : group.blobs) {
    const bool is_delta = blob.key.kind == blob_kind::key_group_delta;
    chain.deltas += is_delta;
    (is_delta ? chain.delta_bytes : chain.base_bytes) += blob.bytes;
  }
  return chain;
}

/// The blobs of a key group, one after the other: calls use(content) for each.
template <class Use>
status for_each_blob(const stored_key_group& group, const std::string& name,
                     const blob_function& read_blob, Use&& use) {
  std::uint32_t deltas = 0;
  for (const blob_reference& blob : group.blobs) {
    const bool is_delta = blob.key.kind == blob_kind::key_group_delta;
    deltas += is_delta;
    const auto data = read_blob(blob);
    if (!data)
      return in_context(is_delta ? name + ", delta " + std::to_string(deltas) : name, data.failure());
    use(*data);
  }
  return {};
}

/// The stored key groups of one operator instance, read when they are needed.
class stored_groups final : public group_source {
 public:
  stored_groups(std::string of_operator, blob_function read_blob, std::string context)
      : of_operator_(std::move(of_operator)), read_blob_(std::move(read_blob)),
        context_(std::move(context)) {}

  void add(const stored_key_group& group) { groups_.emplace(group.group, group); }

  status verify(key_group group) const {
    return for_each_blob(groups_.at(group), name_of(group), read_blob_, [](const bytes&) {});
  }

  result<key_group_snapshot> read(key_group group) const override {
    const stored_key_group& stored = groups_.at(group);
    key_group_snapshot into;
    into.group = group;
    into.entries = stored.entries;
    into.chain = chain_of(stored);
    into.data.reserve(into.chain.base_bytes + into.chain.delta_bytes);
    const status done =
        for_each_blob(stored, name_of(group), read_blob_, [&](const bytes& data) { into.data += data; });
    if (!done)
      return in_context(context_, done.failure());
    return into;
  }

 private:
  std::string name_of(key_group group) const { return "key group " + to_string(group) + of_operator_; }

  std::string of_operator_;
  blob_function read_blob_;
  std::string context_;
  std::map<key_group, stored_key_group> groups_;
};

result<operator_snapshot> read_operator(const stored_operator& from, const blob_function& read_blob,
                                        const std::string& context) {
  const std::string of_operator =
      " of operator " + in_quotes(from.uid) + ", instance " + std::to_string(from.instance);
  operator_snapshot into;
  into.uid = from.uid;
  into.instance = from.instance;
  into.parallelism = from.parallelism;
  into.drained = from.drained;
  into.counts = from.counts;
  into.watermark = from.watermark;
  into.key_type = from.key_type;
  into.keyed_states = from.keyed_states;
  const auto source = std::make_shared<stored_groups>(of_operator, read_blob, context);
  for (const stored_key_group& group : from.key_groups) {
    source->add(group);
    if (const status verified = source->verify(group.group); !verified)
      return verified.failure();
    key_group_snapshot& later = into.key_groups.emplace_back();
    later.group = group.group;
    later.entries = group.entries;
    later.chain = chain_of(group);
    later.source = source;
  }
  for (const stored_list& list : from.lists) {
    const auto data = read_blob(list.blob);
    auto items = data ? decode_list(*data, list.items) : data.failure();
    if (!items)
      return in_context("list state " + in_quotes(list.name) + of_operator, items.failure());
    into.lists.push_back({list.name, list.mode, list.type, std::move(*items)});
  }
  for (const stored_channel& channel : from.channels) {
    channel_snapshot& made = into.channels.emplace_back();
    made.sender = channel.sender;
    made.instance = channel.instance;
    made.output = channel.output;
    made.input = channel.input;
    const auto data = read_blob(channel.blob);
    if (const status read = data ? decode_channel(*data, made) : status{data.failure()}; !read)
      return in_context(name_of(from, channel), read.failure());
  }
  return into;
}

} // namespace

result<checkpoint_contents> read_contents(const manifest& description, const blob_function& read_blob,
                                          const std::string& context) {
  checkpoint_contents contents{description.checkpoint, {}};
  for (const stored_operator& part : description.operators) {
    auto snapshot = read_operator(part, read_blob, context);
    if (!snapshot)
      return snapshot.failure();
    contents.operators.push_back(std::move(*snapshot));
  }
  return contents;
}

} // namespace weir::detail
