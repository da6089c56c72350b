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

#include "support/temporary_directory.hpp"

#include <weir/state/keyed_state.hpp>
#include <weir/state/state_registry.hpp>

using namespace weir;
using weir::testing::temporary_directory;

namespace {

constexpr std::uint32_t groups = 8;

/// Two keys of three have the same hash.
struct colliding {
  std::uint64_t n = 0;
  bool operator==(const colliding&) const = default;
};

keyed_state_setup on_disk(const temporary_directory& directory, std::uint64_t cache) {
  keyed_state_setup setup{{0, groups}, groups, {}, false};
  setup.config.backend = state_backend::lmdb;
  setup.config.directory = directory.path();
  setup.config.cache_size = cache;
  setup.config.map_size = std::uint64_t{1} << 28;
  return setup;
}

restored_state restored_from(const operator_snapshot& made) {
  auto stored = std::make_shared<operator_snapshot>(made);
  for (key_group_snapshot& group : stored->key_groups)
    if (group.source) {
      auto read = group.source->read(group.group);
      REQUIRE(read);
      group = std::move(*read);
    }
  restored_state restored;
  restored.from = checkpoint_id{1};
  restored_groups part{stored, {}};
  for (const key_group_snapshot& group : stored->key_groups)
    part.groups.push_back(&group);
  restored.keyed.push_back(std::move(part));
  return restored;
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
      const auto [place, created] = state.find_or_create(hash_of(key), key);
      CHECK(created == !model.contains(key.n));
      CHECK(++*reinterpret_cast<std::uint64_t*>(place) == ++model[key.n]);
      if (step % 16 == 0)
        state.settle(0);
    }
    CHECK(state.table().size() < model.size());
    operator_snapshot made;
    state.write(made, 0);
    // What changes later is not in the snapshot.
    for (std::uint64_t n = 0; n < 3000; ++n)
      ++*reinterpret_cast<std::uint64_t*>(state.find_or_create(hash_of(colliding{n}), colliding{n}).row);

    keyed_state<colliding, static_rows<std::uint64_t>> memory({{0, groups}, groups, {}, false},
                                                              static_rows<std::uint64_t>("count"));
    memory.restore(restored_from(made));
    keyed_state<colliding, static_rows<std::uint64_t>> again(on_disk(directory, 4096),
                                                             static_rows<std::uint64_t>("count"));
    again.restore(restored_from(made));
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
    CHECK(++*reinterpret_cast<std::uint64_t*>(state.find_or_create(hash_of(*one), *one).row) == n);
    state.settle(0); // nothing stays in the cache
    CHECK(state.table().size() == 0);
  }
}

TEST_CASE("a key whose hash has changed since the checkpoint is an error") {
  operator_snapshot made;
  keyed_state<std::uint64_t, static_rows<std::uint64_t>> state({{0, groups}, groups, {}, false},
                                                               static_rows<std::uint64_t>("count"));
  state.find_or_create(hash_of(std::uint64_t{1}), 1);
  state.write(made, 0);
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
