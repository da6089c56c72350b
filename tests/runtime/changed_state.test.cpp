#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <support/memory_sink.hpp>
#include <support/small_filesystem.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using counts = std::pair<std::uint64_t, std::uint64_t>;

constexpr std::uint64_t records = 40'000;
constexpr std::uint64_t keys = 2'000;

std::atomic<std::uint64_t> seen_by_changed{0};

/// What the job was, and what it has become. `Count` is the type of the state; where it is not an
/// integer any more, nothing is done with records but counting that they came.
template <class Count, bool HasLife = false, bool HasOther = true>
struct counting {
  using output = counts;
  value_state<Count> count{};
  value_state<std::uint64_t> other{};

  void open(state_registry& states) {
    if constexpr (HasLife)
      count = states.value<Count>("count", time_to_live{.after = 1h});
    else
      count = states.value<Count>("count");
    if constexpr (HasOther)
      other = states.value<std::uint64_t>("other");
  }
  void process(const std::uint64_t&, keyed_context<std::uint64_t>& context, emitter<counts>& out) {
    if constexpr (std::is_same_v<Count, std::uint64_t> && !HasLife && HasOther) {
      other.update(1);
      out({context.key(), ++count.mutable_value()});
    } else {
      ++seen_by_changed;
    }
  }
};

template <class Function>
topology job_with(Function how, const std::shared_ptr<committed_records<counts>>& output) {
  topology job{"changing"};
  job.source("numbers", generate([](std::uint64_t i) { return i; }, records, {.rate = 200'000}))
      .key_by([](std::uint64_t i) { return i % keys; })
      .process("count", how)
      .sink("out", memory_sink<counts>{output});
  return job;
}

std::string error_of(const topology& job, const job_config& config) {
  auto started = job::start(job, config);
  return started ? (*started)->wait().failure : started.failure().message;
}

bool says(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("state that does not fit is refused before a record is processed, and the checkpoint stays usable") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<counts>>();
  job_config config;
  config.lowest_level = log_level::off;
  config.parallelism = 2;
  config.checkpoint.directory = directory / "checkpoints";
  config.checkpoint.interval = 2ms;
  config.checkpoint.map_size = config.state.map_size = std::uint64_t{1} << 28;
  const topology job = job_with(counting<std::uint64_t>{}, output);
  {
    auto running = job::start(job, config);
    REQUIRE(running.has_value());
    std::this_thread::sleep_for(50ms);
    (*running)->stop();
    REQUIRE((*running)->wait().what == job_report::outcome::stopped);
  }
  seen_by_changed = 0;

  const std::string retyped = error_of(job_with(counting<std::string>{}, output), config);
  CAPTURE(retyped);
  CHECK(says(retyped, "operator 'count'"));
  CHECK(says(retyped, "'count' is of type string now, and the checkpoint holds it as u64"));

  const std::string with_life = error_of(job_with(counting<std::uint64_t, true>{}, output), config);
  CAPTURE(with_life);
  CHECK(says(with_life, "operator 'count'"));
  CHECK(says(with_life, "'count' has a time to live now, and had none"));

  const std::string without = error_of(job_with(counting<std::uint64_t, false, false>{}, output), config);
  CAPTURE(without);
  CHECK(says(without, "operator 'count'"));
  CHECK(says(without, "'other' of type u64, which the operator no longer declares"));
  CHECK(says(without, "checkpoint.allow-dropped-state"));

  job_config elsewhere = config;
  elsewhere.state.backend = state_backend::lmdb;
  elsewhere.state.directory = directory / "file";
  std::ofstream(elsewhere.state.directory) << "x";
  const std::string no_directory = error_of(job, elsewhere);
  CAPTURE(no_directory);
  CHECK(says(no_directory, (directory / "file").string()));
  CHECK(says(no_directory, "state.directory"));

  if (const small_filesystem disk{std::size_t{128} << 10}; disk.is_mounted()) {
    elsewhere.state.directory = disk.path();
    const std::string full = error_of(job, elsewhere);
    CAPTURE(full);
    CHECK(says(full, "No space left on device"));
    CHECK(says(full, disk.path().string()));
  } else {
    MESSAGE("SKIPPED: mounting a small tmpfs needs root");
  }
  CHECK(seen_by_changed == 0);

  auto last = job::start(job, config);
  REQUIRE(last.has_value());
  CHECK((*last)->wait().what == job_report::outcome::finished);
  std::uint64_t largest = 0;
  for (const auto& [key, count] : output->visible())
    largest = std::max(largest, count);
  CHECK(output->visible().size() == records);
  CHECK(largest == records / keys);
}

TEST_CASE("state that no operator claims is dropped where a setting allows it, and the rest is kept") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<counts>>();
  job_config config;
  config.lowest_level = log_level::off;
  config.checkpoint.directory = directory / "checkpoints";
  config.checkpoint.interval = 2ms;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  {
    auto running = job::start(job_with(counting<std::uint64_t>{}, output), config);
    REQUIRE(running.has_value());
    std::this_thread::sleep_for(50ms);
    (*running)->stop();
    (*running)->wait();
  }
  seen_by_changed = 0;
  config.checkpoint.allow_dropped_state = true;
  auto running = job::start(job_with(counting<std::uint64_t, false, false>{}, output), config);
  REQUIRE(running.has_value());
  CHECK((*running)->wait().what == job_report::outcome::finished);
  CHECK(seen_by_changed + output->visible().size() == records);
}
