#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>

#include <sys/resource.h>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_file.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/manifest.hpp>
#include <weir/snapshot/store_format.hpp>
#include <weir/state/lmdb.hpp>

#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;
namespace fs = std::filesystem;

namespace {

using ids = std::vector<std::uint64_t>;

constexpr checkpoint_storage both_forms[] = {checkpoint_storage::lmdb_file, checkpoint_storage::files};

checkpoint_config config_of(const fs::path& directory, checkpoint_storage form, std::uint32_t retained = 2) {
  checkpoint_config config = sample_config(directory, retained);
  config.storage = form;
  return config;
}

std::uint32_t seed_of_test() {
  const char* given = std::getenv("WEIR_SEED");
  const std::uint32_t seed = given ? static_cast<std::uint32_t>(std::atoi(given)) : std::random_device{}();
  MESSAGE("seed " << seed << " (set WEIR_SEED to repeat it)");
  return seed;
}

key_group_snapshot whole(std::uint32_t group, bytes data, std::uint64_t entries = 1) {
  key_group_snapshot made;
  made.group = key_group{group};
  made.entries = entries;
  made.data = std::move(data);
  return made;
}

key_group_snapshot delta(std::uint32_t group, bytes data, std::uint64_t entries = 1) {
  key_group_snapshot made = whole(group, std::move(data), entries);
  made.is_delta = true;
  return made;
}

/// Says only when it is read what it is.
key_group_snapshot late(key_group_snapshot what) {
  struct kept final : group_source {
    key_group_snapshot what;
    result<key_group_snapshot> read(key_group) const override { return what; }
  };
  auto source = std::make_shared<kept>();
  key_group_snapshot made;
  made.group = what.group;
  source->what = std::move(what);
  made.source = std::move(source);
  return made;
}

std::shared_ptr<operator_snapshot> counting(std::uint64_t base, std::vector<key_group_snapshot> groups,
                                            std::uint32_t instance = 0, std::uint32_t parallelism = 1) {
  auto made = std::make_shared<operator_snapshot>();
  made->uid = "count";
  made->instance = instance;
  made->parallelism = parallelism;
  made->base = checkpoint_id{base};
  made->key_type = "string";
  made->keyed_states = {{"n", "value", "u64", false}};
  made->key_groups = std::move(groups);
  return made;
}

result<completed_checkpoint> store_groups(checkpoint_store& store, std::uint64_t id, std::uint64_t base,
                                          std::vector<key_group_snapshot> groups, std::uint64_t keep_from = 0) {
  return store.store(sample_checkpoint(id), {counting(base, std::move(groups))}, checkpoint_id{keep_from});
}

/// What a checkpoint holds, by key group.
std::map<std::uint32_t, bytes> groups_in(checkpoint_store& store, std::uint64_t id) {
  std::map<std::uint32_t, bytes> found;
  for (const operator_snapshot& one : expect(store.load(checkpoint_id{id})).operators)
    for (const key_group_snapshot& group : one.key_groups) {
      CHECK_FALSE(group.is_delta);
      CHECK(found.emplace(group.group.value, read_now(group).data).second);
    }
  return found;
}

using contents = std::map<std::uint32_t, bytes>;

delta_chain chain_of(checkpoint_store& store, std::uint64_t id) {
  return expect(store.load(checkpoint_id{id})).operators.at(0).key_groups.at(0).chain;
}

error failure_of(const auto& outcome) {
  REQUIRE_FALSE(outcome);
  return outcome.failure();
}

/// Runs use(environment, transaction) on a store file that nobody has open.
void with_transaction(const fs::path& directory, const auto& use) {
  auto environment = expect(detail::lmdb_environment::open(
      {directory / "checkpoints.mdb", std::uint64_t{256} << 20}, detail::lmdb_durability::durable));
  auto transaction = expect(environment.begin_write());
  use(transaction);
  expect(transaction.commit());
}

std::set<std::string> keys_of(const detail::manifest& from) {
  std::set<std::string> keys;
  for (const auto& part : from.operators) {
    for (const auto& group : part.key_groups)
      for (const auto& blob : group.blobs)
        keys.insert(blob.key.encoded());
    for (const auto& list : part.lists)
      keys.insert(list.blob.key.encoded());
  }
  return keys;
}

/// Checks that a closed LMDB store holds the blobs that its manifests refer to and no others. Returns their
/// number.
std::size_t check_blobs(const fs::path& directory) {
  std::set<std::string> needed;
  std::set<std::string> found;
  with_transaction(directory, [&](detail::lmdb_transaction& transaction) {
    const auto each = [&](const char* database, const auto& use) {
      auto cursor = expect(transaction.cursor(expect(transaction.find_database(database)).value()));
      for (bool here = expect(cursor.first()); here; here = expect(cursor.next()))
        use(cursor);
    };
    each("checkpoint", [&](const detail::lmdb_cursor& at) {
      needed.merge(keys_of(expect(detail::decode_manifest(expect(detail::unsealed(at.value()))))));
    });
    each("blob", [&](const detail::lmdb_cursor& at) { found.emplace(at.key()); });
  });
  CHECK(found == needed);
  return found.size();
}

std::set<std::string> weir_files(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".weir")
      names.insert(entry.path().filename().string());
  return names;
}

std::string file_name(const char* begin, std::uint64_t id) {
  std::string number = std::to_string(id);
  return begin + std::string(20 - number.size(), '0') + number + ".weir";
}

/// Checks that of the files which are only there for their blobs each is needed.
void check_files(const fs::path& directory) {
  std::set<std::string> needed;
  for (const std::string& name : weir_files(directory))
    if (name.starts_with("checkpoint-"))
      for (const std::string& key : keys_of(expect(detail::checkpoint_file::open(directory / name)).content()))
        needed.insert(file_name("blobs-", detail::checkpoint_of_key(key.substr(0, 8)).value));
  for (const std::string& name : weir_files(directory))
    if (name.starts_with("blobs-"))
      CHECK(needed.contains(name));
}

std::uint64_t size_of(const fs::path& directory) {
  std::uint64_t size = 0;
  for (const std::string& name : weir_files(directory))
    size += fs::file_size(directory / name);
  return size;
}

} // namespace

TEST_CASE("a checkpoint of deltas is loaded as what it adds to, with the deltas in their order behind it") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    {
      const auto store = open_sample(config_of(directory.path(), form));
      CHECK(expect(store_groups(*store, 1, 0, {whole(0, "base"), whole(7, "seven")})).new_bytes == 9);
      const auto second = expect(store_groups(*store, 2, 1, {delta(0, "+2"), late(delta(7, "+seven"))}));
      if (form == checkpoint_storage::lmdb_file) // of files this small, parts are copied
        CHECK(second.new_bytes == 8);
      CHECK(second.bytes == 17);
    }
    const auto store = open_sample(config_of(directory.path(), form));
    expect(store_groups(*store, 3, 2, {late(delta(0, "+3")), delta(7, "")}));
    const auto fourth = expect(store_groups(*store, 4, 3, {delta(0, "+4"), delta(7, "!")}));
    if (form == checkpoint_storage::lmdb_file)
      CHECK(fourth.new_bytes == 3);
    CHECK(fourth.bytes == 22);
    CHECK(ids_of(*store) == ids{3, 4});
    CHECK(expect(store->list()).back().bytes == 22);
    CHECK(expect(store->list()).back().new_bytes == 0);
    CHECK(groups_in(*store, 3) == contents{{0, "base+2+3"}, {7, "seven+seven"}});
    CHECK(groups_in(*store, 4) == contents{{0, "base+2+3+4"}, {7, "seven+seven!"}});
    const delta_chain chain = chain_of(*store, 4);
    CHECK(chain.base_bytes == 4);
    CHECK(chain.delta_bytes == 6);
    CHECK(chain.deltas == 3);
  }
}

TEST_CASE("what is written whole begins anew, and takes nothing of its base") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    const auto store = open_sample(config_of(directory.path(), form, 1));
    expect(store_groups(*store, 1, 0, {whole(0, "one"), whole(1, "other")}));
    expect(store_groups(*store, 2, 1, {delta(0, "+two"), delta(1, "")}));
    expect(store_groups(*store, 3, 2, {whole(0, "three"), late(whole(1, ""))}));
    CHECK(groups_in(*store, 3) == contents{{0, "three"}, {1, ""}});
    CHECK(chain_of(*store, 3).base_bytes == 5);
    CHECK(chain_of(*store, 3).deltas == 0);
    if (form == checkpoint_storage::files)
      CHECK(weir_files(directory.path()) == std::set{file_name("checkpoint-", 3)});
  }
  const temporary_directory directory;
  {
    const auto store = open_sample(config_of(directory.path(), checkpoint_storage::lmdb_file, 1));
    expect(store_groups(*store, 1, 0, {whole(0, "one"), whole(1, "other")}));
    expect(store_groups(*store, 2, 1, {delta(0, "+two"), whole(1, "other")}));
  }
  CHECK(check_blobs(directory.path()) == 3);
  expect(store_groups(*open_sample(config_of(directory.path(), checkpoint_storage::lmdb_file, 1)), 3, 2,
                      {whole(0, "three"), delta(1, "")}));
  CHECK(check_blobs(directory.path()) == 2);
}

TEST_CASE("a checkpoint in which nothing has changed writes no blob") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    const auto store = open_sample(config_of(directory.path(), form, 1));
    expect(store_groups(*store, 1, 0, {whole(0, sample_bytes(1, 5000))}));
    for (std::uint64_t id = 2; id <= 20; ++id) {
      const auto stored = expect(store_groups(*store, id, id - 1, {late(delta(0, "", 5))}));
      CHECK(stored.new_bytes == 0);
      CHECK(stored.bytes == 5000);
    }
    CHECK(groups_in(*store, 20) == contents{{0, sample_bytes(1, 5000)}});
    CHECK(expect(store->load(checkpoint_id{20})).operators[0].key_groups[0].entries == 5);
  }
}

TEST_CASE("a key group comes and goes: the first that is written of it may be a delta") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    const auto store = open_sample(config_of(directory.path(), form));
    expect(store_groups(*store, 1, 0, {whole(0, "zero"), whole(1, "left out", 0)}));
    CHECK(groups_in(*store, 1) == contents{{0, "zero"}});
    expect(store_groups(*store, 2, 1, {delta(0, "-"), delta(1, "new"), delta(2, "")}));
    CHECK(groups_in(*store, 2) == contents{{0, "zero-"}, {1, "new"}});
    expect(store_groups(*store, 3, 2, {delta(0, "gone", 0), delta(1, "er")}));
    CHECK(groups_in(*store, 3) == contents{{1, "newer"}});
    CHECK(chain_of(*store, 3).base_bytes == 0);
    CHECK(chain_of(*store, 3).deltas == 2);
    expect(store_groups(*store, 4, 3, {delta(0, "again"), delta(1, "")}));
    CHECK(groups_in(*store, 4) == contents{{0, "again"}, {1, "newer"}});
  }
}

TEST_CASE("a delta finds its key group with whichever instance had it") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    const auto store = open_sample(config_of(directory.path(), form));
    expect(store->store(sample_checkpoint(1), {counting(0, {whole(0, "a")}, 0, 2), counting(0, {whole(1, "b")}, 1, 2)}));
    expect(store_groups(*store, 2, 1, {delta(0, "A"), delta(1, "B")}));
    expect(store->store(sample_checkpoint(3), {counting(2, {delta(1, "2")}, 0, 2), counting(2, {delta(0, "1")}, 1, 2)}));
    CHECK(groups_in(*store, 3) == contents{{0, "aA1"}, {1, "bB2"}});
  }
}

TEST_CASE("of the same key group one instance with everything and one with a delta are refused") {
  const temporary_directory directory;
  const auto store = open_sample(config_of(directory.path(), checkpoint_storage::lmdb_file));
  expect(store_groups(*store, 1, 0, {whole(0, "a")}));
  const error problem = failure_of(store->store(
      sample_checkpoint(2), {counting(1, {delta(0, "A")}, 0, 2), counting(0, {whole(0, "b")}, 1, 2)}));
  CHECK(problem.code == errc::checkpoint);
  CHECK(has(problem, "key group 0 of operator \"count\""));
}

TEST_CASE("what a pending checkpoint adds to is kept as long as the store is told so") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    const auto store = open_sample(config_of(directory.path(), form, 1));
    expect(store_groups(*store, 1, 0, {whole(0, "one")}));
    expect(store_groups(*store, 2, 1, {delta(0, "+2")}, 1));
    expect(store_groups(*store, 3, 2, {delta(0, "+3")}, 1));
    CHECK(ids_of(*store) == ids{1, 2, 3});
    expect(store_groups(*store, 4, 1, {delta(0, "+4")}, 2));
    CHECK(ids_of(*store) == ids{2, 3, 4});
    CHECK(groups_in(*store, 4) == contents{{0, "one+4"}});
    CHECK(groups_in(*store, 3) == contents{{0, "one+2+3"}});
    expect(store_groups(*store, 5, 3, {delta(0, "+5")}));
    CHECK(ids_of(*store) == ids{5});
    CHECK(groups_in(*store, 5) == contents{{0, "one+2+3+5"}});
  }
}

TEST_CASE("a checkpoint may add to an older one than the newest, as after a start from it") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    {
      const auto store = open_sample(config_of(directory.path(), form, 9));
      expect(store_groups(*store, 1, 0, {whole(0, "1")}));
      for (std::uint64_t id = 2; id <= 5; ++id)
        expect(store_groups(*store, id, id - 1, {delta(0, std::to_string(id))}));
    }
    const auto store = open_sample(config_of(directory.path(), form, 1));
    expect(store_groups(*store, 6, 2, {delta(0, "6")}, 2));
    CHECK(groups_in(*store, 2) == contents{{0, "12"}});
    expect(store_groups(*store, 7, 6, {delta(0, "7")}));
    CHECK(ids_of(*store) == ids{7});
    CHECK(groups_in(*store, 7) == contents{{0, "1267"}});
  }
}

TEST_CASE("a base that is missing fails the checkpoint, says which, and leaves the others of use") {
  for (const auto form : both_forms) {
    const temporary_directory directory;
    const auto store = open_sample(config_of(directory.path(), form));
    expect(store_groups(*store, 3, 0, {whole(0, "three")}));
    for (const std::uint64_t base : {2u, 4u}) {
      const error problem = failure_of(store_groups(*store, 5, base, {late(delta(0, "+"))}));
      CHECK(problem.code == errc::corrupt);
      CHECK(has(problem, "checkpoint 5 could not be stored: key group 0 of operator \"count\""));
      CHECK(has(problem, "checkpoint " + std::to_string(base) + ", and that checkpoint cannot be added to"));
    }
    CHECK(failure_of(store_groups(*store, 5, 0, {delta(0, "+")})).code == errc::checkpoint);
    CHECK(ids_of(*store) == ids{3});
    CHECK(groups_in(*store, 3) == contents{{0, "three"}});
    expect(store_groups(*store, 5, 4, {late(whole(0, "five"))}));
    CHECK(groups_in(*store, 5) == contents{{0, "five"}});
  }
}

TEST_CASE("a base whose states are others is not added to") {
  const temporary_directory directory;
  const auto store = open_sample(config_of(directory.path(), checkpoint_storage::lmdb_file));
  expect(store_groups(*store, 1, 0, {whole(0, "one")}));
  auto changed = counting(1, {delta(0, "+")});
  changed->keyed_states.push_back({"m", "value", "u64", false});
  const error problem = failure_of(store->store(sample_checkpoint(2), {changed}));
  CHECK(problem.code == errc::checkpoint);
  CHECK(has(problem, "other keyed states"));
  CHECK(ids_of(*store) == ids{1});
}

TEST_CASE("a damaged base, and a missing part of a sound one, fail the checkpoint that adds to them") {
  const temporary_directory directory;
  const checkpoint_config config = config_of(directory.path(), checkpoint_storage::lmdb_file, 3);
  {
    const auto store = open_sample(config);
    expect(store_groups(*store, 1, 0, {whole(0, "one"), whole(1, "other")}));
    expect(store_groups(*store, 2, 0, {whole(0, "two")}));
  }
  with_transaction(directory.path(), [](detail::lmdb_transaction& transaction) {
    const auto checkpoints = expect(transaction.find_database("checkpoint")).value();
    expect(transaction.write(checkpoints, detail::checkpoint_key(checkpoint_id{2}), "no manifest"));
    const auto blobs = expect(transaction.find_database("blob")).value();
    CHECK(expect(transaction.erase(
        blobs, detail::key_group_blob(checkpoint_id{1}, "count", key_group{1}).encoded())));
  });
  const auto store = open_sample(config);
  const error damaged = failure_of(store_groups(*store, 3, 2, {delta(0, "+")}));
  CHECK(damaged.code == errc::corrupt);
  CHECK(has(damaged, "checkpoint 2, and that checkpoint cannot be added to: its manifest"));
  const error missing = failure_of(store_groups(*store, 3, 1, {delta(0, "+"), delta(1, "+")}));
  CHECK(missing.code == errc::corrupt);
  CHECK(has(missing, "key group 1 of operator \"count\", the part from checkpoint 1: it is missing"));
  expect(store_groups(*store, 3, 1, {delta(0, "+"), whole(1, "another")}));
  CHECK(groups_in(*store, 3) == contents{{0, "one+"}, {1, "another"}});
}

TEST_CASE("a damaged delta is named, and an older checkpoint is offered only if all of its parts are sound") {
  const temporary_directory directory;
  const checkpoint_config config = config_of(directory.path(), checkpoint_storage::lmdb_file, 9);
  {
    const auto store = open_sample(config);
    expect(store_groups(*store, 1, 0, {whole(3, "one")}));
    for (std::uint64_t id = 2; id <= 5; ++id)
      expect(store_groups(*store, id, id - 1, {delta(3, "+" + std::to_string(id))}));
  }
  with_transaction(directory.path(), [](detail::lmdb_transaction& transaction) {
    const auto blobs = expect(transaction.find_database("blob")).value();
    const auto key = detail::delta_blob(checkpoint_id{3}, "count", key_group{3}, 2).encoded();
    std::string value{expect(transaction.read(blobs, key)).value()};
    value.back() ^= 1;
    expect(transaction.write(blobs, key, value));
  });
  const auto store = open_sample(config);
  const error problem = failure_of(store->load(checkpoint_id{5}));
  CHECK(has(problem, "key group 3 of operator \"count\", instance 0, delta 2: its checksum does not fit"));
  CHECK(has(problem, "checkpoint.restore-from = 2"));
  CHECK(groups_in(*store, 2) == contents{{3, "one+2"}});
}

TEST_CASE("with checkpoints as files, the damaged or missing file of an older part is named") {
  const temporary_directory directory;
  const checkpoint_config config = config_of(directory.path(), checkpoint_storage::files, 1);
  const auto store = open_sample(config);
  const bytes large = sample_bytes(1, 3000);
  expect(store_groups(*store, 1, 0, {whole(3, large)}));
  expect(store_groups(*store, 2, 1, {delta(3, "+2")}));
  const fs::path older = directory / file_name("blobs-", 1);
  REQUIRE(weir_files(directory.path()) ==
          std::set{file_name("blobs-", 1), file_name("checkpoint-", 2)});
  CHECK(ids_of(*store) == ids{2});
  {
    std::fstream file(older, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(100);
    file << "XXX";
  }
  error problem = failure_of(store->load(checkpoint_id{2}));
  CHECK(problem.code == errc::corrupt);
  CHECK(has(problem, (directory / file_name("checkpoint-", 2)).string() + " is damaged"));
  CHECK(has(problem, "key group 3 of operator \"count\", instance 0: in " + older.string() +
                         ": its checksum does not fit"));
  fs::remove(older);
  problem = failure_of(store->load(checkpoint_id{2}));
  CHECK(problem.code == errc::corrupt);
  CHECK(has(problem, file_name("blobs-", 1)));
  problem = failure_of(store_groups(*store, 3, 2, {delta(3, "+3")}));
  CHECK(problem.code == errc::corrupt);
  CHECK(has(problem, "key group 3 of operator \"count\", the part from checkpoint 1"));
  CHECK(ids_of(*store) == ids{2}); // a job does not silently start from the beginning
  expect(store_groups(*store, 3, 2, {whole(3, "three")}));
  CHECK(weir_files(directory.path()) == std::set{file_name("checkpoint-", 3)});
}

TEST_CASE("with checkpoints as files, a damaged one that is retained keeps all that it may need") {
  const temporary_directory directory;
  const auto store = open_sample(config_of(directory.path(), checkpoint_storage::files, 1));
  expect(store_groups(*store, 1, 0, {whole(3, sample_bytes(1, 3000))}));
  expect(store_groups(*store, 2, 1, {delta(3, "+2")}));
  const fs::path file = directory / file_name("checkpoint-", 2);
  std::ifstream before(file, std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(before), {}};
  std::ofstream(file, std::ios::binary | std::ios::trunc) << "garbage";
  expect(store_groups(*store, 3, 0, {whole(3, "three")}, 2));
  CHECK(ids_of(*store) == ids{2, 3});
  std::ofstream(file, std::ios::binary | std::ios::trunc) << sound;
  CHECK(groups_in(*store, 2) == contents{{3, sample_bytes(1, 3000) + "+2"}});
}

TEST_CASE("a file does not stay for a few bytes of it: they are copied, verified, into the new one") {
  const temporary_directory directory;
  const auto store = open_sample(config_of(directory.path(), checkpoint_storage::files, 1));
  const auto part = [](std::uint64_t seed) { return sample_bytes(seed, 4000); };
  expect(store_groups(*store, 1, 0, {whole(0, part(0)), whole(1, part(1)), whole(2, part(2)), whole(3, part(3))}));
  const auto second = expect(
      store_groups(*store, 2, 1, {whole(0, part(4)), delta(1, ""), delta(2, ""), delta(3, "")}));
  CHECK(second.new_bytes == 4000);
  CHECK(fs::exists(directory / file_name("blobs-", 1)));
  const auto third = expect(
      store_groups(*store, 3, 2, {delta(0, ""), whole(1, part(5)), whole(2, part(6)), delta(3, "+")}));
  CHECK(third.new_bytes == 3 * 4000 + 1);
  CHECK(third.bytes == 4 * 4000 + 1);
  CHECK(weir_files(directory.path()) ==
        std::set{file_name("blobs-", 2), file_name("checkpoint-", 3)});
  CHECK(groups_in(*store, 3) == contents{{0, part(4)}, {1, part(5)}, {2, part(6)}, {3, part(3) + "+"}});
  const auto fourth =
      expect(store_groups(*store, 4, 3, {delta(0, ""), delta(1, ""), delta(2, ""), delta(3, "+")}));
  CHECK(fourth.new_bytes == 1);
  CHECK(groups_in(*store, 4).at(3) == part(3) + "++");
}

TEST_CASE("the other form takes a checkpoint of deltas over as a whole one, to which may be added") {
  const temporary_directory directory;
  std::uint64_t id = 1;
  contents expected{{0, "one"}, {1, sample_bytes(1, 9000)}};
  {
    const auto store = open_sample(config_of(directory.path(), checkpoint_storage::lmdb_file));
    expect(store_groups(*store, id, 0, {whole(0, expected[0]), whole(1, expected[1])}));
  }
  for (const auto form : {checkpoint_storage::files, checkpoint_storage::lmdb_file, checkpoint_storage::files}) {
    const auto store = open_sample(config_of(directory.path(), form, 1));
    CHECK(ids_of(*store) == ids{id});
    CHECK(groups_in(*store, id) == expected);
    CHECK(chain_of(*store, id).deltas == 0);
    for (int i = 0; i < 2; ++i, ++id) {
      expect(store_groups(*store, id + 1, id, {delta(0, "+"), delta(1, "")}));
      expected[0] += "+";
    }
    CHECK(groups_in(*store, id) == expected);
    CHECK(chain_of(*store, id).deltas == 2);
    if (form == checkpoint_storage::lmdb_file)
      CHECK(weir_files(directory.path()).empty());
  }
}

TEST_CASE("a checkpoint that fails after a part of it was committed leaves what it adds to") {
  const temporary_directory directory;
  checkpoint_config config = config_of(directory.path(), checkpoint_storage::lmdb_file, 9);
  config.map_size = std::uint64_t{192} << 20;
  {
    const auto store = open_sample(config);
    for (std::uint64_t id = 1; id <= 3; ++id)
      expect(store_groups(*store, id, 0, {whole(0, std::to_string(id))}));
  }
  config.retained = 1;
  {
    const auto store = open_sample(config);
    std::vector<key_group_snapshot> large{delta(0, "+")};
    for (std::uint32_t group = 1; group <= 3; ++group)
      large.push_back(whole(group, bytes(std::size_t{70} << 20, 'x')));
    CHECK(failure_of(store_groups(*store, 4, 1, large)).code == errc::capacity);
    CHECK(ids_of(*store) == ids{1, 2, 3});
    expect(store_groups(*store, 5, 1, {delta(0, "+")}));
    CHECK(groups_in(*store, 5) == contents{{0, "1+"}});
  }
  CHECK(check_blobs(directory.path()) == 2);
}

TEST_CASE("the store stays bounded over 200 checkpoints of a steady job with deltas") {
  constexpr std::uint32_t groups = 16;
  for (const auto form : both_forms) {
    const temporary_directory directory;
    std::uint64_t live = 0;
    std::uint64_t largest = 0;
    {
      const auto store = open_sample(config_of(directory.path(), form));
      for (std::uint64_t id = 1; id <= 200; ++id) {
        std::vector<key_group_snapshot> made;
        for (std::uint32_t group = 0; group < groups; ++group) // each is written whole at another time
          made.push_back((id + group * 3) % 20 == 0 || id == 1 ? whole(group, sample_bytes(id + group, 8000))
                                                               : delta(group, sample_bytes(id + group, 200)));
        live = expect(store_groups(*store, id, id - 1, std::move(made))).bytes;
        if (form == checkpoint_storage::files)
          largest = std::max(largest, size_of(directory.path()));
      }
    }
    CHECK(live <= groups * (8000 + 20 * 200));
    if (form == checkpoint_storage::files) {
      check_files(directory.path());
      INFO("live " << live << ", largest " << largest << ", files " << weir_files(directory.path()).size());
      CHECK(largest <= 3 * live);
    } else {
      CHECK(check_blobs(directory.path()) <= groups * 21);
      CHECK(fs::file_size(directory / "checkpoints.mdb") <= 5 * live);
    }
  }
}

TEST_CASE("whatever is added to what, every checkpoint is loaded as it was, and nothing unneeded stays") {
  const std::uint32_t seed = seed_of_test();
  for (const auto form : both_forms) {
    std::mt19937 random(seed);
    const auto below = [&](std::uint64_t limit) { return random() % limit; };
    const temporary_directory directory;
    const std::uint32_t retained = 1 + static_cast<std::uint32_t>(below(4));
    const checkpoint_config config = config_of(directory.path(), form, retained);
    std::map<std::uint64_t, contents> model;
    auto store = open_sample(config);
    for (std::uint64_t id = 1; id <= 150; ++id) {
      INFO("checkpoint " << id);
      const auto any_known = [&] { return std::next(model.begin(), static_cast<long>(below(model.size())))->first; };
      std::uint64_t base = 0;
      if (!model.empty() && below(8) != 0)
        base = below(4) == 0 ? any_known() : model.rbegin()->first;
      const contents before = base == 0 ? contents{} : model.at(base);
      contents after;
      std::vector<key_group_snapshot> parts[2];
      std::uint64_t written = 0;
      std::uint64_t size = 0;
      for (std::uint32_t group = 0; group < 12; ++group) {
        const std::uint64_t what = below(10);
        const bytes data = what < 3 && below(2) == 0 ? "" : sample_bytes(random(), below(20) == 0 ? 6000 : below(90));
        if (what == 0 && below(3) == 0)
          continue; // as if it had no keys
        key_group_snapshot made = base == 0 || what == 1 ? whole(group, data) : delta(group, data);
        const bool is_gone = what == 2 && below(3) == 0;
        if (is_gone)
          made.entries = 0;
        const auto old = before.find(group);
        if (!is_gone && !(made.is_delta && data.empty() && old == before.end())) {
          after[group] = (made.is_delta && old != before.end() ? old->second : bytes{}) + data;
          written += data.size();
          size += after[group].size();
        }
        parts[below(2)].push_back(below(2) == 0 ? late(made) : made);
      }
      const std::uint64_t keep_from = !model.empty() && below(4) == 0 ? any_known() : 0;
      const auto stored = expect(store->store(
          sample_checkpoint(id), {counting(base, parts[0], 0, 2), counting(base, parts[1], 1, 2)},
          checkpoint_id{keep_from}));
      CHECK(stored.bytes == size);
      if (form == checkpoint_storage::lmdb_file)
        CHECK(stored.new_bytes == written);
      model[id] = after;
      for (auto at = model.begin(); model.end() != at && model.size() > retained;)
        at = keep_from != 0 && at->first >= keep_from ? model.end() : model.erase(at);
      ids expected;
      for (const auto& one : model)
        expected.push_back(one.first);
      REQUIRE(ids_of(*store) == expected);
      for (const auto& [one, held] : model)
        REQUIRE(groups_in(*store, one) == held);
      if (form == checkpoint_storage::files)
        check_files(directory.path());
      if (below(8) != 0)
        continue;
      store.reset();
      if (form == checkpoint_storage::lmdb_file)
        check_blobs(directory.path());
      store = open_sample(config);
    }
  }
}

TEST_CASE("a checkpoint in many files is in a bounded number of them, and is read with few open at a time") {
  const temporary_directory directory;
  checkpoint_config config = sample_config(directory.path());
  config.storage = checkpoint_storage::files;
  const auto store = open_sample(config);
  bytes all = sample_bytes(1, 4'000'000);
  expect(store_groups(*store, 1, 0, {whole(0, all)}));
  for (std::uint64_t id = 2; id <= 400; ++id) {
    const bytes more = sample_bytes(id, 3000);
    all += more;
    expect(store_groups(*store, id, id - 1, {delta(0, more)}));
  }
  const auto files = std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator{});
  CHECK(files >= 100);
  CHECK(files <= 264);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 64;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const contents found = groups_in(*store, 400);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(found == contents{{0, all}});
}
