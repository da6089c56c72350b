#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/temporary_directory.hpp"

#include <weir/state/keyed_state.hpp>
#include <weir/state/state_registry.hpp>

namespace weir::testing {

constexpr std::uint32_t groups = 8;

inline keyed_state_setup on_disk(const temporary_directory& directory, std::uint64_t cache) {
  keyed_state_setup setup{{0, groups}, groups, {}, false, true};
  setup.config.backend = state_backend::lmdb;
  setup.config.directory = directory.path();
  setup.config.cache_size = cache;
  setup.config.map_size = std::uint64_t{1} << 28;
  return setup;
}

inline keyed_state_setup in_memory() {
  return {{0, groups}, groups, {}, false, true};
}

/// What a store makes of snapshots: the data of each group, with the deltas that it needs.
class stored_groups {
 public:
  void add(checkpoint_id checkpoint, const operator_snapshot& made) {
    operator_snapshot& stored = all_[checkpoint] = made;
    bytes_written_ = 0;
    for (key_group_snapshot& group : stored.key_groups) {
      if (group.source) {
        auto read = group.source->read(group.group);
        REQUIRE(read);
        group = std::move(*read);
      }
      bytes_written_ += group.data.size();
      deltas_ += group.is_delta;
      if (!group.is_delta) {
        group.chain = {group.data.size(), 0, 0};
        continue;
      }
      REQUIRE(made.base != checkpoint_id{});
      if (const key_group_snapshot* base = find(made.base, group.group)) {
        group.chain = base->chain;
        group.chain.delta_bytes += group.data.size();
        group.chain.deltas += !group.data.empty();
        group.data.insert(0, base->data);
      }
      group.is_delta = false;
    }
  }

  restored_state restored(checkpoint_id from) const {
    auto stored = std::make_shared<const operator_snapshot>(all_.at(from));
    restored_state restored;
    restored.from = from;
    restored_groups part{stored, {}};
    for (const key_group_snapshot& group : stored->key_groups)
      part.groups.push_back(&group);
    restored.keyed.push_back(std::move(part));
    return restored;
  }

  std::uint64_t bytes_written() const { return bytes_written_; } ///< for the last one
  std::uint64_t deltas() const { return deltas_; }

  const key_group_snapshot* find(checkpoint_id checkpoint, key_group group) const {
    for (const key_group_snapshot& one : all_.at(checkpoint).key_groups)
      if (one.group == group)
        return &one;
    return nullptr;
  }

 private:
  std::map<checkpoint_id, operator_snapshot> all_;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t deltas_ = 0;
};

inline restored_state restored_from(const operator_snapshot& made) {
  stored_groups store;
  store.add(checkpoint_id{1}, made);
  return store.restored(checkpoint_id{1});
}

/// A keyed state with a value, a list and a map, used as an operator uses it.
class sample_state {
 public:
  explicit sample_state(const keyed_state_setup& setup, const time_to_live& life = {})
      : registry_(cursor_, instance_), value_(registry_.value<std::string>("value", life)),
        list_(registry_.list<std::uint64_t>("list", life)),
        map_(registry_.map<std::string, std::uint64_t>("map", life)), state_(setup, registry_.finish()) {}

  keyed_state<std::uint64_t, dynamic_rows>& state() { return state_; }

  template <class Use>
  void with_key(std::uint64_t key, Use&& use, std::int64_t now = 0) {
    const std::uint64_t hash = hash_of(key);
    cursor_.at = state_.time_of_changes(now);
    const auto [row, created] = state_.find_or_create(hash, key);
    cursor_.row = row;
    cursor_.changed = cursor_.removed = false;
    cursor_.to_clean = 0;
    cursor_.entries = state_.entries_of(hash, key);
    use(value_, list_, map_);
    if (cursor_.changed)
      state_.set_changed(hash, row);
    if ((created || cursor_.removed) && state_.table().rows().is_empty(row))
      state_.erase(hash, key, created);
    state_.note_entries(std::exchange(cursor_.entry_bytes, 0));
    if (cursor_.to_clean != 0)
      state_.clean(cursor_.to_clean, cursor_.at);
  }

  operator_snapshot snapshot(const snapshot_order& order) {
    operator_snapshot made;
    state_.begin_write(made, order, 0);
    while (!state_.write_some(made))
      ;
    return made;
  }

 private:
  row_cursor cursor_;
  operator_states instance_;
  state_registry registry_;
  value_state<std::string> value_;
  list_state<std::uint64_t> list_;
  map_state<std::string, std::uint64_t> map_;
  keyed_state<std::uint64_t, dynamic_rows> state_;
};

} // namespace weir::testing
