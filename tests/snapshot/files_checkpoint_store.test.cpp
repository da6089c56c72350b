#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_store.hpp>

#include <snapshot/store_samples.hpp>
#include <support/small_filesystem.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

namespace fs = std::filesystem;
using ids = std::vector<std::uint64_t>;

checkpoint_config files_config(const fs::path& directory, std::uint32_t retained = 2) {
  checkpoint_config config = sample_config(directory, retained);
  config.storage = checkpoint_storage::files;
  return config;
}

fs::path newest_file(const fs::path& directory) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".weir" && entry.path() > newest)
      newest = entry.path();
  return newest;
}

std::string contents_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

} // namespace

TEST_CASE("checkpoints in files come back as they were, as many as are retained") {
  const temporary_directory directory;
  for (std::uint64_t id = 1; id <= 5; ++id)
    expect(store_sample(*open_sample(files_config(directory.path(), 3)), id));
  const auto store = open_sample(files_config(directory.path(), 3));
  CHECK(ids_of(*store) == ids{3, 4, 5});
  for (const std::uint64_t id : {3u, 4u, 5u})
    CHECK(is_sample(expect(store->load(checkpoint_id{id})), id));
  CHECK(fs::file_size(newest_file(directory.path())) >= expect(store->list()).back().bytes);
  CHECK_FALSE(fs::exists(directory / "checkpoints.mdb"));
  CHECK(has(store->load(checkpoint_id{9}).failure(), "it holds 3, 4, 5"));
  CHECK(has(store_sample(*store, 5).failure(), "above 5"));
  expect(store->clear());
  CHECK(ids_of(*store).empty());
}

TEST_CASE("attempts are counted in files, across restarts and deletions") {
  const temporary_directory directory;
  CHECK(expect(open_sample(files_config(directory.path()))->begin_attempt()) == epoch{1});
  const auto store = open_sample(files_config(directory.path()));
  CHECK(expect(store->begin_attempt()) == epoch{2});
  expect(store->clear());
  expect(store->continue_after(epoch{10}));
  expect(store->continue_after(epoch{4}));
  CHECK(expect(store->begin_attempt()) == epoch{11});
}

TEST_CASE("a checkpoint is taken over by the other form of storage, and back, with the attempts") {
  const temporary_directory directory;
  {
    const auto store = open_sample(sample_config(directory.path()));
    CHECK(expect(store->begin_attempt()) == epoch{1});
    for (std::uint64_t id = 1; id <= 3; ++id)
      expect(store_sample(*store, id));
  }
  {
    const auto store = open_sample(files_config(directory.path()));
    CHECK(ids_of(*store) == ids{3});
    CHECK(is_sample(expect(store->load(checkpoint_id{3})), 3));
    CHECK_FALSE(fs::exists(directory / "checkpoints.mdb"));
    CHECK(expect(store->begin_attempt()) > epoch{1});
    expect(store_sample(*store, 4));
  }
  const auto store = open_sample(sample_config(directory.path()));
  CHECK(ids_of(*store) == ids{4});
  CHECK(is_sample(expect(store->load(checkpoint_id{4})), 4));
  CHECK(newest_file(directory.path()).empty());
  CHECK(expect(store->begin_attempt()) > epoch{3});
}

TEST_CASE("the checkpoint that a job is to start from is the one that is taken over") {
  const temporary_directory directory;
  {
    const auto store = open_sample(sample_config(directory.path(), 3));
    for (std::uint64_t id = 1; id <= 3; ++id)
      expect(store_sample(*store, id));
  }
  checkpoint_config config = files_config(directory.path());
  config.restore_from = 2;
  const auto store = open_sample(config);
  CHECK(ids_of(*store) == ids{2});
  CHECK(is_sample(expect(store->load(checkpoint_id{2})), 2));
}

TEST_CASE("another job's files are refused with both names, and left as they are") {
  const temporary_directory directory;
  expect(store_sample(*open_sample(files_config(directory.path())), 1));
  const auto other = checkpoint_store::open("other", files_config(directory.path()));
  REQUIRE_FALSE(other);
  CHECK(other.failure().code == errc::state_mismatch);
  CHECK(has(other.failure(), "\"sample\""));
  CHECK(has(other.failure(), "\"other\""));
  CHECK(ids_of(*open_sample(files_config(directory.path()))) == ids{1});
}

TEST_CASE("whatever byte of a file is changed or cut off, loading is right or an error that offers the older one") {
  const temporary_directory directory;
  const auto store = open_sample(files_config(directory.path()));
  expect(store_sample(*store, 1));
  expect(store_sample(*store, 2));
  const fs::path file = newest_file(directory.path());
  const std::string good = contents_of(file);
  const std::uint32_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  int errors = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    if (i % 4 == 0)
      bad.resize(random() % good.size());
    else
      bad[random() % good.size()] ^= static_cast<char>(1 + random() % 255);
    overwrite(file, bad);
    const auto loaded = store->load(checkpoint_id{2});
    if (loaded) {
      CHECK(is_sample(*loaded, 2));
      continue;
    }
    ++errors;
    CHECK(has(loaded.failure(), file.string()));
    CHECK(has(loaded.failure(), "restore-from = 1"));
    CHECK(store->list());
  }
  CHECK(errors == 300); // every byte counts
  overwrite(file, good);
  CHECK(is_sample(expect(store->load(checkpoint_id{2})), 2));
}

TEST_CASE("whatever byte of an older file is changed or cut off, what refers to it is loaded right or is an error") {
  const temporary_directory directory;
  const auto store = open_sample(files_config(directory.path(), 1));
  for (std::uint64_t id = 1; id <= 3; ++id)
    expect(store_sample(*store, id));
  const fs::path file = directory / "blobs-00000000000000000001.weir";
  const std::string good = contents_of(file);
  const std::uint32_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  int errors = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    if (i % 4 == 0)
      bad.resize(random() % good.size());
    else
      bad[random() % good.size()] ^= static_cast<char>(1 + random() % 255);
    overwrite(file, bad);
    const auto loaded = store->load(checkpoint_id{3});
    if (loaded) {
      CHECK(is_sample(*loaded, 3));
      continue;
    }
    ++errors;
    CHECK(has(loaded.failure(), "key group"));
    CHECK(has(loaded.failure(), file.string()));
  }
  CHECK(errors > 200);
  overwrite(file, good);
  CHECK(is_sample(expect(store->load(checkpoint_id{3})), 3));
}

TEST_CASE("a full disk fails the checkpoint in files and leaves nothing of it") {
  const small_filesystem disk{std::size_t{1} << 20};
  if (!disk.is_mounted()) {
    MESSAGE("SKIPPED: mounting a small tmpfs needs root");
    return;
  }
  const auto store = open_sample(files_config(disk.path()));
  expect(store_sample(*store, 1));
  const auto failed = store_sample(*store, 2, 100);
  REQUIRE_FALSE(failed);
  CHECK(failed.failure().code == errc::capacity);
  CHECK(ids_of(*store) == ids{1});
  CHECK(is_sample(expect(store->load(checkpoint_id{1})), 1));
  for (const auto& entry : fs::directory_iterator(disk.path()))
    CHECK(entry.path().extension() != ".new");
  expect(store_sample(*store, 2));
  expect(store_sample(*store, 3));
  disk.fill();
  CHECK(store_sample(*store, 4).failure().code == errc::capacity);
  CHECK(ids_of(*store) == ids{2, 3});
  CHECK(is_sample(expect(store->load(checkpoint_id{3})), 3));
  disk.empty();
  expect(store_sample(*store, 4));
  CHECK(is_sample(expect(store->load(checkpoint_id{4})), 4));
}

TEST_CASE("what a killed process left unfinished is removed") {
  const temporary_directory directory;
  expect(store_sample(*open_sample(files_config(directory.path())), 1));
  overwrite(directory / ".checkpoint-00000000000000000002.weir.new", "half");
  CHECK(ids_of(*open_sample(files_config(directory.path()))) == ids{1});
  CHECK_FALSE(fs::exists(directory / ".checkpoint-00000000000000000002.weir.new"));
}
