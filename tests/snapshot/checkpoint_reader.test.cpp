#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weir/base/codec.hpp>
#include <weir/base/log.hpp>
#include <weir/snapshot/checkpoint_reader.hpp>
#include <weir/snapshot/lmdb_check.hpp>
#include <weir/snapshot/lmdb_view.hpp>
#include <weir/snapshot/savepoint_file.hpp>
#include <weir/snapshot/state_view.hpp>

#include <snapshot/child_process.hpp>
#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t groups = 4;

checkpoint_config config_of(const fs::path& directory, checkpoint_storage form, std::uint32_t retained = 2) {
  checkpoint_config config = sample_config(directory, retained);
  config.storage = form;
  return config;
}

/// Counts of words, and a list, that can be decoded.
operator_snapshots counts(std::uint64_t id, std::uint64_t base = 0) {
  auto made = std::make_shared<operator_snapshot>();
  made->uid = "count";
  made->base = checkpoint_id{base};
  made->key_type = "string";
  made->keyed_states = {{"count", "count", "u64", false}};
  for (std::uint32_t group = 0; group < groups; ++group) {
    key_group_snapshot& into = made->key_groups.emplace_back();
    into.group = key_group{group};
    into.entries = 1;
    into.is_delta = base != 0;
    if (base != 0 && group != 1)
      continue; // nothing has changed in it
    byte_writer out;
    out.write_raw(std::uint64_t{1});
    encode(out, "word" + std::to_string(group));
    out.write_raw(std::uint64_t{8});
    out.write_raw(id * 100 + group);
    into.data = std::move(out).take();
  }
  made->lists.push_back({"notes", redistribution::even_split, "string", {encoded(std::string("note"))}});
  return {made};
}

completed_checkpoint numbered(std::uint64_t id) {
  completed_checkpoint checkpoint = sample_checkpoint(id);
  checkpoint.key_groups = groups;
  return checkpoint;
}

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void write_file(const fs::path& path, const std::string& content) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << content;
}

/// All that a directory says, or nothing if anything is wrong with it.
std::string all_of(const fs::path& directory) {
  const auto reader = checkpoint_reader::open(directory);
  if (!reader || !(*reader)->check_structure())
    return {};
  const auto known = (*reader)->ids();
  if (!known)
    return {};
  std::string all = (*reader)->job();
  bool is_good = true;
  for (const checkpoint_id id : *known) {
    const auto verified = verify_checkpoint(**reader, id, [&](const error& problem) {
      CHECK(problem.message.size() > 20);
      is_good = false;
    });
    if (!verified || !is_good)
      return {};
    const auto content = (*reader)->read_manifest(id);
    REQUIRE(content);
    all += detail::encode_manifest(*content);
    for (const state_description& state : states_of(*content)) {
      auto view = expect(state_view::open(**reader, *content, state));
      for (const std::uint32_t part : view.parts())
        for (const state_entry& entry : expect(view.read(part)))
          all += entry.key + "=" + entry.value + "\n";
    }
  }
  return all;
}

void make_directory(const fs::path& directory, checkpoint_storage form) {
  const auto store = expect(checkpoint_store::open("sample", config_of(directory, form)));
  expect(store->begin_attempt());
  expect(store->store(numbered(1), counts(1)));
}

} // namespace

TEST_CASE("what a store has written is read without it, and what checkpoints share is followed") {
  for (const checkpoint_storage form : {checkpoint_storage::lmdb_file, checkpoint_storage::files}) {
    const temporary_directory directory;
    {
      const auto store = expect(checkpoint_store::open("sample", config_of(directory.path(), form)));
      expect(store->store(numbered(1), counts(1)));
      expect(store->store(numbered(2), counts(2, 1)));
    }
    const auto reader = expect(checkpoint_reader::open(directory.path()));
    CHECK(reader->job() == "sample");
    CHECK(expect(reader->ids()) == std::vector<checkpoint_id>{checkpoint_id{1}, checkpoint_id{2}});
    const auto content = expect(reader->read_manifest(checkpoint_id{2}));
    auto view = expect(state_view::open(*reader, content, states_of(content)[0]));
    CHECK(view.parts() == std::vector<std::uint32_t>{0, 1, 2, 3});
    CHECK(expect(view.read(0))[0].value == "100");
    CHECK(expect(view.read(1))[0].value == "201");
    CHECK(expect(view.read(1))[0].key == "\"word1\"");
    CHECK(expect(view.read(9)).empty());
    const auto missing = reader->read_manifest(checkpoint_id{7});
    REQUIRE_FALSE(missing);
    CHECK(missing.failure().code == errc::invalid_setting);
    CHECK(has(missing.failure(), "it holds 1, 2"));
  }
}

TEST_CASE("a checkpoint that is deleted while it is read is an error that says so") {
  const temporary_directory directory;
  const auto store =
      expect(checkpoint_store::open("sample", config_of(directory.path(), checkpoint_storage::files, 1)));
  expect(store->store(numbered(1), counts(1)));
  const auto reader = expect(checkpoint_reader::open(directory.path()));
  const auto content = expect(reader->read_manifest(checkpoint_id{1}));
  auto view = expect(state_view::open(*reader, content, states_of(content)[0]));
  expect(store->store(numbered(2), counts(2)));
  const auto gone = view.read(0);
  REQUIRE_FALSE(gone);
  CHECK(gone.failure().code == errc::checkpoint);
  CHECK(has(gone.failure(), "was deleted while it was read: the job has newer ones, 2"));
}

TEST_CASE("the file of another version is refused, with both versions") {
  for (const char* version : {"1", "2", "3"}) {
    const temporary_directory directory;
    fs::copy_file(fs::path{__FILE__}.parent_path() / "data" / (std::string("format-") + version + ".mdb"),
                  directory / "checkpoints.mdb");
    const auto opened = checkpoint_reader::open(directory.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.failure().code == errc::wrong_version);
    CHECK(has(opened.failure(), std::string("has checkpoint format ") + version + "; this program reads"));
  }
  const temporary_directory directory;
  fs::copy_file(fs::path{__FILE__}.parent_path() / "data" / "format-4.mdb", directory / "checkpoints.mdb");
  CHECK_FALSE(expect(expect(checkpoint_reader::open(directory.path()))->ids()).empty());
}

TEST_CASE("verifying finds each byte of a checkpoint file that is changed") {
  const temporary_directory directory;
  make_directory(directory.path(), checkpoint_storage::files);
  const std::string sound = all_of(directory.path());
  REQUIRE(sound.find("\"word3\"=103") != std::string::npos);
  for (const char* name : {"checkpoint-00000000000000000001.weir", "attempt"}) {
    const std::string content = read_file(directory / name);
    for (std::size_t i = 0; i < content.size(); ++i) {
      std::string damaged = content;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
      write_file(directory / name, damaged);
      CAPTURE(i);
      CHECK(all_of(directory.path()).empty());
    }
    write_file(directory / name, content);
  }
  CHECK(all_of(directory.path()) == sound);
}

TEST_CASE("verifying an LMDB file finds each byte that matters; what it does not find changes nothing") {
  const temporary_directory directory;
  make_directory(directory.path(), checkpoint_storage::lmdb_file);
  const fs::path file = directory / "checkpoints.mdb";
  const std::string content = read_file(file), sound = all_of(directory.path());
  REQUIRE_FALSE(sound.empty());
  std::size_t found = 0;
  for (std::size_t i = 0; i < content.size(); i += 3) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
    write_file(file, damaged);
    const std::string all = all_of(directory.path());
    found += all.empty();
    CAPTURE(i);
    CHECK((all.empty() || all == sound));
  }
  CHECK(found > 100);
}

TEST_CASE("whatever happens to a file, a reader reads what was written or says what is wrong") {
  const temporary_directory directory;
  {
    const auto store = open_sample(sample_config(directory.path(), 3));
    for (std::uint64_t id = 1; id <= 6; ++id)
      expect(store_sample(*store, id, 2));
  }
  const fs::path file = directory / "checkpoints.mdb";
  const std::string sound = read_file(file);
  std::mt19937 random{7};
  const auto below = [&](std::size_t limit) { return random() % limit; };
  std::size_t whole = 0, refused = 0;
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    std::string damaged = sound;
    const std::size_t page = below(damaged.size() / 4096) * 4096;
    switch (below(5)) {
    case 0: damaged.resize(below(damaged.size())); break;
    case 1: damaged.replace(page, 4096, 4096, '\0'); break;
    case 2: std::memcpy(&damaged[page], &sound[below(sound.size() / 4096) * 4096], 4096); break;
    case 3:
      for (std::size_t i = below(40) + 1; i > 0; --i)
        damaged[below(3 * 4096)] = static_cast<char>(random());
      break;
    default:
      for (std::size_t i = below(40) + 1; i > 0; --i)
        damaged[page + below(64)] ^= static_cast<char>(1 << below(8));
    }
    write_file(file, damaged);
    const auto reader = checkpoint_reader::open(directory.path());
    if (!reader) {
      CHECK(reader.failure().message.size() > 20);
      ++refused;
      continue;
    }
    [[maybe_unused]] const status structure = (*reader)->check_structure();
    for (const std::uint64_t id : {4u, 5u, 6u}) {
      const auto content = (*reader)->read_manifest(checkpoint_id{id});
      if (!content)
        continue;
      const auto expected = sample_snapshots(id, 2);
      for (std::size_t i = 0; i < expected.size(); ++i)
        for (const detail::stored_key_group& group : content->operators[i].key_groups) {
          const auto data = (*reader)->read_blobs(checkpoint_id{id}, group.blobs);
          if (!data)
            continue;
          const std::uint32_t first = expected[i]->key_groups[0].group.value;
          CHECK(*data == expected[i]->key_groups[group.group.value - first].data);
          ++whole;
        }
    }
  }
  MESSAGE(refused << " of 400 files were refused, " << whole << " key groups could be read");
  CHECK(whole > 0);
}

TEST_CASE("child process: reads a checkpoint file until it is killed" * doctest::skip()) {
  const char* directory = std::getenv("WEIR_TEST_DIRECTORY");
  REQUIRE(directory);
  auto view = expect(detail::lmdb_view::open(fs::path(directory) / "checkpoints.mdb"));
  const auto now = expect(view.begin());
  child_process::report(std::to_string(now.meta().transaction));
  for (;;)
    ::pause();
}

TEST_CASE("pages that a reader sees are not used again, until it has ended, however it ended") {
  const temporary_directory directory;
  const fs::path file = directory / "checkpoints.mdb";
  const auto store = open_sample(sample_config(directory.path()));
  std::uint64_t id = 0;
  const auto store_some = [&] {
    for (int i = 0; i < 24; ++i)
      expect(store_sample(*store, ++id, 4));
    return fs::file_size(file);
  };
  store_some();
  const std::uintmax_t usual = store_some();
  CHECK(store_some() < usual + usual / 5);

  child_process reader{"child process: reads a checkpoint file until it is killed", directory.path()};
  REQUIRE_FALSE(reader.next_report().empty());
  const std::uintmax_t pinned = store_some();
  CHECK(pinned > usual + usual / 2);
  CHECK(reader.kill() == SIGKILL);
  for (int i = 0; i < 4; ++i)
    CHECK(store_some() < pinned + usual / 5);
}

TEST_CASE("only a file that needs no other is imported, and only where no checkpoints are") {
  const temporary_directory directory;
  fs::create_directories(directory / "from");
  {
    const auto store = expect(
        checkpoint_store::open("sample", config_of(directory / "from", checkpoint_storage::files)));
    expect(store_sample(*store, 1, 4));
    expect(store_sample(*store, 2, 4));
  }
  const auto part = import_checkpoint(directory / "from" / "checkpoint-00000000000000000002.weir", directory / "to");
  REQUIRE_FALSE(part);
  CHECK(has(part.failure(), "needs other files"));
  {
    const auto store = expect(
        checkpoint_store::open("sample", config_of(directory / "small", checkpoint_storage::files)));
    expect(store->store(numbered(1), counts(1)));
    expect(store->store(numbered(2), counts(2, 1)));
  }
  const auto reader = expect(checkpoint_reader::open(directory / "small"));
  expect(export_checkpoint(*reader, checkpoint_id{2}, directory / "whole.weir"));
  const std::string whole = read_file(directory / "whole.weir");
  for (std::size_t i = 0; i < whole.size(); i += 5) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    write_file(directory / "damaged.weir", damaged);
    CHECK_FALSE(import_checkpoint(directory / "damaged.weir", directory / "to"));
    CHECK_FALSE(fs::exists(directory / "to" / "checkpoint-00000000000000000002.weir"));
  }
  expect(import_checkpoint(directory / "whole.weir", directory / "to"));
  CHECK(import_checkpoint(directory / "whole.weir", directory / "to").failure().code == errc::in_use);
  const auto copy = expect(checkpoint_reader::open(directory / "to"));
  const auto content = expect(copy->read_manifest(checkpoint_id{2}));
  auto view = expect(state_view::open(*copy, content, states_of(content)[0]));
  CHECK(expect(view.read(0))[0].value == "100");
  CHECK(expect(view.read(1))[0].value == "201");
}

TEST_CASE("key groups that two checkpoints share have the same references") {
  const temporary_directory directory;
  {
    const auto store = open_sample(config_of(directory.path(), checkpoint_storage::lmdb_file));
    expect(store->store(numbered(1), counts(1)));
    expect(store->store(numbered(2), counts(2, 1)));
  }
  const auto reader = expect(checkpoint_reader::open(directory.path()));
  const auto one = expect(reader->read_manifest(checkpoint_id{1}));
  const auto two = expect(reader->read_manifest(checkpoint_id{2}));
  const auto before = expect(state_view::open(*reader, one, states_of(one)[0]));
  const auto after = expect(state_view::open(*reader, two, states_of(two)[0]));
  CHECK(before.blobs_of(0).size() == after.blobs_of(0).size());
  CHECK(before.blobs_of(0)[0].checksum == after.blobs_of(0)[0].checksum);
  CHECK(after.blobs_of(1).size() == before.blobs_of(1).size() + 1);
}
