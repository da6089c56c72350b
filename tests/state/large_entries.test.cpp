#include <cstdint>
#include <map>
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
      use(entry);
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

 private:
  std::map<std::uint64_t, std::string> entries_;
};

constexpr std::uint64_t many = 100'000;

} // namespace

TEST_CASE("adding an element to a list of 100,000 on disk reads none of the others and writes none") {
  counted_entries disk;
  detail::list_contents<std::uint64_t> list;
  for (std::uint64_t i = 0; i < many; ++i)
    list.add(i, false, 0);
  list.store(0, false, disk);
  // As it comes from disk: only how many there are.
  detail::list_contents<std::uint64_t> again;
  again.stored = many;
  again.loaded = false;
  disk.writes = disk.reads = disk.scans = 0;
  again.add(many, false, 0);
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
    map.entries[map.insert(hash_of(i), i, false, 0, true)].value = i;
  map.store(0, false, disk);
  detail::map_contents<std::uint64_t, std::uint64_t> again;
  again.count = many;
  again.complete = false;
  disk.writes = disk.reads = disk.scans = 0;
  const std::uint64_t key = 4711;
  const std::uint32_t i = again.find(hash_of(key), key, 0, false, &disk);
  REQUIRE(i != again.none);
  again.entries[i].value = 1;
  again.marks[i] |= again.changed;
  const std::uint64_t added = many;
  CHECK(again.find(hash_of(added), added, 0, false, &disk) == again.none);
  again.insert(hash_of(added), added, false, 0, true);
  again.store(0, false, disk);
  CHECK(disk.reads == 2);
  CHECK(disk.writes == 2);
  CHECK(disk.scans == 0);
  CHECK(again.count == many + 1);
}
