#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include <weir/base/log.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t page_size = 4096;

class mutator {
 public:
  explicit mutator(std::uint32_t seed) : random_(seed) {}

  /// Damages a copy of a sound file in one of the ways in which disks, copies and programs do.
  std::string damage(std::string file) {
    switch (below(10)) {
    case 0: flip_bits(file, 0, file.size(), 1); break;
    case 1: flip_bits(file, 0, file.size(), 1 + below(64)); break;
    case 2: flip_bits(file, 0, 2 * page_size, 1); break;
    case 3: flip_bits(file, page_of(file), 64, 1 + below(3)); break;
    case 4: flip_bits(file, page_of(file), page_size, 1 + below(3)); break;
    case 5: file.resize(below(file.size())); break;
    case 6: file.resize(page_of(file)); break;
    case 7: fill(file, page_of(file), page_size, true); break;
    case 8: fill(file, page_of(file) + below(page_size), 1 + below(600), below(2) == 0); break;
    default: std::memcpy(&file[page_of(file)], &file[page_of(file)], page_size); break;
    }
    return file;
  }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::size_t page_of(const std::string& file) {
    return below(file.size() / page_size) * page_size;
  }
  void flip_bits(std::string& file, std::size_t from, std::size_t size, std::size_t count) {
    for (; count > 0; --count) {
      char& c = file[from + below(std::min(size, file.size() - from))];
      c = static_cast<char>(c ^ (1 << below(8)));
    }
  }
  void fill(std::string& file, std::size_t from, std::size_t size, bool zeroes) {
    for (std::size_t i = from; i < std::min(file.size(), from + size); ++i)
      file[i] = zeroes ? '\0' : static_cast<char>(random_());
  }

  std::mt19937 random_;
};

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

/// Opens a store that may be damaged, and uses it in every way. Whatever it gives out must be
/// right. Returns whether the newest checkpoint was.
bool use(const checkpoint_config& config) {
  const auto opened = checkpoint_store::open("sample", config);
  if (!opened) {
    CHECK(opened.failure().message.size() > 40);
    return false;
  }
  checkpoint_store& store = **opened;
  const auto attempt = store.begin_attempt();
  if (attempt)
    CHECK(*attempt == epoch{2});
  const auto known = store.list();
  if (!known)
    return false;
  bool whole = false;
  for (const std::uint64_t id : {4u, 5u, 6u}) {
    const auto loaded = store.load(checkpoint_id{id});
    if (loaded)
      CHECK(is_sample(*loaded, id, 2));
    whole = loaded.has_value();
  }
  // A job starts from the newest: that must not silently be an older one.
  REQUIRE_FALSE(known->empty());
  const checkpoint_id newest = known->back().id;
  if (newest != checkpoint_id{6})
    CHECK_FALSE(store.load(newest));
  const auto stored = store.store(sample_checkpoint(newest.value + 1), sample_snapshots(7));
  if (stored && store.store(sample_checkpoint(newest.value + 2), sample_snapshots(8, 1, newest.value + 1))) {
    const auto loaded = store.load(newest.next());
    REQUIRE(loaded);
    CHECK(loaded->operators.size() == 4);
    const auto added = store.load(newest.next().next());
    REQUIRE(added);
    const auto expected = sample_snapshots(8);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(equal(added->operators[i], *expected[i]));
  }
  return whole;
}

} // namespace

TEST_CASE(
    "whatever happens to a file, what it gives out is right or an error, and nothing crashes") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path(), 3);
  {
    const auto store = open_sample(config);
    expect(store->begin_attempt());
    for (std::uint64_t id = 1; id <= 6; ++id)
      expect(store_sample(*store, id, 2));
  }
  const fs::path file = directory / "checkpoints.mdb";
  const std::string sound = read_file(file);
  REQUIRE(use(config));

  const int first = setting("WEIR_SEED", 1);
  const int rounds = setting("WEIR_ROUNDS", 400);
  MESSAGE("seeds " << first << " to " << first + rounds - 1 << " (WEIR_SEED, WEIR_ROUNDS)");
  configure_log(log_level::off, log_format::text);
  int whole = 0;
  for (int seed = first; seed < first + rounds; ++seed) {
    INFO("seed " << seed);
    std::ofstream{directory / "seed"} << seed;
    std::ofstream{file, std::ios::binary | std::ios::trunc}
        << mutator{static_cast<std::uint32_t>(seed)}.damage(sound);
    whole += use(config);
  }
  configure_log(log_level::info, log_format::text);
  MESSAGE("the newest checkpoint was whole in " << whole << " of " << rounds);
}
