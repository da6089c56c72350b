#include <weir/snapshot/store_draft.hpp>

#include <algorithm>

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
    draft.add(*snapshot);
  if (const status sorted = draft.sort_parts(); !sorted)
    return sorted.failure();
  return draft;
}

void store_draft::add(const operator_snapshot& from) {
  const checkpoint_id id = manifest_.checkpoint.id;
  const std::string of_operator = " of operator " + in_quotes(from.uid);
  const auto owner = static_cast<std::uint32_t>(manifest_.operators.size());
  stored_operator& into = manifest_.operators.emplace_back();
  into.uid = from.uid;
  into.instance = from.instance;
  into.parallelism = from.parallelism;
  into.drained = from.drained;
  into.records_in = from.records_in;
  into.key_type = from.key_type;
  into.keyed_states = from.keyed_states;
  for (const key_group_snapshot& group : from.key_groups)
    parts_.push_back({key_group_blob(id, from.uid, group.group), owner, &group, nullptr,
                      "key group " + to_string(group.group) + of_operator});
  for (std::uint32_t i = 0; i < from.lists.size(); ++i)
    parts_.push_back({list_blob(id, from.uid, from.instance, i), owner, nullptr, &from.lists[i],
                      "list state " + in_quotes(from.lists[i].name) + of_operator});
}

status store_draft::sort_parts() {
  std::sort(parts_.begin(), parts_.end(),
            [](const part& a, const part& b) { return a.key < b.key; });
  const auto twice = std::adjacent_find(
      parts_.begin(), parts_.end(), [](const part& a, const part& b) { return a.key == b.key; });
  if (twice != parts_.end())
    return error{errc::checkpoint, "two operator instances have a " + twice->name +
                                       "; each part of the state belongs to one"};
  return {};
}

status store_draft::write_blobs(const put_blob& put) {
  for (const part& one : parts_)
    if (const status done = one.group ? write_group(one, put) : write_list(one, put); !done)
      return done;
  return {};
}

status store_draft::write_group(const part& from, const put_blob& put) {
  key_group_snapshot read_now;
  const key_group_snapshot* group = from.group;
  if (group->source) {
    auto read = group->source->read(group->group);
    if (!read)
      return in_context(from.name, std::move(read.failure()));
    read_now = std::move(*read);
    group = &read_now;
    if (group->entries == 0)
      return {};
  }
  const auto stored = write_blob(from, group->data, put);
  if (!stored)
    return stored.failure();
  manifest_.operators[from.owner].key_groups.push_back({group->group, group->entries, *stored});
  return {};
}

status store_draft::write_list(const part& from, const put_blob& put) {
  const list_snapshot& list = *from.list;
  const auto stored = write_blob(from, encode_list(list), put);
  if (!stored)
    return stored.failure();
  manifest_.operators[from.owner].lists.push_back(
      {list.name, list.mode, list.type, list.items.size(), *stored});
  return {};
}

result<blob_reference> store_draft::write_blob(const part& from, std::string_view content,
                                               const put_blob& put) {
  if (content.size() > largest_blob)
    return error{errc::capacity,
                 from.name + " has " + std::to_string(content.size()) + " bytes, and at most " +
                     std::to_string(largest_blob) +
                     " can be stored as one; a larger number of key groups makes each smaller"};
  const value_seal seal = seal_of(content);
  if (status done = put(from.key.encoded(), seal, content); !done)
    return std::move(done.failure());
  manifest_.checkpoint.bytes += content.size();
  return blob_reference{from.key, seal.size, seal.checksum};
}

} // namespace weir::detail
