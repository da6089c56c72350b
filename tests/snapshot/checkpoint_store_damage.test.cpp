#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/state/lmdb.hpp>
#include <weir/snapshot/store_format.hpp>

#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;
namespace fs = std::filesystem;

namespace {

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void write_file(const fs::path& path, std::string_view content) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << content;
}

void store_samples(const checkpoint_config& config, std::uint64_t count) {
  const auto store = open_sample(config);
  for (std::uint64_t id = 1; id <= count; ++id)
    expect(store_sample(*store, id));
}

/// Changes one record of a store behind its back.
void change_record(const fs::path& directory, const char* database, std::string_view key,
                   const auto& change) {
  auto environment = expect(detail::lmdb_environment::open(
      {directory / "checkpoints.mdb", std::uint64_t{64} << 20}, detail::lmdb_durability::durable));
  auto transaction = expect(environment.begin_write());
  const auto handle = expect(transaction.find_database(database)).value();
  const auto found = expect(transaction.read(handle, key));
  std::string value{found.value_or("")};
  change(value);
  expect(transaction.write(handle, key, value));
  expect(transaction.commit());
}

void flip_last_byte(std::string& value) {
  value.back() = static_cast<char>(value.back() ^ 1);
}

/// What the golden files hold: small, with one blob in pages of its own. Key groups are made of the parts of
/// the checkpoints from `first` on.
operator_snapshots golden_snapshots(std::uint64_t id, std::uint64_t first) {
  operator_snapshots all;
  for (const auto& sample : sample_snapshots(id)) {
    auto snapshot = std::make_shared<operator_snapshot>(*sample);
    if (first == id && id != 12)
      snapshot->base = checkpoint_id{id - 1};
    for (auto& group : snapshot->key_groups) {
      group.is_delta = snapshot->base != checkpoint_id{};
      group.data.clear();
      for (std::uint64_t part = first; part <= id; ++part)
        group.data += sample_bytes(part + group.group.value, group.group.value == 3 && part == 12 ? 5000 : 30);
    }
    snapshot->lists.resize(std::min<std::size_t>(snapshot->lists.size(), 1));
    all.push_back(std::move(snapshot));
  }
  return all;
}

error failure_to_open(const checkpoint_config& config) {
  const auto opened = checkpoint_store::open("sample", config);
  REQUIRE_FALSE(opened);
  return opened.failure();
}

} // namespace

TEST_CASE("a damaged blob is named, with the next older checkpoint and how to start from it") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path(), 3);
  store_samples(config, 3);
  const auto key = detail::delta_blob(checkpoint_id{3}, "count", key_group{11}, 2).encoded();
  change_record(directory.path(), "blob", key, flip_last_byte);
  const auto store = open_sample(config);
  const auto loaded = store->load(checkpoint_id{3});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.failure().code == errc::corrupt);
  CHECK(has(loaded.failure(), "checkpoint 3"));
  CHECK(has(loaded.failure(), (directory / "checkpoints.mdb").string()));
  CHECK(has(loaded.failure(), "key group 11 of operator \"count\", instance 1, delta 2: "));
  CHECK(has(loaded.failure(), "checksum"));
  CHECK(has(loaded.failure(), "checkpoint.restore-from = 2"));
  CHECK(has(loaded.failure(), "--checkpoint-restore-from 2"));
  CHECK(is_sample(expect(store->load(checkpoint_id{2})), 2));
}

TEST_CASE("the older checkpoint that is offered is one that can be loaded") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path(), 3);
  store_samples(config, 3);
  const auto blob = [](std::uint64_t id) {
    return detail::list_blob(checkpoint_id{id}, "lines", 1, 1).encoded();
  };
  change_record(directory.path(), "blob", blob(3), [](std::string& value) { value.pop_back(); });
  change_record(directory.path(), "blob", blob(2), flip_last_byte);
  {
    const auto loaded = open_sample(config)->load(checkpoint_id{3});
    REQUIRE_FALSE(loaded);
    CHECK(has(loaded.failure(), "list state \"splits\" of operator \"lines\", instance 1"));
    CHECK(has(loaded.failure(), "length"));
    CHECK(has(loaded.failure(), "--checkpoint-restore-from 1"));
  }
  change_record(directory.path(), "blob", blob(1), flip_last_byte);
  const auto loaded = open_sample(config)->load(checkpoint_id{3});
  REQUIRE_FALSE(loaded);
  CHECK(has(loaded.failure(), "there is no older complete checkpoint"));
  CHECK(has(loaded.failure(), "--checkpoint-discard"));
}

TEST_CASE("a checkpoint with a damaged manifest is listed, and nothing it may need is deleted") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path(), 2);
  store_samples(config, 3);
  change_record(directory.path(), "checkpoint", detail::checkpoint_key(checkpoint_id{3}),
                flip_last_byte);
  const auto store = open_sample(config);
  CHECK(ids_of(*store) == std::vector<std::uint64_t>{2, 3});
  const auto loaded = store->load(checkpoint_id{3});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.failure().code == errc::corrupt);
  CHECK(has(loaded.failure(), "its manifest"));
  CHECK(has(loaded.failure(), "--checkpoint-restore-from 2"));

  expect(store_sample(*store, 4));
  CHECK(ids_of(*store) == std::vector<std::uint64_t>{2, 3, 4});
  CHECK(is_sample(expect(store->load(checkpoint_id{2})), 2));
  expect(store_sample(*store, 5));
  CHECK(ids_of(*store) == std::vector<std::uint64_t>{4, 5});
}

TEST_CASE("a store of another format version is refused with both versions, and left as it is") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path());
  store_samples(config, 2);
  change_record(directory.path(), "meta", "format", [](std::string& value) {
    value =
        detail::sealed(std::string{detail::checkpoint_format_magic} + std::string("\x09\0\0\0", 4));
  });
  const std::string before = read_file(directory / "checkpoints.mdb");
  const error problem = failure_to_open(config);
  CHECK(problem.code == errc::wrong_version);
  CHECK(has(problem, "format 9"));
  CHECK(has(problem, "format 4"));
  CHECK(has(problem, "checkpoint.discard"));
  CHECK(read_file(directory / "checkpoints.mdb") == before);
}

TEST_CASE("a record that says what the store is, is not trusted when it is damaged") {
  for (const char* record : {"format", "job", "attempt"}) {
    temporary_directory directory;
    const checkpoint_config config = sample_config(directory.path());
    store_samples(config, 1);
    change_record(directory.path(), "meta", record, flip_last_byte);
    const auto opened = checkpoint_store::open("sample", config);
    if (opened) { // the count of attempts is first needed here
      const auto attempt = (*opened)->begin_attempt();
      REQUIRE_FALSE(attempt);
      CHECK(has(attempt.failure(), "\"attempt\""));
      continue;
    }
    CHECK(opened.failure().code == errc::corrupt);
    CHECK(has(opened.failure(), "\"" + std::string{record} + "\""));
  }
}

TEST_CASE("an LMDB file of another program is refused and left as it is") {
  temporary_directory directory;
  {
    auto environment = expect(detail::lmdb_environment::open(
        {directory / "checkpoints.mdb", std::uint64_t{1} << 20}, detail::lmdb_durability::durable));
    auto transaction = expect(environment.begin_write());
    const auto database = expect(transaction.create_database("recipes"));
    expect(transaction.write(database, "soup", "water"));
    expect(transaction.commit());
  }
  const std::string before = read_file(directory / "checkpoints.mdb");
  const error problem = failure_to_open(sample_config(directory.path()));
  CHECK(problem.code == errc::corrupt);
  CHECK(has(problem, "another program"));
  CHECK(read_file(directory / "checkpoints.mdb") == before);
}

TEST_CASE(
    "an emptied or foreign file is refused; with discard it is set aside, and a new store begins") {
  for (const std::string& content :
       {std::string{}, std::string{"not a database"}, std::string(20000, '\0')}) {
    temporary_directory directory;
    checkpoint_config config = sample_config(directory.path());
    write_file(directory / "checkpoints.mdb", content);
    const error problem = failure_to_open(config);
    CHECK(problem.code == errc::corrupt);
    CHECK(has(problem, (directory / "checkpoints.mdb").string()));
    CHECK(has(problem, "--checkpoint-discard"));
    CHECK(read_file(directory / "checkpoints.mdb") == content);
    config.discard = true;
    expect(store_sample(*open_sample(config), 1));
    CHECK(read_file(directory / "checkpoints.mdb.set-aside") == content);
  }
}

TEST_CASE("a garbled lock file of LMDB loses nothing") {
  temporary_directory directory;
  const checkpoint_config config = sample_config(directory.path());
  store_samples(config, 2);
  std::uint64_t newest = 2;
  for (const std::string& content :
       {std::string{}, std::string{"x"}, sample_bytes(1, 100), sample_bytes(2, 8192),
        sample_bytes(3, 16384), sample_bytes(4, 100001), std::string(8192, '\xFF')}) {
    write_file(directory / "checkpoints.mdb-lock", content);
    const auto store = open_sample(config);
    CHECK(is_sample(expect(store->load(checkpoint_id{newest})), newest));
    expect(store_sample(*store, ++newest));
    CHECK(is_sample(expect(store->load(checkpoint_id{newest})), newest));
  }
}

TEST_CASE("a blob whose bytes are overwritten while the store is open is named when it is loaded") {
  temporary_directory directory;
  const auto store = open_sample(sample_config(directory.path()));
  expect(store_sample(*store, 1, 8));
  expect(store_sample(*store, 2, 8));
  std::fstream file{directory / "checkpoints.mdb", std::ios::binary | std::ios::in | std::ios::out};
  file.seekp(40960);
  file << std::string(4096, '\0') << std::flush;
  int failed = 0;
  for (const std::uint64_t id : {1u, 2u}) {
    const auto loaded = store->load(checkpoint_id{id});
    failed += !loaded;
    if (loaded)
      CHECK(is_sample(*loaded, id, 8));
    else
      CHECK(has(loaded.failure(), "of operator"));
  }
  CHECK(failed > 0);
}

TEST_CASE("a store of format 1, 2 or 3, which were never released, is refused by its version") {
  for (const std::string version : {"1", "2", "3"}) {
    temporary_directory directory;
    fs::copy_file(fs::path{__FILE__}.parent_path() / "data" / ("format-" + version + ".mdb"),
                  directory / "checkpoints.mdb");
    const auto store = checkpoint_store::open("sample", sample_config(directory.path()));
    REQUIRE(!store);
    CHECK(store.failure().code == errc::wrong_version);
    CHECK(has(store.failure(), "format " + version));
    CHECK(has(store.failure(), "format 4"));
  }
}

TEST_CASE("a store of format 4 loads, with key groups of several parts") {
  temporary_directory directory;
  const fs::path golden = fs::path{__FILE__}.parent_path() / "data" / "format-4.mdb";
  fs::copy_file(golden, directory / "checkpoints.mdb");
  const auto store = open_sample(sample_config(directory.path()));
  CHECK(ids_of(*store) == std::vector<std::uint64_t>{13, 14});
  for (const std::uint64_t id : {13u, 14u}) {
    const auto loaded = expect(store->load(checkpoint_id{id}));
    CHECK(loaded.checkpoint.completed_at_ms == sample_checkpoint(id).completed_at_ms);
    CHECK(loaded.checkpoint.attempt == epoch{1});
    const auto expected = golden_snapshots(id, 12);
    REQUIRE(loaded.operators.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(equal(loaded.operators[i], *expected[i]));
    CHECK(loaded.operators[1].key_groups[3].chain.base_bytes == 5000);
    CHECK(loaded.operators[1].key_groups[3].chain.deltas == id - 12);
  }
  CHECK(expect(store->begin_attempt()) == epoch{3});
}

TEST_CASE("helper: writes the store of the current format into WEIR_TEST_DIRECTORY" *
          doctest::skip()) {
  const char* directory = std::getenv("WEIR_TEST_DIRECTORY");
  if (!directory)
    return;
  const auto store = open_sample(sample_config(directory));
  expect(store->begin_attempt());
  expect(store->begin_attempt());
  for (std::uint64_t id = 12; id <= 14; ++id)
    expect(store->store(sample_checkpoint(id), golden_snapshots(id, id)));
}
