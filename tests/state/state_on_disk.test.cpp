#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "state/sample_state.hpp"

using namespace weir;
using namespace weir::testing;

namespace {

/// Eight of them have the same hash.
struct one_of_eight {
  std::uint64_t n = 0;
  bool operator==(const one_of_eight&) const = default;
};

using counted = keyed_state<std::uint64_t, static_rows<std::uint64_t>>;

keyed_state_setup of_one_group(keyed_state_setup setup) {
  setup.groups = 1;
  setup.range = {0, 1};
  return setup;
}

void set(sample_state& state, std::uint64_t key, const std::string& text = "is there") {
  state.with_key(key, [&](auto& value, auto&, auto&) { value.update(text); });
}
void remove(sample_state& state, std::uint64_t key) {
  state.with_key(key, [](auto& value, auto& list, auto& map) {
    value.clear();
    list.clear();
    map.clear();
  });
}

void begin(sample_state& state, operator_snapshot& made, std::uint64_t checkpoint, std::uint64_t base) {
  state.state().begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{base}}, 0);
}
void finish(sample_state& state, operator_snapshot& made) {
  while (!state.state().write_some(made))
    ;
}
void take(sample_state& state, stored_groups& store, std::uint64_t checkpoint, std::uint64_t base) {
  store.add(checkpoint_id{checkpoint}, state.snapshot({checkpoint_id{checkpoint}, checkpoint_id{base}}));
}

std::map<std::uint64_t, std::string> values_of(const stored_groups& store, std::uint64_t checkpoint) {
  sample_state restored(in_memory());
  restored.state().restore(store.restored(checkpoint_id{checkpoint}));
  std::map<std::uint64_t, std::string> all;
  std::vector<std::uint64_t> keys;
  restored.state().for_each_row([&](std::uint64_t key, const std::byte*) { keys.push_back(key); });
  for (const std::uint64_t key : keys)
    restored.with_key(key, [&](auto& value, auto&, auto&) { all[key] = value.value_or(""); });
  return all;
}

std::uint64_t entries_of(const stored_groups& store, std::uint64_t checkpoint) {
  std::uint64_t all = 0;
  for (std::uint32_t group = 0; group < groups; ++group)
    if (const key_group_snapshot* found = store.find(checkpoint_id{checkpoint}, key_group{group}))
      all += found->entries;
  return all;
}

std::uint64_t& count_in(std::byte* row) { return *std::launder(reinterpret_cast<std::uint64_t*>(row)); }

} // namespace

template <>
struct std::hash<one_of_eight> {
  std::size_t operator()(const one_of_eight& key) const { return key.n / 8; }
};

TEST_CASE("a whole snapshot has nothing of keys that came and went in the cache, and the cache keeps none of them") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 1 << 24));
  for (std::uint64_t key = 0; key < 100; ++key)
    set(state, key);
  stored_groups store;
  std::uint64_t next = 100;
  for (std::uint64_t checkpoint = 1; checkpoint <= 5; ++checkpoint) {
    CAPTURE(checkpoint);
    for (std::uint64_t n = 0; n < 5000; ++n, ++next) {
      set(state, next);
      remove(state, next);
      if (n % 16 == 0)
        state.state().settle(0);
    }
    state.state().settle(0);
    CHECK(state.state().table().size() < 1200);
    take(state, store, checkpoint, 0);
    CHECK(store.bytes_written() < 10'000);
    CHECK(entries_of(store, checkpoint) == 100);
    CHECK(values_of(store, checkpoint).size() == 100);
  }
}

TEST_CASE("keys that came and went leave the deltas small, and the base does not grow") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 1 << 24));
  for (std::uint64_t key = 0; key < 20'000; ++key)
    set(state, key);
  stored_groups store;
  take(state, store, 1, 0);
  const std::uint64_t whole = store.bytes_written();
  std::uint64_t next = 20'000;
  for (std::uint64_t checkpoint = 2; checkpoint <= 10; ++checkpoint) {
    CAPTURE(checkpoint);
    for (std::uint64_t n = 0; n < 100; ++n) { // as many come as go, and live over a checkpoint
      set(state, next++);
      remove(state, next - 150);
    }
    state.state().settle(0);
    take(state, store, checkpoint, checkpoint - 1);
    CHECK(store.bytes_written() < whole / 20);
    CHECK(values_of(store, checkpoint).size() == entries_of(store, checkpoint));
  }
}

TEST_CASE("keys on disk that go leave the cache, though it is not full") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 400'000));
  constexpr std::uint64_t keys = 30'000;
  for (std::uint64_t key = 0; key < keys; ++key) {
    set(state, key);
    if (key % 1000 == 0)
      state.state().settle(0);
  }
  for (std::uint64_t key = 0; key < keys; ++key) {
    remove(state, key);
    if (key % 1000 == 0)
      state.state().settle(0);
  }
  set(state, keys);
  state.state().settle(0);
  CHECK(state.state().table().size() < 2100);
  stored_groups store;
  take(state, store, 1, 0);
  CHECK(entries_of(store, 1) == 1);
  CHECK(store.bytes_written() < 3000 * 100);
  const std::map<std::uint64_t, std::string> left{{keys, "is there"}};
  CHECK(values_of(store, 1) == left);
}

TEST_CASE("a whole snapshot is without rows that are still on disk, whenever they were removed") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const temporary_directory directory;
    sample_state state(on_disk(directory, seed % 2 * 60'000));
    std::map<std::uint64_t, std::string> model;
    const auto change = [&] {
      const std::uint64_t key = random() % 3000;
      if (random() % 2 == 0) {
        set(state, key, std::to_string(random() % 100));
        state.with_key(key, [&](auto& value, auto&, auto&) { model[key] = value.value_or(""); });
      } else {
        remove(state, key);
        model.erase(key);
      }
      if (random() % 32 == 0)
        state.state().settle(0);
    };
    stored_groups store;
    for (std::uint64_t checkpoint = 1; checkpoint <= 4; ++checkpoint) {
      for (int n = 0; n < 4000; ++n)
        change();
      operator_snapshot made;
      begin(state, made, checkpoint, 0);
      const auto expected = model;
      do
        for (int n = 0; n < 40; ++n)
          change();
      while (!state.state().write_some(made));
      store.add(checkpoint_id{checkpoint}, made);
      CHECK(values_of(store, checkpoint) == expected);
      CHECK(entries_of(store, checkpoint) == expected.size());
    }
  }
}

TEST_CASE("a key that left the cache, came back and went through the disk is as it was last, in a delta too") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 1 << 14));
  constexpr std::uint64_t others = 2000;
  const auto evict_all = [&] {
    for (std::uint64_t key = 0; key < others; ++key) {
      state.with_key(1000 + key, [](auto& value, auto&, auto&) { value.value_or(""); });
      if (key % 8 == 0)
        state.state().settle(0);
    }
  };
  for (std::uint64_t key = 0; key < others; ++key)
    set(state, 1000 + key);
  set(state, 1, "at the base");
  stored_groups store;
  take(state, store, 1, 0);
  remove(state, 1); // of which the disk may not know
  set(state, 1, "again");
  evict_all();
  take(state, store, 2, 1);
  CHECK(values_of(store, 2).at(1) == "again");
  remove(state, 1);
  evict_all();
  set(state, 1, "and again");
  remove(state, 1);
  take(state, store, 3, 2);
  CHECK_FALSE(values_of(store, 3).contains(1));
  CHECK(store.deltas() != 0);
}

TEST_CASE("state that is drained while a snapshot of it is written is in that one, and in none after it") {
  const temporary_directory directory;
  counted state(on_disk(directory, 40'000), static_rows<std::uint64_t>("count"));
  std::map<std::uint64_t, std::uint64_t> model;
  const auto add = [&](std::uint64_t key) {
    ++count_in(state.update(hash_of(key), key).row);
    ++model[key];
  };
  stored_groups store;
  for (std::uint64_t checkpoint = 1; checkpoint <= 2; ++checkpoint) {
    for (std::uint64_t n = 0; n < 6000; ++n) {
      add(checkpoint == 1 ? n : n * 13 % 6000);
      if (n % 100 == 0)
        state.settle(0);
    }
    operator_snapshot made;
    state.begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{checkpoint - 1}}, 0);
    std::map<std::uint64_t, std::uint64_t> drained;
    if (checkpoint == 2)
      for (std::uint32_t group = 0; group < groups; ++group) {
        state.drain(key_group{group}, [&](std::uint64_t key, std::byte* row) { drained[key] = count_in(row); });
        state.write_some(made);
      }
    while (!state.write_some(made))
      ;
    store.add(checkpoint_id{checkpoint}, made);
    counted restored(in_memory(), static_rows<std::uint64_t>("count"));
    restored.restore(store.restored(checkpoint_id{checkpoint}));
    std::map<std::uint64_t, std::uint64_t> stored;
    restored.for_each_row([&](std::uint64_t key, const std::byte* row) {
      stored[key] = *reinterpret_cast<const std::uint64_t*>(row);
    });
    CHECK(stored == model);
    if (checkpoint == 2)
      CHECK(drained == model);
  }
  operator_snapshot empty;
  state.begin_write(empty, {checkpoint_id{3}, checkpoint_id{2}}, 0);
  while (!state.write_some(empty))
    ;
  CHECK(empty.key_groups.empty());
  add(4711);
  operator_snapshot one;
  state.begin_write(one, {checkpoint_id{4}, checkpoint_id{3}}, 0);
  while (!state.write_some(one))
    ;
  store.add(checkpoint_id{4}, one);
  CHECK(store.bytes_written() < 100);
}

TEST_CASE("keys with the same hash stay apart in snapshots that are written while they change and leave the cache") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const temporary_directory directory;
    using state_type = keyed_state<one_of_eight, static_rows<std::uint64_t>>;
    state_type state(of_one_group(on_disk(directory, seed % 2 == 0 ? 200'000 : 1 << 24)),
                     static_rows<std::uint64_t>("count"));
    std::map<std::uint64_t, std::uint64_t> model;
    std::uint64_t keys = 8000;
    const auto add = [&] {
      const one_of_eight key{random() % keys};
      ++count_in(state.update(hash_of(key), key).row);
      ++model[key.n];
    };
    stored_groups store;
    for (std::uint64_t checkpoint = 1; checkpoint <= 4; ++checkpoint, keys += 2000) {
      for (int n = 0; n < 6000; ++n) {
        add();
        if (n % 200 == 0)
          state.settle(0);
      }
      operator_snapshot made;
      state.begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{checkpoint - 1}}, 0);
      const auto expected = model;
      std::uint64_t slices = 1;
      for (; !state.write_some(made); ++slices) {
        for (int n = 0; n < 20; ++n)
          add();
        state.settle(0);
      }
      store.add(checkpoint_id{checkpoint}, made);
      CHECK(store.find(checkpoint_id{checkpoint}, key_group{0})->entries == expected.size());
      state_type restored(of_one_group(in_memory()), static_rows<std::uint64_t>("count"));
      restored.restore(store.restored(checkpoint_id{checkpoint}));
      std::map<std::uint64_t, std::uint64_t> stored;
      restored.for_each_row([&](const one_of_eight& key, const std::byte* row) {
        stored[key.n] = *reinterpret_cast<const std::uint64_t*>(row);
      });
      CHECK(stored == expected);
    }
  }
}

TEST_CASE("a group that was large, emptied and filled a little again is measured by what it has now") {
  const temporary_directory directory;
  sample_state state(of_one_group(on_disk(directory, 40'000)));
  constexpr std::uint64_t keys = 5000;
  for (std::uint64_t key = 0; key < keys; ++key) {
    set(state, key);
    if (key % 100 == 0)
      state.state().settle(0);
  }
  stored_groups store;
  take(state, store, 1, 0);
  for (std::uint64_t key = 0; key < keys; ++key) {
    remove(state, key);
    if (key % 100 == 0)
      state.state().settle(0);
  }
  take(state, store, 2, 1);
  CHECK(entries_of(store, 2) == 0);
  for (std::uint64_t checkpoint = 3; checkpoint <= 40; ++checkpoint) {
    CAPTURE(checkpoint);
    for (std::uint64_t key = 0; key < 50; ++key)
      set(state, key, std::to_string(checkpoint));
    take(state, store, checkpoint, checkpoint - 1);
    CHECK(store.find(checkpoint_id{checkpoint}, key_group{0})->data.size() < 60'000);
  }
  CHECK(entries_of(store, 40) == 50);
  sample_state restored(of_one_group(in_memory()));
  restored.state().restore(store.restored(checkpoint_id{40}));
  CHECK(restored.state().table().size() == 50);
}

TEST_CASE("what leaves the cache between the barrier and the end of a whole snapshot does not make the next one whole") {
  const temporary_directory directory;
  counted state(on_disk(directory, 1 << 20), static_rows<std::uint64_t>("count"));
  const auto add = [&](std::uint64_t key) { ++count_in(state.update(hash_of(key), key).row); };
  constexpr std::uint64_t keys = 12'000;
  for (std::uint64_t key = 0; key < keys; ++key)
    add(key);
  state.settle(0);
  REQUIRE(state.table().size() == keys);
  stored_groups store;
  operator_snapshot made;
  state.begin_write(made, {checkpoint_id{1}, {}}, 0);
  // Many others come for a moment, until most of those that were there have left.
  for (std::uint64_t key = 0; key < 12 * keys; ++key) {
    if (key < keys / 10)
      add(key * 10);
    const std::uint64_t other = keys + key;
    state.find_or_create(hash_of(other), other);
    if (key % 100 == 0)
      state.settle(0);
  }
  std::uint64_t left = 0;
  for (std::uint64_t key = 0; key < keys; ++key)
    left += state.table().find(hash_of(key), key) != nullptr;
  REQUIRE(left < keys / 2);
  while (!state.write_some(made))
    ;
  store.add(checkpoint_id{1}, made);
  const std::uint64_t whole = store.bytes_written();
  add(1);
  operator_snapshot next;
  state.begin_write(next, {checkpoint_id{2}, checkpoint_id{1}}, 0);
  while (!state.write_some(next))
    ;
  store.add(checkpoint_id{2}, next);
  for (const key_group_snapshot& group : next.key_groups)
    CHECK(group.is_delta);
  CHECK(store.bytes_written() < whole / 3);
}

TEST_CASE("a full map is an error that names the setting, and what was in a snapshot can still be read") {
  const temporary_directory directory;
  keyed_state_setup setup = on_disk(directory, 100'000);
  setup.config.map_size = std::uint64_t{1} << 20;
  {
    sample_state state(setup);
    stored_groups store;
    std::map<std::uint64_t, std::string> expected;
    for (std::uint64_t key = 0; key < 2000; ++key) {
      set(state, key, std::to_string(key));
      expected[key] = std::to_string(key);
      if (key % 100 == 0)
        state.state().settle(0);
    }
    const operator_snapshot made = state.snapshot({checkpoint_id{1}, {}});
    const auto fill = [&] {
      for (std::uint64_t key = 2000; key < 100'000; ++key) {
        set(state, key, std::string(100, 'x'));
        if (key % 100 == 0)
          state.state().settle(0);
      }
    };
    CHECK_THROWS_WITH_AS(fill(), doctest::Contains("state.map-size"), std::runtime_error);
    store.add(checkpoint_id{1}, made);
    CHECK(values_of(store, 1) == expected);
  }
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("expired rows on disk are removed while a snapshot is written, which has them as they were") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 0), {.after = std::chrono::milliseconds{100}});
  constexpr std::uint64_t keys = 500;
  for (std::uint64_t key = 0; key < keys; ++key) {
    set(state, key);
    state.state().settle(0);
  }
  stored_groups store;
  operator_snapshot made;
  begin(state, made, 1, 0);
  set(state, keys); // so that it is not complete at once
  const auto rows = [&] {
    std::uint64_t all = 0;
    state.state().for_each_row([&](std::uint64_t, const std::byte*) { ++all; });
    return all;
  };
  CHECK(rows() == keys + 1);
  for (int n = 0; n < 40; ++n)
    state.state().settle(200);
  CHECK(rows() <= 1);
  finish(state, made);
  store.add(checkpoint_id{1}, made);
  CHECK(entries_of(store, 1) == keys);
}

TEST_CASE("a key group is read for a snapshot once, and then its changes are let go of") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 0));
  set(state, 1);
  state.state().settle(0);
  const operator_snapshot made = state.snapshot({checkpoint_id{1}, {}});
  REQUIRE(made.key_groups.size() == 1);
  const key_group_snapshot& group = made.key_groups.front();
  REQUIRE(group.source);
  CHECK(group.source->read(group.group));
  const auto again = group.source->read(group.group);
  REQUIRE_FALSE(again);
  CHECK(again.failure().message.find("second time") != std::string::npos);
}
