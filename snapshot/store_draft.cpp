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

bytes encode_channel(const channel_snapshot& channel) {
  byte_writer out;
  out.reserve(channel.type.size() + channel.data.size() + 16);
  out.write_text(channel.type);
  out.write_raw(channel.records);
  out.write(channel.data.data(), channel.data.size());
  return std::move(out).take();
}

std::string inherited_name(const stored_operator& owner, const stored_key_group& group,
                           const blob_reference& blob) {
  return name_of(owner, group) + ", the part from checkpoint " + to_string(blob.key.checkpoint);
}

} // namespace

result<store_draft>
store_draft::make(const completed_checkpoint& checkpoint,
                  const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
                  const manifest_function& read_manifest) {
  store_draft draft;
  draft.manifest_.checkpoint = checkpoint;
  draft.manifest_.checkpoint.bytes = draft.manifest_.checkpoint.new_bytes = 0;
  for (const auto& snapshot : operators) {
    draft.add(*snapshot);
    draft.read_base(*snapshot, read_manifest);
  }
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
  into.counts = from.counts;
  into.watermark = from.watermark;
  into.key_type = from.key_type;
  into.keyed_states = from.keyed_states;
  for (const key_group_snapshot& group : from.key_groups)
    parts_.push_back({key_group_blob(id, from.uid, group.group), owner, &group, from.base,
                      "key group " + to_string(group.group) + of_operator});
  for (std::uint32_t i = 0; i < from.lists.size(); ++i)
    parts_.push_back({list_blob(id, from.uid, from.instance, i), owner, &from.lists[i], {},
                      "list state " + in_quotes(from.lists[i].name) + of_operator});
  for (std::uint32_t i = 0; i < from.channels.size(); ++i)
    parts_.push_back({channel_blob(id, from.uid, from.instance, i), owner, &from.channels[i], {},
                      "channel from " + in_quotes(from.channels[i].sender) + of_operator});
}

// Whether a group is a delta is not always known before it is read; that its base cannot be used matters
// only if it is.
void store_draft::read_base(const operator_snapshot& snapshot, const manifest_function& read_manifest) {
  const auto may_be_delta = [](const key_group_snapshot& group) { return group.is_delta || group.source; };
  if (snapshot.base == checkpoint_id{} || bases_.contains(snapshot.base) ||
      std::none_of(snapshot.key_groups.begin(), snapshot.key_groups.end(), may_be_delta))
    return;
  auto made = std::make_unique<delta_base>(delta_base{read_manifest(snapshot.base), {}});
  delta_base& read = *bases_.emplace(snapshot.base, std::move(made)).first->second;
  if (!read.content)
    return;
  for (const stored_operator& one : read.content->operators)
    for (const stored_key_group& group : one.key_groups)
      read.groups[{one.uid, group.group}] = &group;
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
    if (const status done =
            std::visit([&](const auto* content) { return write_part(one, *content, put); }, one.content);
        !done)
      return done;
  return {};
}

result<std::vector<blob_reference>> store_draft::inherited(const part& by, key_group group) const {
  const auto unusable = [&](errc code, const std::string& why) {
    return error{code, by.name + " was written as what has changed since checkpoint " + to_string(by.base) +
                           ", and that checkpoint cannot be added to: " + why};
  };
  const auto found = bases_.find(by.base);
  if (found == bases_.end())
    return unusable(errc::checkpoint, "it is none");
  const delta_base& from = *found->second;
  if (!from.content) {
    const error& why = from.content.failure();
    const bool may_pass = why.code == errc::io || why.code == errc::capacity;
    return unusable(may_pass ? why.code : errc::corrupt, why.message);
  }
  const stored_operator& into = manifest_.operators[by.owner];
  for (const stored_operator& one : from.content->operators)
    if (one.uid == into.uid && !one.key_groups.empty() &&
        (one.key_type != into.key_type || one.keyed_states != into.keyed_states))
      return unusable(errc::checkpoint, "it has other keyed states");
  const auto before = from.groups.find({into.uid, group});
  return before == from.groups.end() ? std::vector<blob_reference>{} : before->second->blobs;
}

status store_draft::write_part(const part& from, const key_group_snapshot& made, const put_blob& put) {
  key_group_snapshot read_now;
  const key_group_snapshot* group = &made;
  if (group->source) {
    auto read = group->source->read(group->group);
    if (!read)
      return in_context(from.name, std::move(read.failure()));
    read_now = std::move(*read);
    group = &read_now;
  }
  stored_key_group into{group->group, group->entries, {}};
  blob_key key = from.key;
  if (group->is_delta) {
    auto before = inherited(from, group->group);
    if (!before)
      return std::move(before.failure());
    into.blobs = std::move(*before);
    key.kind = blob_kind::key_group_delta;
    key.index |= into.blobs.size();
  }
  if (group->entries == 0 || (group->is_delta && group->data.empty() && into.blobs.empty()))
    return {};
  for (const blob_reference& blob : into.blobs)
    manifest_.checkpoint.bytes += blob.bytes;
  if (!group->is_delta || !group->data.empty()) {
    const auto stored = write_blob(from, key, group->data, put);
    if (!stored)
      return stored.failure();
    into.blobs.push_back(*stored);
  }
  manifest_.operators[from.owner].key_groups.push_back(std::move(into));
  return {};
}

status store_draft::write_part(const part& from, const list_snapshot& list, const put_blob& put) {
  const auto stored = write_blob(from, from.key, encode_list(list), put);
  if (!stored)
    return stored.failure();
  manifest_.operators[from.owner].lists.push_back(
      {list.name, list.mode, list.type, list.items.size(), *stored});
  return {};
}

status store_draft::write_part(const part& from, const channel_snapshot& channel, const put_blob& put) {
  const auto stored = write_blob(from, from.key, encode_channel(channel), put);
  if (!stored)
    return stored.failure();
  manifest_.operators[from.owner].channels.push_back(
      {channel.sender, channel.instance, channel.output, channel.input, *stored});
  return {};
}

result<blob_reference> store_draft::write_blob(const part& from, const blob_key& key,
                                               std::string_view content, const put_blob& put) {
  if (content.size() > largest_blob)
    return error{errc::capacity,
                 from.name + " has " + std::to_string(content.size()) + " bytes, and at most " +
                     std::to_string(largest_blob) +
                     " can be stored as one; a larger number of key groups makes each smaller"};
  const value_seal seal = seal_of(content);
  if (status done = put(key.encoded(), seal, content); !done)
    return std::move(done.failure());
  manifest_.checkpoint.bytes += content.size();
  manifest_.checkpoint.new_bytes += content.size();
  return blob_reference{key, seal.size, seal.checksum};
}

status store_draft::check_inherited(const std::function<status(const blob_reference&)>& check) const {
  for (const stored_operator& owner : manifest_.operators)
    for (const stored_key_group& group : owner.key_groups)
      for (const blob_reference& blob : group.blobs)
        if (blob.key.checkpoint != manifest_.checkpoint.id)
          if (status done = check(blob); !done)
            return in_context(inherited_name(owner, group, blob), std::move(done.failure()));
  return {};
}

status store_draft::copy_inherited(const std::set<checkpoint_id>& from, const blob_function& read,
                                   const put_blob& put) {
  for (stored_operator& owner : manifest_.operators)
    for (stored_key_group& group : owner.key_groups)
      for (blob_reference& blob : group.blobs) {
        if (!from.contains(blob.key.checkpoint))
          continue;
        auto content = read(blob);
        if (!content)
          return in_context(inherited_name(owner, group, blob), std::move(content.failure()));
        blob.key.checkpoint = manifest_.checkpoint.id;
        if (status done = put(blob.key.encoded(), {blob.bytes, blob.checksum}, *content); !done)
          return done;
        manifest_.checkpoint.new_bytes += blob.bytes;
      }
  return {};
}

std::vector<std::shared_ptr<const operator_snapshot>> shared(std::vector<operator_snapshot> operators) {
  std::vector<std::shared_ptr<const operator_snapshot>> all;
  for (operator_snapshot& one : operators)
    all.push_back(std::make_shared<const operator_snapshot>(std::move(one)));
  return all;
}

} // namespace weir::detail
