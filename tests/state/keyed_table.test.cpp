#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <weir/state/bit_order.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/state_registry.hpp>

using namespace weir;

namespace {

constexpr std::uint32_t groups = 16;
constexpr key_group_range all_groups{0, groups};

std::string key_for(std::uint64_t n, std::string*) { return "a key of some length " + std::to_string(n); }
std::uint64_t key_for(std::uint64_t n, std::uint64_t*) { return n * 0x9E3779B9; }

template <class Key, class Rows>
key_group_snapshot group_of(const keyed_table<Key, Rows>& table, key_group group) {
  key_group_snapshot made;
  made.group = group;
  std::vector<row_at<Key>> rows;
  table.for_each(group, [&](const auto& key, std::byte* row) { rows.push_back({&key, row}); });
  made.data = write_rows<Key>(table.rows(), rows, {});
  return made;
}

template <class Key>
void behaves_like_a_map(std::uint32_t seed) {
  CAPTURE(seed);
  std::mt19937 random(seed);
  keyed_table<Key, static_rows<std::uint64_t>> table(all_groups, groups);
  std::unordered_map<Key, std::uint64_t> model;
  for (int step = 0; step < 20000; ++step) {
    const Key key = key_for(random() % 3000, static_cast<Key*>(nullptr));
    if (random() % (step < 12000 ? 4 : 2) == 0) {
      CHECK(table.erase(hash_of(key), key) == (model.erase(key) == 1));
    } else {
      const auto [row, created] = table.find_or_create(hash_of(key), key);
      CHECK(created == !model.contains(key));
      *reinterpret_cast<std::uint64_t*>(row) += static_cast<std::uint64_t>(step);
      model[key] += static_cast<std::uint64_t>(step);
    }
    REQUIRE(table.size() == model.size());
  }
  for (const auto& [key, value] : model) {
    const std::byte* row = table.find(hash_of(key), key);
    REQUIRE(row != nullptr);
    CHECK(*reinterpret_cast<const std::uint64_t*>(row) == value);
  }
  for (const auto& [key, value] : model)
    CHECK(table.erase(hash_of(key), key));
  CHECK(table.size() == 0);
  CHECK(table.memory() <= groups * 64 * 64);
}

} // namespace

TEST_CASE("a keyed table behaves like a map, with flat keys and with strings") {
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    behaves_like_a_map<std::uint64_t>(seed);
    behaves_like_a_map<std::string>(seed);
  }
}

TEST_CASE("key groups of a keyed table come back from their snapshots") {
  const static_rows<std::uint64_t> rows("count");
  keyed_table<std::string, static_rows<std::uint64_t>> table(all_groups, groups, rows);
  for (std::uint64_t n = 0; n < 500; ++n) {
    const std::string key = std::to_string(n);
    *reinterpret_cast<std::uint64_t*>(table.find_or_create(hash_of(key), key).row) = n;
  }
  keyed_table<std::string, static_rows<std::uint64_t>> restored(all_groups, groups, rows);
  operator_snapshot stored;
  stored.keyed_states = {rows.columns().front().schema};
  for (std::uint32_t g = 0; g < groups; ++g)
    read_group(restored, stored, group_of(table, key_group{g}));
  CHECK(restored.size() == 500);
  for (std::uint64_t n = 0; n < 500; ++n) {
    const std::string key = std::to_string(n);
    const std::byte* row = restored.find(hash_of(key), key);
    REQUIRE(row != nullptr);
    CHECK(*reinterpret_cast<const std::uint64_t*>(row) == n);
  }
}

TEST_CASE("states declared at run time share one row, and a removed state's cells are skipped") {
  row_cursor cursor;
  operator_states instance;
  state_registry registry(cursor, instance);
  value_state<std::string> city = registry.value<std::string>("city");
  value_state<std::uint64_t> visits = registry.value<std::uint64_t>("visits");
  keyed_table<std::string, dynamic_rows> table(all_groups, groups, registry.finish());
  for (const char* key : {"ann", "bob", "cleo"}) {
    cursor.row = table.find_or_create(hash_of(std::string(key)), key).row;
    CHECK(!city.has_value());
    city.update(std::string("city of ") + key);
    if (key[0] != 'b')
      visits.mutable_value() += 7;
  }

  operator_snapshot stored;
  for (const row_column& column : table.rows().columns())
    stored.keyed_states.push_back(column.schema);

  row_cursor later;
  operator_states other_instance;
  state_registry fewer(later, other_instance);
  value_state<std::uint64_t> only_visits = fewer.value<std::uint64_t>("visits");
  keyed_table<std::string, dynamic_rows> restored(all_groups, groups, fewer.finish());
  for (std::uint32_t g = 0; g < groups; ++g)
    read_group(restored, stored, group_of(table, key_group{g}));
  later.row = restored.find(hash_of(std::string("cleo")), "cleo");
  REQUIRE(later.row != nullptr);
  CHECK(*only_visits == 7);
  later.row = restored.find(hash_of(std::string("bob")), "bob");
  CHECK(!only_visits.has_value());
}

TEST_CASE("declaring two states of one name is refused") {
  row_cursor cursor;
  operator_states instance;
  state_registry registry(cursor, instance);
  registry.value<int>("n");
  CHECK_THROWS_AS(registry.value<long>("n"), std::invalid_argument);
}

TEST_CASE("a walk over a group in parts sees every row that stays, whatever is removed and added between the parts") {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    keyed_table<std::uint64_t, static_rows<std::uint64_t>> table({0, 1}, 1);
    std::unordered_map<std::uint64_t, bool> seen;
    for (std::uint64_t key = 0; key < 4000; ++key) {
      table.set_changed(hash_of(key), table.find_or_create(hash_of(key), key).row);
      seen[key] = false;
    }
    const std::uint32_t until = table.version();
    const std::uint64_t layout = table.layout(key_group{0});
    table.next_version();
    std::uint64_t added = 4000;
    for (std::size_t at = 0; at < table.slots(key_group{0});) {
      at = table.for_each_until(key_group{0}, 0, until, at, random() % 64 + 1,
                                [&](std::span<const row_at<std::uint64_t>> rows) {
                                  for (const auto& one : rows)
                                    seen[*one.key] = true;
                                });
      for (int n = 0; n < 8; ++n) {
        const std::uint64_t key = random() % 4000;
        if (table.erase(hash_of(key), key))
          seen[key] = true;
        ++added;
        table.set_changed(hash_of(added), table.find_or_create(hash_of(added), added).row);
      }
    }
    REQUIRE(table.layout(key_group{0}) == layout);
    for (const auto& [key, was_seen] : seen)
      REQUIRE(was_seen);
  }
}

TEST_CASE("a table goes over its keys a few at a time, in the order of their reversed hashes, however it grows meanwhile") {
  keyed_table<std::uint64_t, static_rows<std::uint64_t>> table({0, 1}, 1);
  const auto add = [&](std::uint64_t key) { table.find_or_create(hash_of(key), key); };
  for (std::uint64_t key = 0; key < 3000; ++key)
    add(key);
  std::set<std::uint64_t> seen;
  std::vector<std::uint64_t> places;
  std::uint32_t at = 0;
  std::uint32_t before = 0;
  std::uint64_t added = 3000;
  do {
    before = at;
    std::size_t visited = 0;
    at = table.for_each_in_order(key_group{0}, at, 100, [&](std::uint64_t key, std::byte*) {
      ++visited;
      seen.insert(key);
      places.push_back(reversed_bits(hash_of(key)));
    });
    CHECK(visited >= 100 * (at > before));
    CHECK(visited < 130);
    for (int n = 0; n < 100; ++n)
      add(added++);
  } while (at > before);
  for (std::uint64_t key = 0; key < 3000; ++key)
    REQUIRE(seen.contains(key));
  // There are more than 2^12 slots: so many bits of a place are in order, but for the step behind the end.
  std::size_t steps_back = 0;
  for (std::size_t i = 1; i < places.size(); ++i)
    steps_back += places[i - 1] >> 52 > places[i] >> 52;
  CHECK(steps_back <= 1);
}

TEST_CASE("a table beside rows on disk knows how many more keys there are than those") {
  keyed_table<std::uint64_t, static_rows<std::uint64_t>> table({0, 1}, 1);
  const auto row = [&](std::uint64_t key) { return table.find_or_create(hash_of(key), key).row; };
  const auto beyond = [&] { return table.keys_beyond_disk(key_group{0}); };
  row(1); // has not changed
  CHECK(beyond() == 0);
  table.set_changed(hash_of(std::uint64_t{1}), row(1));
  CHECK(beyond() == 1);
  table.set_on_disk(row(2));
  CHECK(beyond() == 1);
  table.set_changed(hash_of(std::uint64_t{2}), row(2));
  CHECK(beyond() == 1);
  table.set_tombstone(hash_of(std::uint64_t{2}), row(2));
  table.set_tombstone(hash_of(std::uint64_t{1}), row(1));
  CHECK(beyond() == -1);
  table.next_version();
  table.touch(hash_of(std::uint64_t{2}), row(2));
  CHECK(table.version_of(row(2)) == table.version());
  CHECK(beyond() == -1);
  table.set_changed(hash_of(std::uint64_t{2}), row(2));
  CHECK(beyond() == 0);
  table.drop(hash_of(std::uint64_t{2}));
  table.set_changed(hash_of(std::uint64_t{1}), row(1));
  CHECK(beyond() == 1);
  table.clear(key_group{0});
  CHECK(beyond() == 0);
}
