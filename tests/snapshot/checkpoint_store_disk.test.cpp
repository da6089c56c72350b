#include <filesystem>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_store.hpp>

#include <snapshot/store_samples.hpp>
#include <support/small_filesystem.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;

TEST_CASE("a full disk is an error, keeps what was stored, and is over when there is space again") {
  const small_filesystem disk{std::size_t{4} << 20};
  if (!disk.is_mounted()) {
    MESSAGE("SKIPPED: mounting a small tmpfs needs root");
    return;
  }
  const checkpoint_config config = sample_config(disk.path());
  auto store = open_sample(config);
  expect(store_sample(*store, 1));
  expect(store_sample(*store, 2));
  disk.fill();
  for (std::uint64_t id = 3; id <= 5; ++id) {
    const auto full = store_sample(*store, id, 20);
    REQUIRE_FALSE(full);
    CHECK(full.failure().code == errc::capacity);
    CHECK(has(full.failure(), "checkpoint " + std::to_string(id)));
    CHECK(has(full.failure(), (disk.path() / "checkpoints.mdb").string()));
    CHECK(has(full.failure(), "No space left on device"));
    CHECK(has(full.failure(), "free some space"));
    for (const std::uint64_t before : {1u, 2u})
      CHECK(is_sample(expect(store->load(checkpoint_id{before})), before));
  }
  store.reset();
  store = open_sample(config);
  CHECK(is_sample(expect(store->load(checkpoint_id{2})), 2));
  disk.empty();
  expect(store_sample(*store, 6, 20));
  CHECK(ids_of(*store) == std::vector<std::uint64_t>{2, 6});
  CHECK(is_sample(expect(store->load(checkpoint_id{6})), 6, 20));
}

TEST_CASE("a store that has no room to begin is an error, and begins when there is") {
  const small_filesystem disk{std::size_t{1} << 20};
  if (!disk.is_mounted()) {
    MESSAGE("SKIPPED: mounting a small tmpfs needs root");
    return;
  }
  disk.fill();
  const auto full = checkpoint_store::open("sample", sample_config(disk.path()));
  REQUIRE_FALSE(full);
  CHECK(full.failure().code == errc::capacity);
  CHECK(has(full.failure(), "No space left on device"));
  disk.empty();
  expect(store_sample(*open_sample(sample_config(disk.path())), 1));
}

TEST_CASE("a store that has no room to be opened again is an error, and loses nothing") {
  const small_filesystem disk{std::size_t{1} << 20};
  if (!disk.is_mounted()) {
    MESSAGE("SKIPPED: mounting a small tmpfs needs root");
    return;
  }
  expect(store_sample(*open_sample(sample_config(disk.path())), 1));
  std::filesystem::remove(disk.path() / "checkpoints.mdb-lock");
  disk.fill();
  const auto full = checkpoint_store::open("sample", sample_config(disk.path()));
  REQUIRE_FALSE(full);
  CHECK(full.failure().code == errc::capacity);
  disk.empty();
  CHECK(is_sample(expect(open_sample(sample_config(disk.path()))->load(checkpoint_id{1})), 1));
}

TEST_CASE("a file at its largest size is an error that names the setting, and loses nothing") {
  temporary_directory directory;
  checkpoint_config config = sample_config(directory.path());
  config.map_size = std::uint64_t{1} << 20;
  {
    const auto store = open_sample(config);
    expect(store_sample(*store, 1));
    const auto full = store_sample(*store, 2, 40);
    REQUIRE_FALSE(full);
    CHECK(full.failure().code == errc::capacity);
    CHECK(has(full.failure(), "1MiB"));
    CHECK(has(full.failure(), "checkpoint.map-size"));
    CHECK(is_sample(expect(store->load(checkpoint_id{1})), 1));
    expect(store_sample(*store, 3));
  }
  config.map_size = std::uint64_t{64} << 20;
  const auto store = open_sample(config);
  expect(store_sample(*store, 4, 40));
  CHECK(is_sample(expect(store->load(checkpoint_id{3})), 3));
  CHECK(is_sample(expect(store->load(checkpoint_id{4})), 4, 40));
}
