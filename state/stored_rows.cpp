#include <weir/state/stored_rows.hpp>

#include <algorithm>

#include <weir/base/json_text.hpp>
#include <weir/base/units.hpp>

namespace weir {

namespace {

using form = schema_type::form;

constexpr std::string_view window_kind = "windows of "; // and their size, slide and offset

/// Gives fields that are Weir's own the names that they have in the code.
void name_fields(schema_type& type, std::initializer_list<const char*> names) {
  if (type.what != form::fields || type.parts.size() != names.size())
    return;
  std::size_t i = 0;
  for (const char* name : names)
    type.notes[i++].name = name;
}

void name_window_key(schema_type& key) {
  name_fields(key, {"key", "start"});
  if (key.what == form::fields && key.parts.size() == 2 && key.parts[1].what == form::integer &&
      key.parts[1].size == 8) {
    key.parts[1].what = form::time;
    key.parts[1].den = 1000;
  }
}

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

error at_state(const state_schema& schema, error cause) {
  return in_context("the state " + in_quotes(schema.name) + " of type " + schema.type, std::move(cause));
}

} // namespace

result<stored_column> stored_column::make(const state_schema& schema) {
  auto whole = value_schema::parse(schema.type);
  if (!whole)
    return in_context("the state " + in_quotes(schema.name), std::move(whole.failure()));
  const auto is_of = [&](form what) { return whole->type().what == what; };
  if (is_any_of(schema.kind, {"value", "reducing", "aggregating", "folding"}))
    return stored_column(schema, shape::flagged, *whole, std::nullopt);
  if (is_any_of(schema.kind, {"reduce", "aggregate", "count"}))
    return stored_column(schema, shape::alone, *whole, std::nullopt);
  if (schema.kind.starts_with(window_kind)) {
    name_fields(whole->type(), {"content", "has_content", "panes"});
    return stored_column(schema, shape::flagged, *whole, std::nullopt);
  }
  if (schema.kind == "list" && is_of(form::list))
    return stored_column(schema, shape::list, whole->part(0), std::nullopt);
  if (schema.kind == "map" && is_of(form::map))
    return stored_column(schema, shape::map, whole->part(1), whole->part(0));
  if (schema.kind == "timers")
    return stored_column(schema, shape::timers, *whole, std::nullopt);
  return error{errc::wrong_version, "the state " + in_quotes(schema.name) + " is of kind " + in_quotes(schema.kind) +
                                        " and type " + in_quotes(schema.type) +
                                        ", which this version cannot interpret"};
}

std::size_t stored_column::readings() const noexcept {
  return value_.readings() * (shape_ == shape::alone ? 2 : 1);
}

std::int64_t stored_column::read_stamp(byte_reader& in) const {
  return schema_.expires ? in.read_raw<std::int64_t>() : 0;
}

void stored_column::apply(byte_reader& in, stored_cell& to, std::size_t reading) const {
  switch (shape_) {
  case shape::flagged:
  case shape::alone: apply_value(in, to, reading); break;
  case shape::list: apply_list(in, to, reading); break;
  case shape::map: apply_map(in, to, reading); break;
  case shape::timers: apply_timers(in, to); break;
  }
}

namespace {

/// The bytes of the value that comes next.
std::string_view read_extent(byte_reader& in, const value_schema& type, std::size_t reading) {
  const std::string_view before = in.rest();
  type.read(in, nullptr, reading);
  return before.substr(0, before.size() - in.remaining());
}

} // namespace

void stored_column::apply_value(byte_reader& in, stored_cell& to, std::size_t reading) const {
  to.entries.clear();
  const bool has_flag = shape_ == shape::flagged || reading >= value_.readings();
  if (has_flag && !in.read_truth())
    return;
  stored_cell::entry& value = to.entries.emplace_back();
  value.refreshed = read_stamp(in);
  value.value = read_extent(in, value_, reading % value_.readings());
}

void stored_column::apply_list(byte_reader& in, stored_cell& to, std::size_t reading) const {
  const auto begin = in.read_raw<std::uint64_t>();
  const auto from = in.read_raw<std::uint64_t>();
  auto& items = to.entries;
  const std::uint64_t gone = std::min<std::uint64_t>(begin > to.first ? begin - to.first : 0, items.size());
  items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(gone));
  to.first += gone;
  if (items.empty())
    to.first = from;
  if (from > to.first + items.size())
    throw malformed_bytes("elements of a list from index " + std::to_string(from) +
                          " on, where the list before ends at " + std::to_string(to.first + items.size()));
  items.resize(from > to.first ? from - to.first : 0);
  if (items.empty())
    to.first = from;
  for (std::size_t left = in.read_size(); left != 0; --left) {
    stored_cell::entry& item = items.emplace_back();
    item.refreshed = read_stamp(in);
    item.value = read_extent(in, value_, reading);
  }
}

void stored_column::apply_map(byte_reader& in, stored_cell& to, std::size_t reading) const {
  auto& entries = to.entries;
  if (in.read_truth())
    entries.clear();
  if (entries.empty() || !to.index)
    to.index = std::make_unique<stored_cell::entry_index>();
  stored_cell::entry_index& index = *to.index;
  const auto read_key = [&] {
    std::string key;
    key_->read(in, &key, reading);
    return key;
  };
  for (std::size_t left = in.read_size(); left != 0; --left) {
    const auto found = index.find(read_key());
    if (found == index.end())
      continue;
    const std::size_t at = found->second;
    index.erase(found);
    if (at + 1 != entries.size()) {
      entries[at] = std::move(entries.back());
      index[entries[at].key] = at;
    }
    entries.pop_back();
  }
  for (std::size_t left = in.read_size(); left != 0; --left) {
    const std::int64_t refreshed = read_stamp(in);
    std::string key = read_key();
    const auto [found, is_new] = index.try_emplace(key, entries.size());
    if (is_new)
      entries.push_back({std::move(key), {}, 0});
    entries[found->second].refreshed = refreshed;
    entries[found->second].value = read_extent(in, value_, reading);
  }
}

void stored_column::apply_timers(byte_reader& in, stored_cell& to) {
  to.entries.clear();
  for (std::size_t left = in.read_size(); left != 0; --left) {
    constexpr std::size_t size = 9; // i64 time, u8 domain
    stored_cell::entry& timer = to.entries.emplace_back();
    timer.value = in.read_view(size);
    byte_reader(timer.value.substr(8)).read_truth();
  }
}

namespace {

std::string timer_text(std::string_view data) {
  byte_reader in(data);
  std::string text = "{\"time\":";
  append_json_string(text, time_text(in.read_raw<std::int64_t>()));
  return text + (in.read_truth() ? ",\"domain\":\"processing\"}" : ",\"domain\":\"event\"}");
}

std::string stamp_text(const stored_cell::entry& entry) {
  std::string text;
  append_json_string(text, time_text(entry.refreshed));
  return text;
}

/// The entries of a cell, put together as its kind says.
template <class Text>
std::string cell_text(const stored_cell& cell, bool is_single, bool is_map, Text&& text_of) {
  if (is_single)
    return cell.is_empty() ? "null" : text_of(cell.entries[0]);
  std::string text;
  if (is_map) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const stored_cell::entry& one : cell.entries)
      entries.emplace_back(one.key, text_of(one));
    std::ranges::sort(entries);
    append_json_map(text, entries);
    return text;
  }
  for (const stored_cell::entry& one : cell.entries)
    text.append(text.empty() ? "[" : ",").append(text_of(one));
  return text.empty() ? "[]" : text + "]";
}

} // namespace

std::string stored_column::value_text(const stored_cell& cell, std::size_t reading) const {
  const bool is_single = shape_ == shape::flagged || shape_ == shape::alone;
  return cell_text(cell, is_single, shape_ == shape::map, [&](const stored_cell::entry& one) {
    if (shape_ == shape::timers)
      return timer_text(one.value);
    std::string text;
    byte_reader in(one.value);
    value_.read(in, &text, reading % value_.readings());
    return text;
  });
}

std::optional<std::string> stored_column::refreshed_text(const stored_cell& cell) const {
  if (!schema_.expires)
    return std::nullopt;
  const bool is_single = shape_ == shape::flagged || shape_ == shape::alone;
  return cell_text(cell, is_single, shape_ == shape::map, stamp_text);
}

result<stored_layout> stored_layout::make(const std::string& key_type, const std::vector<state_schema>& states,
                                          std::string_view only) {
  auto key = value_schema::parse(key_type);
  if (!key)
    return in_context("the key", std::move(key.failure()));
  stored_layout layout{std::move(*key), {}};
  for (const state_schema& state : states) {
    std::optional<stored_column>& column = layout.columns.emplace_back();
    if (state.kind.starts_with(window_kind))
      name_window_key(layout.key.type());
    if (!only.empty() && state.name != only)
      continue;
    auto made = stored_column::make(state);
    if (!made)
      return std::move(made.failure());
    column = std::move(*made);
  }
  return layout;
}

result<stored_rows> stored_rows::read(const stored_layout& layout, bytes data) {
  stored_rows rows(layout, std::move(data));
  try {
    rows.read_sections();
  } catch (const malformed_bytes& problem) {
    return error{errc::corrupt, std::string("its keys do not decode by their schema: ") + problem.what()};
  }
  for (std::size_t i = 0; i < rows.columns_.size(); ++i)
    if (layout.columns[i]) {
      try {
        rows.read_column(i);
      } catch (const malformed_bytes& problem) {
        return at_state(layout.columns[i]->schema(),
                        {errc::corrupt, std::string("it does not decode by its schema: ") + problem.what()});
      }
    }
  return rows;
}

void stored_rows::read_sections() {
  byte_reader in(*data_);
  while (!in.at_end()) {
    const std::size_t count = in.read_size();
    const std::size_t rows_at = order_.size();
    for (std::size_t i = 0; i < count; ++i) {
      std::string key;
      layout_->key.read(in, &key);
      const auto [found, is_new] = index_.try_emplace(key, keys_.size());
      if (is_new)
        keys_.push_back(std::move(key));
      order_.push_back(found->second);
    }
    for (column_rows& column : columns_)
      column.blocks.push_back({in.read_text(), rows_at, count});
  }
}

void stored_rows::read_column(std::size_t which) {
  const stored_column& how = *layout_->columns[which];
  column_rows& column = columns_[which];
  std::optional<malformed_bytes> first_problem;
  for (column.reading = 0; column.reading < how.readings(); ++column.reading) {
    try {
      apply_blocks(how, column);
      return;
    } catch (const malformed_bytes& problem) {
      if (!first_problem)
        first_problem = problem;
    }
  }
  throw *first_problem;
}

void stored_rows::apply_blocks(const stored_column& how, column_rows& column) {
  column.cells.clear();
  column.cells.resize(keys_.size());
  for (const block& one : column.blocks) {
    byte_reader in(one.data);
    for (std::size_t i = 0; i < one.rows; ++i)
      how.apply(in, column.cells[order_[one.rows_at + i]], column.reading);
    if (!in.at_end())
      throw malformed_bytes(std::to_string(in.remaining()) + " bytes are left over after its values");
  }
}

std::optional<std::size_t> stored_rows::find(const std::string& key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? std::nullopt : std::optional(found->second);
}

std::string stored_rows::value_text(std::size_t row, std::size_t column) const {
  return layout_->columns[column]->value_text(columns_[column].cells[row], columns_[column].reading);
}

std::optional<std::string> stored_rows::refreshed_text(std::size_t row, std::size_t column) const {
  return layout_->columns[column]->refreshed_text(columns_[column].cells[row]);
}

} // namespace weir
