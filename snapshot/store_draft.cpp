#include <weir/snapshot/store_draft.hpp>

#include <algorithm>
#include <cstring>

#include <weir/base/units.hpp>

namespace weir::detail {

namespace {

// Of LMDB, for one value: 32 bits, less what keeps our own seal within them.
constexpr std::uint64_t largest_blob = 0xFFFFFFFF - seal_size;

bytes encode_list(const list_snapshot& list) {
  byte_writer out;
  out.write_raw(std::uint64_t{list.items.size()});
  for (const bytes& item : list.items)
    out.write_text(item);
  return std::move(out).take();
}

} // namespace

result<store_draft>
store_draft::make(const completed_checkpoint& checkpoint,
                  const std::vector<std::shared_ptr<const operator_snapshot>>& operators) {
  store_draft draft;
  draft.manifest_.checkpoint = checkpoint;
  draft.manifest_.checkpoint.bytes = 0;
  for (const auto& snapshot : operators)
    if (const status added = draft.add(*snapshot); !added)
      return added.failure();
  if (const status checked = draft.check_keys(); !checked)
    return checked.failure();
  return draft;
}

status store_draft::add(const operator_snapshot& from) {
  const checkpoint_id id = manifest_.checkpoint.id;
  const std::string of_operator = " of operator " + in_quotes(from.uid);
  stored_operator& into = manifest_.operators.emplace_back();
  into.uid = from.uid;
  into.instance = from.instance;
  into.parallelism = from.parallelism;
  into.drained = from.drained;
  into.records_in = from.records_in;
  into.key_type = from.key_type;
  into.keyed_states = from.keyed_states;
  for (const key_group_snapshot& group : from.key_groups) {
    const auto stored = add_blob(key_group_blob(id, from.uid, group.group), group.data,
                                 "key group " + to_string(group.group) + of_operator);
    if (!stored)
      return stored.failure();
    into.key_groups.push_back({group.group, group.entries, *stored});
  }
  for (std::uint32_t i = 0; i < from.lists.size(); ++i) {
    const list_snapshot& list = from.lists[i];
    lists_.push_back(std::make_unique<const bytes>(encode_list(list)));
    const auto stored = add_blob(list_blob(id, from.uid, from.instance, i), *lists_.back(),
                                 "list state " + in_quotes(list.name) + of_operator);
    if (!stored)
      return stored.failure();
    into.lists.push_back({list.name, list.mode, list.items.size(), *stored});
  }
  return {};
}

result<blob_reference> store_draft::add_blob(const blob_key& key, std::string_view content,
                                             std::string name) {
  if (content.size() > largest_blob)
    return error{errc::capacity,
                 name + " has " + std::to_string(content.size()) + " bytes, and at most " +
                     std::to_string(largest_blob) +
                     " can be stored as one; a larger number of key groups makes each smaller"};
  const value_seal seal = seal_of(content);
  blobs_.push_back({key.encoded(), content, seal, std::move(name)});
  manifest_.checkpoint.bytes += content.size();
  return blob_reference{key, seal.size, seal.checksum};
}

status store_draft::check_keys() {
  std::sort(blobs_.begin(), blobs_.end(),
            [](const blob& a, const blob& b) { return a.key < b.key; });
  const auto twice = std::adjacent_find(
      blobs_.begin(), blobs_.end(), [](const blob& a, const blob& b) { return a.key == b.key; });
  if (twice != blobs_.end())
    return error{errc::checkpoint, "two operator instances have a " + twice->name +
                                       "; each part of the state belongs to one"};
  return {};
}

status store_draft::write(lmdb_transaction& transaction, const store_file& file) const {
  for (const blob& part : blobs_) {
    const auto room = transaction.reserve(file.blobs(), part.key, seal_size + part.content.size());
    if (!room)
      return room.failure();
    std::memcpy(*room, &part.seal, seal_size);
    part.content.copy(*room + seal_size, part.content.size());
  }
  return transaction.write(file.checkpoints(), checkpoint_key(manifest_.checkpoint.id),
                           sealed(encode_manifest(manifest_)));
}

} // namespace weir::detail
