#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "state/sample_state.hpp"

using namespace weir;
using namespace weir::testing;

namespace {

/// Two keys of three have the same hash.
struct colliding {
  std::uint64_t n = 0;
  bool operator==(const colliding&) const = default;
};

/// What sample_state should hold of a key.
struct sample_row {
  std::string value;
  std::vector<std::uint64_t> list;
  std::map<std::string, std::uint64_t> map;
  bool operator==(const sample_row&) const = default;
};

sample_row row_of(sample_state& state, std::uint64_t key) {
  sample_row row;
  state.with_key(key, [&](auto& value, auto& list, auto& map) {
    row.value = value.value_or("");
    row.list = list.to_vector();
    for (const auto& [name, count] : map)
      row.map.emplace(name, count);
  });
  return row;
}

void change(std::mt19937_64& random, sample_state& state, sample_row& model, std::uint64_t key) {
  const std::uint64_t what = random() % 16;
  const std::uint64_t n = random() % 24;
  const std::string name = "entry " + std::to_string(n);
  state.with_key(key, [&](auto& value, auto& list, auto& map) {
    if (what < 3) {
      value.update(name);
      model.value = name;
    } else if (what < 7) {
      list.add(n);
      model.list.push_back(n);
    } else if (what < 11) {
      map[name] += n;
      model.map[name] += n;
    } else if (what < 13) {
      CHECK(map.erase(name) == (model.map.erase(name) == 1));
    } else if (what == 13) {
      value.clear();
      model.value.clear();
    } else if (what == 14) {
      list.clear();
      model.list.clear();
    } else if (n % 2 == 0) {
      map.clear();
      model.map.clear();
    } else {
      value.clear();
      list.clear();
      map.clear();
      model = {};
    }
  });
}

} // namespace

template <>
struct std::hash<colliding> {
  std::size_t operator()(const colliding& key) const { return key.n / 3 * 3 + (key.n % 3 == 2); }
};

TEST_CASE("rows on disk are those of a map, with a cache that holds few of them, and restore in memory") {

  const temporary_directory directory;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    keyed_state<colliding, static_rows<std::uint64_t>> state(on_disk(directory, 4096),
                                                             static_rows<std::uint64_t>("count"));
    std::map<std::uint64_t, std::uint64_t> model;
    for (int step = 0; step < 30000; ++step) {
      const colliding key{random() % 2000};
      const auto [place, created] = state.update(hash_of(key), key);
      CHECK(created == !model.contains(key.n));
      CHECK(++*reinterpret_cast<std::uint64_t*>(place) == ++model[key.n]);
      if (step % 16 == 0)
        state.settle(0);
    }
    CHECK(state.table().size() < model.size());
    operator_snapshot made;
    state.begin_write(made, {checkpoint_id{1}, {}}, 0);
    REQUIRE(state.write_some(made)); // it has been written back
    // What changes later is not in the snapshot.
    for (std::uint64_t n = 0; n < 3000; ++n)
      ++*reinterpret_cast<std::uint64_t*>(state.update(hash_of(colliding{n}), colliding{n}).row);

    const restored_state stored = restored_from(made);
    keyed_state<colliding, static_rows<std::uint64_t>> memory(in_memory(),
                                                              static_rows<std::uint64_t>("count"));
    memory.restore(stored);
    keyed_state<colliding, static_rows<std::uint64_t>> again(on_disk(directory, 4096),
                                                             static_rows<std::uint64_t>("count"));
    again.restore(stored);
    CHECK(memory.table().size() == model.size());
    std::map<std::uint64_t, std::uint64_t> drained;
    for (std::uint32_t group = 0; group < groups; ++group)
      again.drain(key_group{group}, [&](const colliding& key, std::byte* place) {
        drained[key.n] = *reinterpret_cast<std::uint64_t*>(place);
      });
    CHECK(drained == model);
    for (const auto& [n, count] : model) {
      const auto* place = memory.table().find(hash_of(colliding{n}), colliding{n});
      REQUIRE(place != nullptr);
      CHECK(*reinterpret_cast<const std::uint64_t*>(place) == count);
    }
  }
}

TEST_CASE("keys that are equal are one key on disk, also where their bytes differ") {
  const temporary_directory directory;
  using key = std::optional<std::int32_t>; // with padding
  keyed_state<key, static_rows<std::uint64_t>> state(on_disk(directory, 0),
                                                     static_rows<std::uint64_t>("count"));
  for (std::uint64_t n = 1; n <= 5; ++n) {
    std::aligned_storage_t<sizeof(key), alignof(key)> memory;
    std::memset(&memory, static_cast<int>(n * 31), sizeof memory);
    key* const one = ::new (&memory) key(7);
    CHECK(++*reinterpret_cast<std::uint64_t*>(state.update(hash_of(*one), *one).row) == n);
    state.settle(0); // nothing stays in the cache
    CHECK(state.table().size() == 0);
  }
}

TEST_CASE("a key whose hash has changed since the checkpoint is an error") {
  operator_snapshot made;
  keyed_state<std::uint64_t, static_rows<std::uint64_t>> state(in_memory(),
                                                               static_rows<std::uint64_t>("count"));
  state.update(hash_of(std::uint64_t{1}), 1);
  state.begin_write(made, {checkpoint_id{1}, {}}, 0);
  REQUIRE(state.write_some(made));
  made.key_groups.front().group = key_group{(made.key_groups.front().group.value + 1) % groups};
  CHECK_THROWS_WITH_AS(state.restore(restored_from(made)), doctest::Contains("another hash"),
                       std::runtime_error);
}

TEST_CASE("working state leaves no file behind, whatever ends the process") {
  const temporary_directory directory;
  keyed_state<std::uint64_t, static_rows<std::uint64_t>> state(on_disk(directory, 4096),
                                                               static_rows<std::uint64_t>("count"));
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("a directory that cannot be written to is an error that names it and the setting") {
  const temporary_directory directory;
  keyed_state_setup setup = on_disk(directory, 4096);
  setup.config.directory = directory / "file";
  std::ofstream(setup.config.directory) << "x";
  try {
    keyed_state<std::uint64_t, static_rows<std::uint64_t>> state(setup, static_rows<std::uint64_t>("c"));
    FAIL("expected an exception");
  } catch (const std::runtime_error& problem) {
    const std::string text = problem.what();
    CHECK(text.find((directory / "file").string()) != std::string::npos);
    CHECK(text.find("state.directory") != std::string::npos);
  }
}

TEST_CASE("snapshots of changes add up to the state, whichever checkpoints failed, in memory and on disk") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    const temporary_directory directory;
    std::mt19937_64 random(seed);
    const auto setup = [&] { return random() % 2 == 0 ? in_memory() : on_disk(directory, random() % 2 * 20000); };
    auto state = std::make_unique<sample_state>(setup());
    std::map<std::uint64_t, sample_row> model;
    std::map<std::uint64_t, std::map<std::uint64_t, sample_row>> model_at;
    stored_groups store;
    std::uint64_t complete = 0;
    const std::uint64_t keys = seed % 2 == 0 ? 20 : 400;
    for (std::uint64_t checkpoint = 1; checkpoint <= 40; ++checkpoint) {
      CAPTURE(checkpoint);
      for (std::uint64_t n = random() % 200; n != 0; --n) {
        const std::uint64_t key = random() % keys;
        change(random, *state, model[key], key);
        if (n % 16 == 0)
          state->state().settle(0);
      }
      operator_snapshot made;
      state->state().begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{complete}}, 0);
      model_at[checkpoint] = model;
      for (bool is_complete = false; !is_complete; is_complete = state->state().write_some(made))
        for (std::uint64_t n = random() % 100; n != 0; --n) { // while it is being written
          const std::uint64_t key = random() % keys;
          change(random, *state, model[key], key);
        }
      store.add(checkpoint_id{checkpoint}, made);
      if (random() % 4 != 0)
        complete = checkpoint;
      if (complete != 0 && random() % 6 == 0) { // a crash
        state = std::make_unique<sample_state>(setup());
        state->state().restore(store.restored(checkpoint_id{complete}));
        model = model_at.at(complete);
        for (std::uint64_t key = 0; key < keys; ++key)
          REQUIRE(row_of(*state, key) == model[key]);
      }
    }
    sample_state restored(in_memory());
    restored.state().restore(store.restored(checkpoint_id{40}));
    std::size_t there = 0;
    for (const auto& [key, row] : model_at.at(40)) {
      there += row != sample_row{};
      CHECK(row_of(restored, key) == row);
    }
    CHECK(restored.state().table().size() == there);
    CHECK(store.deltas() != 0);
  }
}

TEST_CASE("a key that was removed before the barrier stays so, whatever is removed while the snapshot is written") {
  std::vector<std::uint64_t> keys; // of one group
  for (std::uint64_t key = 0; keys.size() < 101; ++key)
    if (key_group_of(hash_of(key), groups) == key_group{0})
      keys.push_back(key);
  for (const std::size_t all : {100, 101}) {
    CAPTURE(all);
    sample_state state(in_memory());
    const auto set = [&](std::size_t i) {
      state.with_key(keys[i], [](auto& value, auto&, auto&) { value.update("is there"); });
    };
    const auto remove = [&](std::size_t i) {
      state.with_key(keys[i], [](auto& value, auto&, auto&) { value.clear(); });
    };
    for (std::size_t i = 0; i < all; ++i)
      set(i);
    stored_groups store;
    store.add(checkpoint_id{1}, state.snapshot({checkpoint_id{1}, {}}));
    for (std::size_t i = 0; i < 60; ++i)
      remove(i);
    operator_snapshot made;
    state.state().begin_write(made, {checkpoint_id{2}, checkpoint_id{1}}, 0);
    for (std::size_t i = 60; i < 95; ++i)
      remove(i);
    while (!state.state().write_some(made))
      ;
    store.add(checkpoint_id{2}, made);
    sample_state restored(in_memory());
    restored.state().restore(store.restored(checkpoint_id{2}));
    CHECK(restored.state().table().size() == all - 60);
  }
}

TEST_CASE("snapshots add to one that was complete long ago, with what was removed since") {
  constexpr std::uint64_t keys = 1000;
  sample_state state(in_memory());
  for (std::uint64_t key = 0; key < keys; ++key)
    state.with_key(key, [](auto& value, auto&, auto&) { value.update("is there"); });
  stored_groups store;
  store.add(checkpoint_id{1}, state.snapshot({checkpoint_id{1}, {}}));
  for (std::uint64_t checkpoint = 2; checkpoint <= 80; ++checkpoint) {
    CAPTURE(checkpoint);
    state.with_key(checkpoint, [](auto& value, auto&, auto&) { value.clear(); });
    store.add(checkpoint_id{checkpoint}, state.snapshot({checkpoint_id{checkpoint}, checkpoint_id{1}}));
    sample_state restored(in_memory());
    restored.state().restore(store.restored(checkpoint_id{checkpoint}));
    CHECK(restored.state().table().size() == keys - (checkpoint - 1));
  }
}

TEST_CASE("state that was empty at the last checkpoint is written once") {
  sample_state state(in_memory());
  stored_groups store;
  store.add(checkpoint_id{1}, state.snapshot({checkpoint_id{1}, {}}));
  for (std::uint64_t key = 0; key < 1000; ++key)
    state.with_key(key, [](auto& value, auto&, auto&) { value.update("is there"); });
  store.add(checkpoint_id{2}, state.snapshot({checkpoint_id{2}, checkpoint_id{1}}));
  CHECK(store.bytes_written() > 1000 * 16);
  state.with_key(1, [](auto& value, auto&, auto&) { value.update("changes"); });
  store.add(checkpoint_id{3}, state.snapshot({checkpoint_id{3}, checkpoint_id{2}}));
  CHECK(store.bytes_written() < 100);
}

TEST_CASE("a snapshot of a change to a list or map of 100,000 entries has that change alone") {
  constexpr std::uint64_t many = 100'000;
  for (const bool is_on_disk : {false, true}) {
    CAPTURE(is_on_disk);
    const temporary_directory directory;
    sample_state state(is_on_disk ? on_disk(directory, 1 << 20) : in_memory());
    for (std::uint64_t key = 0; key < 3; ++key)
      state.with_key(key, [&](auto&, auto& list, auto& map) {
        for (std::uint64_t i = 0; i < many; ++i) {
          list.add(i);
          map.put(std::to_string(i), i);
        }
      });
    stored_groups store;
    store.add(checkpoint_id{1}, state.snapshot({checkpoint_id{1}, {}}));
    CHECK(store.bytes_written() > 3 * many * 16);
    for (std::uint64_t checkpoint = 2; checkpoint <= 6; ++checkpoint) {
      state.with_key(1, [&](auto&, auto& list, auto& map) {
        list.add(many);
        map.put("4711", 1);
        map.erase(std::to_string(checkpoint));
      });
      const std::uint64_t base = checkpoint - 1 - checkpoint % 2; // sometimes not the one before
      store.add(checkpoint_id{checkpoint},
                state.snapshot({checkpoint_id{checkpoint}, checkpoint_id{base}}));
      CHECK(store.bytes_written() > 0);
      CHECK(store.bytes_written() < 400);
    }
    sample_state restored(in_memory());
    restored.state().restore(store.restored(checkpoint_id{6}));
    restored.with_key(1, [&](auto&, auto& list, auto& map) {
      CHECK(list.size() == many + 5);
      CHECK(map.size() == many - 5);
      CHECK(map.value_or("4711", 0) == 1);
    });
  }
}

TEST_CASE("keys that come and go between snapshots, a million of them, take no memory") {
  sample_state state(in_memory());
  state.with_key(1, [](auto& value, auto&, auto&) { value.update("stays"); });
  stored_groups store;
  store.add(checkpoint_id{1}, state.snapshot({checkpoint_id{1}, {}}));
  for (std::uint64_t key = 2; key < 1'000'000; ++key) {
    state.with_key(key, [](auto& value, auto&, auto&) { value.update("comes"); });
    state.with_key(key, [](auto& value, auto&, auto&) { value.clear(); });
  }
  store.add(checkpoint_id{2}, state.snapshot({checkpoint_id{2}, checkpoint_id{1}}));
  CHECK(store.bytes_written() < groups * 100 * 32);
  sample_state restored(in_memory());
  restored.state().restore(store.restored(checkpoint_id{2}));
  CHECK(restored.state().table().size() == 1);
}
