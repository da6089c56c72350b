// A steady job takes a thousand incremental checkpoints; what they leave on disk must not be more than three times what
// the newest one needs. In both forms of storage. Usage: steady_checkpoints [CHECKPOINTS]

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include <weir/base/log.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>
#include <weir/snapshot/checkpoint_reader.hpp>
#include <weir/snapshot/manifest.hpp>

namespace {

using namespace weir;
namespace fs = std::filesystem;

constexpr std::uint64_t keys = 100'000;
constexpr std::uint64_t changed = keys / 100;

/// All keys once, and then, behind each checkpoint, some that are scattered; until there were so many checkpoints.
class steady_updates {
 public:
  using output = std::uint64_t;

  struct split {
    std::uint64_t next = 0;
    std::uint64_t checkpoints = 0;
  };

  explicit steady_updates(std::uint64_t checkpoints) : checkpoints_(checkpoints) {}

  result<std::vector<split>> splits(std::uint32_t) const { return std::vector<split>{split{}}; }
  void open(const operator_context&, std::vector<split> assigned) { assigned_ = std::move(assigned); }

  source_turn poll(emitter<std::uint64_t>& out) {
    if (assigned_.empty() || assigned_.front().checkpoints == checkpoints_)
      return source_turn::ended();
    split& at = assigned_.front();
    if (at.next >= keys + at.checkpoints * changed)
      return source_turn::idle(std::chrono::microseconds{200});
    for (int i = 0; i < 500; ++i, ++at.next)
      out(at.next * 1'000'003 % keys);
    return source_turn::more();
  }

  std::vector<split> snapshot() const {
    if (!assigned_.empty() && assigned_.front().next >= keys)
      ++assigned_.front().checkpoints;
    return assigned_;
  }

 private:
  std::uint64_t checkpoints_;
  mutable std::vector<split> assigned_; // that a snapshot was taken is noted in it
};

/// What the files of a directory take on the disk.
std::uint64_t bytes_on_disk(const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file())
      bytes += entry.file_size();
  return bytes;
}

int fail(const std::string& problem) {
  std::printf("FAILED: %s\n", problem.c_str());
  return EXIT_FAILURE;
}

int check(checkpoint_storage storage, std::uint64_t checkpoints, const fs::path& directory) {
  configure_log(log_level::error, log_format::text);
  job_config config;
  config.checkpoint.directory = directory;
  config.checkpoint.storage = storage;
  config.checkpoint.interval = std::chrono::milliseconds{2};
  config.state.backend = storage == checkpoint_storage::files ? state_backend::directory : state_backend::memory;
  topology job{"steady"};
  job.source("updates", steady_updates{checkpoints})
      .key_by([](std::uint64_t key) { return key; })
      .count("count")
      .sink("none", [](const counted<std::uint64_t>&) {});
  auto started = job::start(job, config);
  if (!started)
    return fail(started.failure().message);
  const job_report report = (*started)->wait();
  if (report.what != job_report::outcome::finished)
    return fail(report.failure);
  if (report.checkpoints < checkpoints)
    return fail("expected " + std::to_string(checkpoints) + " checkpoints, found " + std::to_string(report.checkpoints));
  const auto reader = checkpoint_reader::open(directory);
  if (!reader)
    return fail(reader.failure().message);
  const auto ids = (*reader)->ids();
  if (!ids || ids->empty())
    return fail("no checkpoint can be read");
  const auto newest = (*reader)->read_manifest(ids->back());
  if (!newest)
    return fail(newest.failure().message);
  const std::uint64_t live = newest->checkpoint.bytes, all = bytes_on_disk(directory);
  std::printf("%s: %u checkpoints of %llu bytes; on disk %llu bytes, %.2f times as much\n",
              storage == checkpoint_storage::files ? "files" : "LMDB", report.checkpoints,
              static_cast<unsigned long long>(live), static_cast<unsigned long long>(all),
              static_cast<double>(all) / static_cast<double>(live));
  return all <= 3 * live ? EXIT_SUCCESS : fail("that is more than three times as much");
}

} // namespace

int main(int argc, char** argv) {
  const std::uint64_t checkpoints = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000;
  int code = EXIT_SUCCESS;
  for (const checkpoint_storage storage : {checkpoint_storage::lmdb_file, checkpoint_storage::files}) {
    const fs::path directory = fs::temp_directory_path() / ("steady_checkpoints-" + std::to_string(::getpid()));
    fs::remove_all(directory);
    code |= check(storage, checkpoints, directory);
    fs::remove_all(directory);
  }
  return code;
}
