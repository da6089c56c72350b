#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <weir/state/list_contents.hpp>
#include <weir/state/map_contents.hpp>

using namespace weir;

namespace {

/// Entries in memory that count how often they are written.
class counted_entries final : public row_entries {
 public:
  bool find(std::uint32_t, std::uint64_t place, const visit& is_it) override {
    ++reads;
    const auto found = entries_.find(place);
    return found != entries_.end() && is_it(found->second);
  }
  void scan(std::uint32_t, const visit& use) override {
    ++scans;
    for (const auto& [place, entry] : entries_)
      if (++seen; !use(entry))
        return;
  }
  void put(std::uint32_t, std::uint64_t place, std::string_view entry, const visit&) override {
    ++writes;
    entries_[place] = std::string(entry);
  }
  void erase(std::uint32_t, std::uint64_t place, const visit&) override {
    ++writes;
    entries_.erase(place);
  }
  void erase_all(std::uint32_t) override {
    ++writes;
    entries_.clear();
  }

  int reads = 0;
  int writes = 0;
  int scans = 0;
  int seen = 0; ///< entries, by scans

 private:
  std::map<std::uint64_t, std::string> entries_;
};

constexpr std::uint64_t many = 100'000;

constexpr change_time first_time{0, restored_version + 1, 0};
constexpr change_time later{0, first_time.version + 1, 0};

} // namespace

TEST_CASE("adding an element to a list of 100,000 on disk reads none of the others and writes none") {
  counted_entries disk;
  detail::list_contents<std::uint64_t> list;
  for (std::uint64_t i = 0; i < many; ++i)
    list.add(i, false, first_time);
  list.store(0, false, disk);
  // As it comes from disk: only how many there are.
  detail::list_contents<std::uint64_t> again;
  again.stored = many;
  again.loaded = false;
  disk.writes = disk.reads = disk.scans = 0;
  again.add(many, false, later);
  again.store(0, false, disk);
  CHECK(disk.writes == 1);
  CHECK(disk.reads + disk.scans == 0);
  CHECK(again.size() == many + 1);
  again.load(0, false, disk);
  CHECK(again.items.size() == many + 1);
  CHECK(again.items.back() == many);
}

TEST_CASE("changing an entry of a map of 100,000 on disk reads and writes that one alone") {
  counted_entries disk;
  detail::map_contents<std::uint64_t, std::uint64_t> map;
  for (std::uint64_t i = 0; i < many; ++i)
    map.entries[map.insert(hash_of(i), i, false, first_time)].value = i;
  map.store(0, false, disk);
  detail::map_contents<std::uint64_t, std::uint64_t> again;
  again.count = many;
  again.complete = false;
  disk.writes = disk.reads = disk.scans = 0;
  const std::uint64_t key = 4711;
  const std::uint32_t i = again.find(hash_of(key), key, 0, false, &disk);
  REQUIRE(i != again.none);
  again.entries[i].value = 1;
  again.note_change(i, later);
  const std::uint64_t added = many;
  CHECK(again.find(hash_of(added), added, 0, false, &disk) == again.none);
  again.insert(hash_of(added), added, false, later);
  again.store(0, false, disk);
  CHECK(disk.reads == 2);
  CHECK(disk.writes == 2);
  CHECK(disk.scans == 0);
  CHECK(again.count == many + 1);
}

TEST_CASE("cleaning a list of 100,000 on disk looks at what has expired, and a map's entries stay there") {
  const expiry life(time_to_live{.after = std::chrono::milliseconds{10}});
  counted_entries disk;
  detail::list_contents<std::uint64_t> list;
  detail::map_contents<std::uint64_t, std::uint64_t> map;
  for (std::uint64_t i = 0; i < many; ++i) {
    const change_time at{i < 3 ? 0 : 100, first_time.version, 0};
    list.add(i, true, at);
    map.entries[map.insert(hash_of(i), i, true, at)].value = i;
  }
  const change_time now{50, later.version, 0};
  const auto as_on_disk = [&](auto& contents, auto&& store) {
    disk = {};
    store(contents);
    disk.seen = disk.writes = 0;
  };

  as_on_disk(list, [&](auto& from) { from.store(0, true, disk); });
  detail::list_contents<std::uint64_t> same_list;
  same_list.stored = many;
  same_list.loaded = false;
  CHECK(same_list.expire_stored(0, life, now, disk));
  CHECK_FALSE(same_list.expire_stored(0, life, now, disk));
  CHECK(disk.seen <= 8);
  CHECK(same_list.items.empty());
  CHECK(same_list.size() == many - 3);
  same_list.add(many, true, now);
  same_list.load(0, true, disk);
  CHECK(same_list.items.front() == 3);
  CHECK(same_list.items.size() == many - 2);
  same_list.store(0, true, disk);
  CHECK(disk.writes == 4);

  as_on_disk(map, [&](auto& from) { from.store(0, true, disk); });
  detail::map_contents<std::uint64_t, std::uint64_t> same_map;
  same_map.count = many;
  same_map.complete = false;
  same_map.load_expired(0, life, now, disk);
  CHECK(same_map.expire(life, now));
  CHECK(same_map.entries.size() == 3);
  CHECK(same_map.count == many - 3);
  same_map.store(0, true, disk);
  CHECK(disk.writes == 3);
}

TEST_CASE("a map whose entries only expire does not keep the expired ones, though snapshots ask for changes") {
  const row_column column =
      detail::make_map_column<std::uint64_t, std::uint64_t>("map", state_options(time_to_live{.after = std::chrono::milliseconds{10}}));
  std::unique_ptr<detail::map_contents<std::uint64_t, std::uint64_t>> map =
      std::make_unique<detail::map_contents<std::uint64_t, std::uint64_t>>();
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const change_time at{static_cast<std::int64_t>(i / 10), first_time.version + static_cast<std::uint32_t>(i / 1000), 0};
    map->insert(hash_of(i), i, true, at);
    column.expire(column, 0, reinterpret_cast<std::byte*>(&map), at, nullptr);
    REQUIRE(map->entries.size() <= 300);
  }
  CHECK(map->count == 100);
}
