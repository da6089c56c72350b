#include <algorithm>
#include <map>
#include <set>

#include <weir/base/units.hpp>

#include "opened_checkpoint.hpp"

namespace weir {

using namespace detail;

namespace {

/// The state that OPERATOR and STATE name, ready to be read.
result<state_view> open_state(const opened_checkpoint& opened, const std::string& uid, const std::string& name) {
  const auto states = choose_states(opened.content, uid, name);
  if (!states)
    return states.failure();
  return state_view::open(*opened.reader, opened.content, states->front());
}

json_object object_of(const state_entry& entry) {
  json_object object;
  if (!entry.key.empty())
    object.add_json("key", entry.key);
  object.add_json("value", entry.value);
  if (entry.refreshed)
    object.add_json("refreshed", *entry.refreshed);
  return object;
}

} // namespace

result<outcome> list_states(const verb_words& words, output& out) {
  const auto opened = opened_checkpoint::open(words.arguments[0], words.at);
  if (!opened)
    return opened.failure();
  text_table table({"OPERATOR", "STATE", "SHAPE", "KIND", "ENTRIES", "SIZE", "SCHEMA"});
  std::vector<std::string> objects;
  for (const state_description& one : states_of(opened->content)) {
    table.add({one.uid, one.name, to_string(one.what), one.kind + (one.expires ? ", ttl" : ""),
               std::to_string(one.entries), rounded_size(one.bytes),
               (one.key_type.empty() ? "" : one.key_type + " -> ") + one.type});
    objects.push_back(json_object()
                          .add("operator", one.uid)
                          .add("state", one.name)
                          .add("shape", to_string(one.what))
                          .add("kind", one.kind)
                          .add_json("time_to_live", one.expires ? "true" : "false")
                          .add("entries", one.entries)
                          .add("bytes", one.bytes)
                          .add("key_type", one.key_type)
                          .add("type", one.type)
                          .text());
  }
  out.write(words.as_json ? json_array(objects) + "\n" : table.text());
  return outcome::good;
}

result<outcome> get_state(const verb_words& words, output& out) {
  const auto opened = opened_checkpoint::open(words.arguments[0], words.at);
  if (!opened)
    return opened.failure();
  auto view = open_state(*opened, words.arguments[1], words.arguments[2]);
  if (!view)
    return view.failure();
  const bool is_list = view->description().what == state_description::shape::list;
  if (is_list != (words.arguments.size() == 3))
    return error{errc::invalid_setting, is_list ? "a list state has no keys: leave KEY out"
                                                : "expected a KEY: `weir state scan` prints those that there are"};
  if (is_list) {
    const auto items = view->read(0);
    if (!items)
      return items.failure();
    std::vector<std::string> values;
    for (const state_entry& item : *items)
      values.push_back(item.value);
    out.write(json_array(values) + "\n");
    return outcome::good;
  }
  const std::string& key = words.arguments[3];
  const auto entry = view->find(key);
  if (!entry)
    return entry.failure();
  if (!*entry)
    return error{errc::invalid_input, "the state " + in_quotes(words.arguments[2]) + " holds nothing for the key " +
                                          in_quotes(key) + " of type " + view->description().key_type +
                                          " in checkpoint " + to_string(opened->content.checkpoint.id)};
  out.write((*entry)->value + "\n");
  return outcome::good;
}

result<outcome> scan_state(const verb_words& words, output& out) {
  const auto opened = opened_checkpoint::open(words.arguments[0], words.at);
  if (!opened)
    return opened.failure();
  auto view = open_state(*opened, words.arguments[1], words.arguments[2]);
  if (!view)
    return view.failure();
  const state_description& what = view->description();
  const bool is_csv = words.format == "csv";
  const bool has_keys = what.what != state_description::shape::list;
  if (is_csv)
    out.write(std::string(has_keys ? "key," : "") + "value" + (what.expires ? ",refreshed" : "") + "\r\n");
  for (const std::uint32_t part : view->parts()) {
    const auto entries = view->read(part);
    if (!entries)
      return entries.failure();
    for (const state_entry& entry : *entries) {
      if (is_csv)
        out.write((has_keys ? csv_field(entry.key) + "," : "") + csv_field(entry.value) +
                  (entry.refreshed ? "," + csv_field(*entry.refreshed) : "") + "\r\n");
      else
        out.write(object_of(entry).text() + "\n");
      if (!out.is_wanted())
        return outcome::good;
    }
  }
  return outcome::good;
}

namespace {

/// Prints what is different between two states of one name.
class difference {
 public:
  difference(const state_description& what, bool as_json, output& out) : what_(what), as_json_(as_json), out_(out) {}

  void added(const state_entry& entry) { print('+', "added", entry.key, nullptr, &entry.value); }
  void removed(const state_entry& entry) { print('-', "removed", entry.key, &entry.value, nullptr); }
  void changed(const state_entry& before, const state_entry& after) {
    print('~', "changed", after.key, &before.value, &after.value);
  }

 private:
  void print(char sign, const char* change, const std::string& key, const std::string* before,
             const std::string* after) {
    if (as_json_) {
      json_object object;
      object.add("operator", what_.uid).add("state", what_.name).add("change", change);
      if (!key.empty())
        object.add_json("key", key);
      if (before)
        object.add_json(after ? "old" : "value", *before);
      if (after)
        object.add_json(before ? "new" : "value", *after);
      out_.write(object.text() + "\n");
      return;
    }
    out_.write(sign + (" " + what_.uid) + " / " + what_.name + ": " + (key.empty() ? "" : key + " ") +
               (before ? *before : "") + (before && after ? " -> " : "") + (after ? *after : "") + "\n");
  }

  const state_description& what_;
  bool as_json_;
  output& out_;
};

void compare_keyed(const std::vector<state_entry>& before, const std::vector<state_entry>& after, difference& found) {
  std::map<std::string_view, const state_entry*> old;
  for (const state_entry& entry : before)
    old.emplace(entry.key, &entry);
  for (const state_entry& entry : after) {
    const auto known = old.find(entry.key);
    if (known == old.end()) {
      found.added(entry);
      continue;
    }
    if (known->second->value != entry.value)
      found.changed(*known->second, entry);
    old.erase(known);
  }
  for (const auto& [key, entry] : old)
    found.removed(*entry);
}

/// Items have no keys: what is in one list more often than in the other.
void compare_lists(const std::vector<state_entry>& before, const std::vector<state_entry>& after, difference& found) {
  std::multiset<std::string_view> old;
  for (const state_entry& entry : before)
    old.insert(entry.value);
  for (const state_entry& entry : after)
    if (const auto known = old.find(entry.value); known != old.end())
      old.erase(known);
    else
      found.added(entry);
  for (const std::string_view value : old)
    found.removed({"", std::string(value), {}});
}

bool is_same(const std::vector<blob_reference>& a, const std::vector<blob_reference>& b) {
  return std::ranges::equal(a, b, [](const blob_reference& x, const blob_reference& y) {
    return x.bytes == y.bytes && x.checksum == y.checksum;
  });
}

const state_description* find_state(const std::vector<state_description>& states, const state_description& like) {
  const auto found = std::ranges::find_if(
      states, [&](const state_description& one) { return one.uid == like.uid && one.name == like.name; });
  return found == states.end() ? nullptr : &*found;
}

/// Compares one state, of which either side may be missing.
status compare_state(const opened_checkpoint& before, const state_description* old, const opened_checkpoint& after,
                     const state_description* now, bool as_json, output& out) {
  std::optional<state_view> old_view, new_view;
  for (const auto& [from, what, view] : {std::tuple{&before, old, &old_view}, {&after, now, &new_view}}) {
    if (!what)
      continue;
    auto opened = state_view::open(*from->reader, from->content, *what);
    if (!opened)
      return opened.failure();
    view->emplace(std::move(*opened));
  }
  std::set<std::uint32_t> parts;
  for (const auto* view : {&old_view, &new_view})
    if (*view)
      for (const std::uint32_t part : (*view)->parts())
        parts.insert(part);
  const state_description& what = now ? *now : *old;
  const bool has_same_type = old && now && old->type == now->type && old->key_type == now->key_type;
  difference found(what, as_json, out);
  for (const std::uint32_t part : parts) {
    if (has_same_type && is_same(old_view->blobs_of(part), new_view->blobs_of(part)))
      continue;
    const auto entries = [&](std::optional<state_view>& view) {
      return view ? view->read(part) : result<std::vector<state_entry>>(std::vector<state_entry>{});
    };
    const auto old_entries = entries(old_view);
    if (!old_entries)
      return old_entries.failure();
    const auto new_entries = entries(new_view);
    if (!new_entries)
      return new_entries.failure();
    if (what.what == state_description::shape::list)
      compare_lists(*old_entries, *new_entries, found);
    else
      compare_keyed(*old_entries, *new_entries, found);
    if (!out.is_wanted())
      return {};
  }
  return {};
}

} // namespace

result<outcome> diff_states(const verb_words& words, output& out) {
  const auto old_id = parse_checkpoint_id(words.arguments[1]);
  const auto new_id = parse_checkpoint_id(words.arguments[2]);
  if (!old_id || !new_id)
    return old_id ? new_id.failure() : old_id.failure();
  const auto before = opened_checkpoint::open(words.arguments[0], *old_id);
  if (!before)
    return before.failure();
  auto content = before->reader->read_manifest(*new_id);
  if (!content)
    return content.failure();
  // One reader for both: LMDB opens a file once in a process.
  const opened_checkpoint after{before->reader, std::move(*content)};
  const auto uid = words.arguments.size() > 3 ? words.arguments[3] : std::string{};
  const auto name = words.arguments.size() > 4 ? words.arguments[4] : std::string{};
  auto old_states = choose_states(before->content, uid, name);
  auto new_states = choose_states(after.content, uid, name);
  if (!old_states && !new_states)
    return new_states.failure();
  const std::vector<state_description> none;
  const auto& olds = old_states ? *old_states : none;
  const auto& news = new_states ? *new_states : none;
  for (const state_description& one : news)
    if (const status done = compare_state(*before, find_state(olds, one), after, &one, words.as_json, out); !done)
      return done.failure();
  for (const state_description& one : olds)
    if (!find_state(news, one))
      if (const status done = compare_state(*before, &one, after, nullptr, words.as_json, out); !done)
        return done.failure();
  return outcome::good;
}

} // namespace weir
