#include <algorithm>
#include <filesystem>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/lmdb_check.hpp>

#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

using ids = std::vector<std::uint64_t>;

error failure_of(const auto& outcome) {
  REQUIRE_FALSE(outcome);
  return outcome.failure();
}

} // namespace

TEST_CASE("a store begins empty, in a directory that it makes") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory / "of/a/job"));
  CHECK(ids_of(*store).empty());
  CHECK(std::filesystem::exists(directory / "of/a/job/checkpoints.mdb"));
  CHECK(std::filesystem::exists(directory / "of/a/job/owner"));
  CHECK_FALSE(std::filesystem::exists(directory / "of/a/job/checkpoints.mdb.new"));
}

TEST_CASE("a checkpoint is loaded as it was stored") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path()));
  const completed_checkpoint stored = expect(store_sample(*store, 7));
  const std::uint64_t size = sample_size(7);
  CHECK(stored.bytes == size);
  CHECK(stored.new_bytes == size);
  const checkpoint_contents loaded = expect(store->load(checkpoint_id{7}));
  CHECK(is_sample(loaded, 7));
  CHECK(loaded.checkpoint.bytes == size);
  CHECK(loaded.checkpoint.last);
}

TEST_CASE("checkpoints survive closing and opening") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path(), 3);
  for (std::uint64_t id = 1; id <= 6; ++id)
    expect(store_sample(*open_sample(config), id));
  const auto store = open_sample(config);
  CHECK(ids_of(*store) == ids{4, 5, 6});
  for (std::uint64_t id = 4; id <= 6; ++id)
    CHECK(is_sample(expect(store->load(checkpoint_id{id})), id));
}

TEST_CASE("a checkpoint without operators, and operators without state, are stored as well") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path()));
  expect(store->store(sample_checkpoint(1), {}));
  CHECK(expect(store->load(checkpoint_id{1})).operators.empty());
  auto bare = std::make_shared<operator_snapshot>();
  bare->uid = "map";
  expect(store->store(sample_checkpoint(2), {bare}));
  const auto loaded = expect(store->load(checkpoint_id{2}));
  REQUIRE(loaded.operators.size() == 1);
  CHECK(equal(loaded.operators[0], *bare));
}

TEST_CASE("as many checkpoints are kept as are to be retained") {
  temporary_directory directory;
  for (const std::uint32_t retained : {1u, 2u, 5u}) {
    const auto store = open_sample(sample_config(directory / std::to_string(retained), retained));
    for (std::uint64_t id = 1; id <= 8; ++id) {
      expect(store_sample(*store, id));
      const ids known = ids_of(*store);
      CHECK(known.size() == std::min<std::uint64_t>(id, retained));
      CHECK(known.back() == id);
    }
  }
}

TEST_CASE("no retained checkpoint is kept when none is asked for but the newest") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path(), 0));
  expect(store_sample(*store, 1));
  expect(store_sample(*store, 2));
  CHECK(ids_of(*store) == ids{2});
}

TEST_CASE("a lower retention takes effect with the next checkpoint") {
  temporary_directory directory;
  {
    const auto store = open_sample(sample_config(directory.path(), 5));
    for (std::uint64_t id = 1; id <= 5; ++id)
      expect(store_sample(*store, id));
  }
  const auto store = open_sample(sample_config(directory.path(), 1));
  CHECK(ids_of(*store) == ids{1, 2, 3, 4, 5});
  expect(store_sample(*store, 6));
  CHECK(ids_of(*store) == ids{6});
}

TEST_CASE("the file stays bounded over 300 checkpoints of a steady state") {
  temporary_directory directory;
  const std::filesystem::path file = directory / "checkpoints.mdb";
  const operator_snapshots steady = sample_snapshots(7, 4);
  std::uint64_t early = 0;
  {
    const auto store = open_sample(sample_config(directory.path()));
    for (std::uint64_t id = 1; id <= 300; ++id) {
      expect(store->store(sample_checkpoint(id), steady));
      if (id == 10)
        early = std::filesystem::file_size(file);
    }
  }
  CHECK(std::filesystem::file_size(file) <= early + early / 4);
  const auto pages = expect(detail::check_lmdb_file(file));
  CHECK(pages.used + pages.free == pages.total);
}

TEST_CASE("the file stays bounded over 300 checkpoints whose parts grow and shrink") {
  temporary_directory directory;
  std::uint64_t largest = 0;
  {
    const auto store = open_sample(sample_config(directory.path()));
    for (std::uint64_t id = 1; id <= 300; ++id)
      largest = std::max(largest, expect(store_sample(*store, id, 4)).bytes);
    CHECK(is_sample(expect(store->load(checkpoint_id{300})), 300, 4));
  }
  CHECK(std::filesystem::file_size(directory / "checkpoints.mdb") <= 8 * largest);
}

TEST_CASE("attempts are counted across restarts, also when the checkpoints are deleted") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path());
  {
    const auto store = open_sample(config);
    CHECK(expect(store->begin_attempt()) == epoch{1});
    CHECK(expect(store->begin_attempt()) == epoch{2});
    expect(store_sample(*store, 1));
  }
  const auto store = open_sample(config);
  CHECK(expect(store->begin_attempt()) == epoch{3});
  expect(store->clear());
  CHECK(ids_of(*store).empty());
  CHECK(expect(store->begin_attempt()) == epoch{4});
  expect(store_sample(*store, 1));
  CHECK(is_sample(expect(store->load(checkpoint_id{1})), 1));
}

TEST_CASE("clearing gives the pages back") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path());
  expect(store_sample(*open_sample(config), 1, 10));
  expect(open_sample(config)->clear());
  const auto pages = expect(detail::check_lmdb_file(directory / "checkpoints.mdb"));
  CHECK(pages.used < 16);
}

TEST_CASE("a checkpoint that is not there is refused with the ones that are") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path()));
  CHECK(has(failure_of(store->load(checkpoint_id{4})), "it holds none"));
  for (std::uint64_t id = 1; id <= 3; ++id)
    expect(store_sample(*store, id));
  const error problem = failure_of(store->load(checkpoint_id{1}));
  CHECK(problem.code == errc::invalid_setting);
  CHECK(has(problem, "there is no checkpoint 1"));
  CHECK(has(problem, "2, 3"));
  CHECK(has(problem, "checkpoint.restore-from"));
}

TEST_CASE("numbers of checkpoints only grow") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path()));
  CHECK(failure_of(store_sample(*store, 0)).code == errc::checkpoint);
  expect(store_sample(*store, 5));
  CHECK(failure_of(store_sample(*store, 5)).code == errc::checkpoint);
  CHECK(failure_of(store_sample(*store, 4)).code == errc::checkpoint);
  CHECK(ids_of(*store) == ids{5});
  CHECK(is_sample(expect(store->load(checkpoint_id{5})), 5));
}

TEST_CASE("a key group that two instances claim is refused by name") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path()));
  operator_snapshots snapshots = sample_snapshots(1);
  auto again = std::make_shared<operator_snapshot>();
  again->uid = "count";
  again->instance = 2;
  again->key_groups.resize(1);
  again->key_groups[0].group = key_group{3};
  again->key_groups[0].entries = 1;
  snapshots.push_back(again);
  const error problem = failure_of(store->store(sample_checkpoint(1), snapshots));
  CHECK(problem.code == errc::checkpoint);
  CHECK(has(problem, "key group 3 of operator \"count\""));
  CHECK(ids_of(*store).empty());
}

TEST_CASE("a store belongs to one job, and another one is told both names") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path());
  expect(store_sample(*open_sample(config), 1));
  checkpoint_config discarding = config;
  discarding.discard = true;
  for (const checkpoint_config& tried : {config, discarding}) {
    const error problem = failure_of(checkpoint_store::open("other", tried));
    CHECK(problem.code == errc::state_mismatch);
    CHECK(has(problem, "\"sample\""));
    CHECK(has(problem, "\"other\""));
  }
  CHECK(ids_of(*open_sample(config)) == ids{1});
}

TEST_CASE("a directory that cannot be made or is not named is an error") {
  temporary_directory directory;
  CHECK(failure_of(checkpoint_store::open("sample", {})).code == errc::invalid_setting);
  const error problem =
      failure_of(checkpoint_store::open("sample", sample_config("/proc/no/such/place")));
  CHECK(problem.code == errc::io);
  CHECK(has(problem, "/proc/no/such/place"));
}

TEST_CASE("a directory is opened once in a process") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path());
  auto store = open_sample(config);
  const error problem = failure_of(checkpoint_store::open("sample", config));
  CHECK(problem.code == errc::in_use);
  CHECK(has(problem, "this very process"));
  store.reset();
  CHECK(checkpoint_store::open("sample", config));
}

TEST_CASE("what a process left that was killed while it made a store is no obstacle") {
  temporary_directory directory;
  for (const char* name : {"checkpoints.mdb.new", "checkpoints.mdb.new-lock"}) {
    std::FILE* file = std::fopen((directory / name).c_str(), "w");
    REQUIRE(file);
    std::fputs("half made", file);
    std::fclose(file);
  }
  expect(store_sample(*open_sample(sample_config(directory.path())), 1));
  CHECK_FALSE(std::filesystem::exists(directory / "checkpoints.mdb.new"));
  CHECK_FALSE(std::filesystem::exists(directory / "checkpoints.mdb.new-lock"));
}
