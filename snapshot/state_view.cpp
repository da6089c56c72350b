#include <weir/snapshot/state_view.hpp>

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include <weir/base/hash.hpp>
#include <weir/base/json_text.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/store_reader.hpp>

namespace weir {

using namespace detail;

namespace {

using form = schema_type::form;
using shape = state_description::shape;

const char* const raw_type = "raw"; // of items that only the operator understands

bool is_pair(const std::string& type) {
  const auto parsed = parse_schema(type);
  if (!parsed || parsed->root.what != form::fields || parsed->root.is_struct || parsed->root.version)
    return false;
  return parsed->root.parts.size() == 2 &&
         std::ranges::all_of(parsed->root.notes, [](const auto& note) { return note.name.empty(); });
}

std::uint64_t bytes_of(const stored_key_group& group) {
  std::uint64_t bytes = 0;
  for (const blob_reference& blob : group.blobs)
    bytes += blob.bytes;
  return bytes;
}

state_description& find_or_add(std::vector<state_description>& states, const std::string& uid,
                               const std::string& name) {
  const auto found = std::ranges::find_if(
      states, [&](const state_description& one) { return one.uid == uid && one.name == name; });
  if (found != states.end())
    return *found;
  state_description& made = states.emplace_back();
  made.uid = uid;
  made.name = name;
  return made;
}

void add_lists(std::vector<state_description>& states, const stored_operator& owner) {
  for (const stored_list& list : owner.lists) {
    state_description& state = find_or_add(states, owner.uid, list.name);
    const bool is_new = state.kind.empty();
    const bool is_union = list.mode == redistribution::full_union;
    state.kind = is_union ? "full union" : "even split";
    state.type = list.type;
    if (is_new)
      state.what = is_union && !list.name.starts_with("weir.") && is_pair(list.type) ? shape::broadcast : shape::list;
    if (owner.instance != 0 && list.items != 0)
      state.what = shape::list;
    state.entries += list.items;
    state.bytes += list.blob.bytes;
  }
}

/// The key of a broadcast state's entries is a part of their type.
void divide_broadcast(state_description& state) {
  const std::string whole = state.type;
  int depth = 0;
  for (std::size_t i = 1; i + 1 < whole.size(); ++i) {
    depth += std::string_view("<{(").find(whole[i]) != std::string_view::npos;
    depth -= std::string_view(">})").find(whole[i]) != std::string_view::npos;
    if (depth == 0 && whole.compare(i, 2, ", ") == 0) {
      state.key_type = whole.substr(1, i - 1);
      state.type = whole.substr(i + 2, whole.size() - i - 3);
      return;
    }
  }
}

} // namespace

std::string to_string(shape what) {
  return what == shape::keyed ? "keyed" : what == shape::list ? "list" : "broadcast";
}

std::vector<state_description> states_of(const manifest& checkpoint) {
  std::vector<state_description> states;
  for (const stored_operator& owner : checkpoint.operators) {
    for (const state_schema& schema : owner.keyed_states) {
      state_description& state = find_or_add(states, owner.uid, schema.name);
      state.kind = schema.kind;
      state.key_type = owner.key_type;
      state.type = schema.type;
      state.expires = schema.expires;
      for (const stored_key_group& group : owner.key_groups) {
        state.entries += group.entries;
        state.bytes += bytes_of(group);
      }
    }
    add_lists(states, owner);
  }
  for (state_description& state : states)
    if (state.what == shape::broadcast)
      divide_broadcast(state);
  return states;
}

result<state_view> state_view::open(checkpoint_reader& reader, const manifest& checkpoint,
                                    const state_description& what) {
  state_view view(reader, checkpoint, what);
  for (const stored_operator& owner : checkpoint.operators) {
    if (owner.uid != what.uid)
      continue;
    for (const stored_list& list : owner.lists)
      if (what.what != shape::keyed && list.name == what.name)
        view.lists_.emplace_back(&owner, &list);
    if (what.what != shape::keyed || owner.keyed_states.empty())
      continue;
    for (const stored_key_group& group : owner.key_groups)
      view.groups_[group.group.value] = {&owner, &group};
    if (view.layout_)
      continue;
    auto layout = stored_layout::make(owner.key_type, owner.keyed_states, what.name);
    if (!layout)
      return in_context("operator " + in_quotes(what.uid), std::move(layout.failure()));
    view.layout_ = std::move(*layout);
    view.column_ = static_cast<std::size_t>(
        std::ranges::find(owner.keyed_states, what.name, &state_schema::name) - owner.keyed_states.begin());
  }
  if (!view.lists_.empty() && view.lists_[0].second->type != raw_type) {
    auto item = value_schema::parse(view.lists_[0].second->type);
    if (!item)
      return in_context("list state " + in_quotes(what.name) + " of operator " + in_quotes(what.uid),
                        std::move(item.failure()));
    if (item->type().what != form::unknown)
      view.item_ = std::move(*item);
  }
  return view;
}

std::vector<std::uint32_t> state_view::parts() const {
  if (what_.what != shape::keyed)
    return {0};
  std::vector<std::uint32_t> numbers;
  for (const auto& [number, group] : groups_)
    numbers.push_back(number);
  return numbers;
}

std::vector<blob_reference> state_view::blobs_of(std::uint32_t part) const {
  std::vector<blob_reference> blobs;
  if (what_.what != shape::keyed)
    for (const auto& [owner, list] : lists_)
      blobs.push_back(list->blob);
  else if (const auto group = groups_.find(part); group != groups_.end())
    blobs = group->second.second->blobs;
  return blobs;
}

result<std::vector<state_entry>> state_view::read(std::uint32_t part) {
  return what_.what == shape::keyed ? read_group(part) : read_lists();
}

result<std::vector<state_entry>> state_view::read_group(std::uint32_t number) {
  std::vector<state_entry> entries;
  const auto found = groups_.find(number);
  if (found == groups_.end())
    return entries;
  const auto& [owner, group] = found->second;
  auto data = reader_->read_blobs(checkpoint_->checkpoint.id, group->blobs);
  if (!data)
    return in_context(name_of(*owner, *group), std::move(data.failure()));
  const auto rows = stored_rows::read(*layout_, std::move(*data));
  if (!rows)
    return in_context(name_of(*owner, *group), rows.failure());
  for (std::size_t row = 0; row < rows->size(); ++row)
    if (rows->has_value(row, column_))
      entries.push_back({rows->key(row), rows->value_text(row, column_), rows->refreshed_text(row, column_)});
  return entries;
}

result<std::vector<state_entry>> state_view::read_lists() {
  std::vector<state_entry> entries;
  for (const auto& [owner, list] : lists_) {
    const auto data = reader_->read_blobs(checkpoint_->checkpoint.id, {list->blob});
    const auto items = data ? decode_list(*data, list->items) : data.failure();
    auto read = items ? entries_of(*items) : items.failure();
    if (!read)
      return in_context(name_of(*owner, *list), std::move(read.failure()));
    std::ranges::move(*read, std::back_inserter(entries));
  }
  return entries;
}

result<std::vector<state_entry>> state_view::entries_of(const std::vector<bytes>& items) const {
  std::optional<error> problem;
  const std::size_t readings = item_ ? item_->readings() : 1;
  const bool may_have_keys = what_.what == shape::broadcast; // a list of pairs looks the same
  for (std::size_t i = 0; i < readings * (may_have_keys ? 2 : 1); ++i) {
    const std::size_t reading = i % readings;
    const bool has_keys = may_have_keys && i < readings;
    std::vector<state_entry> entries;
    try {
      for (const bytes& item : items) {
        state_entry& entry = entries.emplace_back();
        byte_reader in(item);
        if (has_keys) {
          item_->part(0).read(in, &entry.key, reading);
          item_->part(1).read(in, &entry.value, reading);
        } else if (item_) {
          item_->read(in, &entry.value, reading);
        } else {
          append_json_hex(entry.value, in.read_view(item.size()));
        }
        if (!in.at_end())
          throw malformed_bytes(std::to_string(in.remaining()) + " bytes are left over after it");
      }
      return entries;
    } catch (const malformed_bytes& failure) {
      if (!problem)
        problem = error{errc::corrupt, std::string("an item does not decode by its schema: ") + failure.what()};
    }
  }
  return *problem;
}

namespace {

/// A key that a person asked for, compared with keys as they are stored.
class wanted_key {
 public:
  wanted_key(const std::string& text, const schema_type& type) : text_(text), type_(&type) {
    if (type.what == form::string) {
      append_json_string(json_, text);
    } else {
      value_ = nlohmann::json::parse(text, nullptr, false);
      if (value_.is_discarded())
        value_ = text; // a time or a duration without quotes
      json_ = value_.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
  }

  bool is(const std::string& stored) const {
    if (stored == json_)
      return true;
    // Blanks, the order of fields and how a number is written do not matter.
    return type_->what != form::string && !is_number() &&
           nlohmann::json::parse(stored, nullptr, false) == value_;
  }

  /// The key group, where Weir itself hashes the key.
  std::optional<std::uint32_t> group(std::uint32_t groups) const {
    if (type_->what == form::string)
      return key_group_of(hash_of(text_), groups).value;
    if (is_number() && type_->size <= 8 && value_.is_number_unsigned())
      return key_group_of(hash_of(value_.get<std::uint64_t>()), groups).value;
    if (is_number() && type_->size <= 8 && value_.is_number_integer())
      return key_group_of(hash_of(value_.get<std::int64_t>()), groups).value;
    return std::nullopt;
  }

 private:
  bool is_number() const { return type_->what == form::integer || type_->what == form::natural; }

  const std::string& text_;
  const schema_type* type_;
  nlohmann::json value_;
  std::string json_;
};

} // namespace

result<std::optional<state_entry>> state_view::find(const std::string& key) {
  const value_schema type = layout_ ? layout_->key : item_->part(0);
  const wanted_key wanted(key, type.type());
  std::vector<std::uint32_t> where = parts();
  if (what_.what == shape::keyed)
    if (const auto group = wanted.group(checkpoint_->checkpoint.key_groups))
      where = {*group};
  for (const std::uint32_t part : where) {
    auto entries = read(part);
    if (!entries)
      return std::move(entries.failure());
    for (state_entry& entry : *entries)
      if (wanted.is(entry.key))
        return std::optional(std::move(entry));
  }
  return std::optional<state_entry>{};
}

namespace {

void verify_groups(checkpoint_reader& reader, checkpoint_id id, const stored_operator& owner,
                   const std::function<void(const error&)>& problem) {
  if (owner.key_groups.empty())
    return;
  const auto layout = stored_layout::make(owner.key_type, owner.keyed_states);
  if (!layout)
    problem(in_context("operator " + in_quotes(owner.uid), layout.failure()));
  for (const stored_key_group& group : owner.key_groups) {
    auto data = reader.read_blobs(id, group.blobs);
    if (!data)
      problem(in_context(name_of(owner, group), data.failure()));
    else if (layout)
      if (const auto rows = stored_rows::read(*layout, std::move(*data)); !rows)
        problem(in_context(name_of(owner, group), rows.failure()));
  }
}

/// Reads a batch of records of a type that is known by its schema alone.
void read_batch(byte_reader& in, const value_schema& type, std::size_t reading) {
  const auto records = in.read_raw<std::uint32_t>();
  const auto columns = in.read_raw<std::uint8_t>();
  if (columns > 3)
    throw malformed_bytes("a batch with columns " + std::to_string(columns));
  in.read_view(std::size_t{records} * 8 * ((columns & 1) + (columns >> 1)));
  for (std::uint32_t i = 0; i < records; ++i)
    type.read(in, nullptr, reading);
}

/// Reads what was under way on a channel.
void read_items(std::string_view data, const value_schema& type, std::size_t reading) {
  for (byte_reader in(data); !in.at_end();) {
    const auto kind = in.read_raw<std::uint8_t>();
    switch (kind) {
    case 0: read_batch(in, type, reading); break;
    case 1: in.read_view(8); break;
    case 2: break;
    case 3: in.read_view(9); break;
    default: throw malformed_bytes("an item of kind " + std::to_string(kind));
    }
  }
}

status verify_channel(std::string_view content) {
  channel_snapshot channel;
  if (const status decoded = decode_channel(content, channel); !decoded)
    return decoded;
  const auto type = value_schema::parse(channel.type);
  if (!type)
    return type.failure();
  std::string problem;
  for (std::size_t reading = 0; reading < type->readings(); ++reading)
    try {
      read_items(channel.data, *type, reading);
      return {};
    } catch (const malformed_bytes& failure) {
      if (problem.empty())
        problem = failure.what();
    }
  return error{errc::corrupt, "what was under way does not decode by its schema: " + problem};
}

void verify_channels(checkpoint_reader& reader, checkpoint_id id, const stored_operator& owner,
                     const std::function<void(const error&)>& problem) {
  for (const stored_channel& channel : owner.channels) {
    const auto data = reader.read_blobs(id, {channel.blob});
    if (const status read = data ? verify_channel(*data) : status{data.failure()}; !read)
      problem(in_context(name_of(owner, channel), read.failure()));
  }
}

} // namespace

result<completed_checkpoint> verify_checkpoint(checkpoint_reader& reader, checkpoint_id id,
                                               const std::function<void(const error&)>& problem) {
  const auto description = reader.read_manifest(id);
  if (!description)
    return description.failure();
  for (const stored_operator& owner : description->operators)
    verify_groups(reader, id, owner, problem);
  for (const stored_operator& owner : description->operators)
    verify_channels(reader, id, owner, problem);
  for (const state_description& state : states_of(*description)) {
    if (state.what == shape::keyed)
      continue;
    auto view = state_view::open(reader, *description, state);
    const auto read = view ? view->read(0) : view.failure();
    if (!read)
      problem(read.failure());
  }
  return description->checkpoint;
}

} // namespace weir
