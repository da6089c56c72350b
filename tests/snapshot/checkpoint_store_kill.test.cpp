#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_store.hpp>

#include <snapshot/child_process.hpp>
#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

constexpr std::size_t scale = 10; // about 700 KB in a whole checkpoint, and a tenth of it in one of deltas

/// With checkpoints as files in a directory that is named so.
checkpoint_config config_of(const std::filesystem::path& directory) {
  checkpoint_config config = sample_config(directory);
  if (directory.filename() == "files")
    config.storage = checkpoint_storage::files;
  return config;
}

void kill_often(const std::filesystem::path& directory, std::mt19937& random) {
  std::uint64_t newest = 0;
  for (int round = 0; round < 40; ++round) {
    child_process child{"child process: stores checkpoints until it is killed", directory};
    std::string attempt;
    if (round % 4 != 0) // otherwise it may be killed while it opens or creates the store
      attempt = child.next_report();
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 50000});
    CHECK(child.kill() == SIGKILL);
    for (std::string line; !(line = child.next_report()).empty();)
      if (line.find("attempt") == std::string::npos)
        newest = std::stoull(line);
    INFO("round " << round << ", first report: " << attempt << ", newest reported: " << newest);

    const auto store = open_sample(config_of(directory));
    const auto known = ids_of(*store);
    const std::uint64_t found = known.empty() ? 0 : known.back();
    REQUIRE(found >= newest);
    REQUIRE(found <= newest + 1); // the one whose commit was not reported any more
    // A file is complete before those that it replaces go.
    const std::uint64_t left = directory.filename() == "files" && found > 2 && known.size() == 3;
    CHECK(known.size() == std::min<std::uint64_t>(found, 2) + left);
    for (const std::uint64_t id : known)
      REQUIRE(is_sample(expect(store->load(checkpoint_id{id})), id, scale));
    newest = found;
  }
  CHECK(newest > 0);
}

} // namespace

TEST_CASE("child process: stores checkpoints until it is killed" * doctest::skip()) {
  const char* directory = std::getenv("WEIR_TEST_DIRECTORY");
  REQUIRE(directory);
  const auto store = open_sample(config_of(directory));
  const auto attempt = expect(store->begin_attempt());
  child_process::report("attempt " + to_string(attempt));
  const auto known = ids_of(*store);
  for (std::uint64_t id = known.empty() ? 1 : known.back() + 1;; ++id) {
    expect(store_sample(*store, id, scale));
    child_process::report(std::to_string(id));
  }
}

TEST_CASE("a process killed at any moment loses no checkpoint that was stored, and tears none") {
  const std::uint32_t seed = std::getenv("WEIR_SEED")
                                 ? static_cast<std::uint32_t>(std::atoi(std::getenv("WEIR_SEED")))
                                 : std::random_device{}();
  MESSAGE("seed " << seed << " (set WEIR_SEED to repeat it)");
  std::mt19937 random{seed};
  for (const char* form : {"lmdb", "files"}) {
    const temporary_directory directory;
    std::filesystem::create_directory(directory / form);
    kill_often(directory / form, random);
  }
}
