#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/counting_job.hpp>
#include <support/memory_sink.hpp>
#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/control_socket.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const paced_counts counts;

void wait_for_some(const key_counts& results) {
  REQUIRE(becomes_true([&] { return !results.visible().empty(); }));
}

void finish(const topology& what, const job_config& config) {
  const job_report report = start_job(what, config)->wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
}

} // namespace

TEST_CASE("a job stopped with a savepoint goes on from it elsewhere: nothing is lost and nothing doubled") {
  for (const state_backend backend : {state_backend::memory, state_backend::directory, state_backend::lmdb}) {
    CAPTURE(static_cast<int>(backend));
    const temporary_directory place;
    const auto results = std::make_shared<key_counts>();
    const fs::path file = place / "stopped.weir";
    {
      job_config config = hasty_config(place / "first");
      config.checkpoint.mode = checkpoint_mode::unaligned; // a savepoint is aligned all the same
      const auto running = start_job(counts.job(results), config);
      wait_for_some(*results);
      const auto answer = running->ask(job_order{.what = job_order::kind::stop, .drain = false, .savepoint = file, .done = {}});
      REQUIRE_MESSAGE(answer, answer.failure().message);
      REQUIRE(*answer);
      CHECK(running->wait().what == job_report::outcome::stopped);
    }
    fs::remove_all(place / "first");
    const fs::path moved = place / "moved.weir";
    fs::rename(file, moved);
    job_config config = hasty_config(place / "second");
    config.parallelism = 3;
    config.state.backend = backend;
    config.checkpoint.from = moved;
    finish(counts.job(results), config);
    counts.check_complete(*results);
  }
}

TEST_CASE("a savepoint of a running job changes nothing for it, and is whole, though checkpoints are incremental") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const auto running = start_job(counts.job(results), hasty_config(place / "state"));
  wait_for_some(*results);
  for (const char* name : {"first.weir", "second.weir"}) {
    const auto taken = running->savepoint(place / name);
    REQUIRE_MESSAGE(taken, taken.failure().message);
    CHECK(taken->bytes != 0);
  }
  const auto again = running->savepoint(place / "first.weir");
  REQUIRE(!again);
  CHECK(again.failure().message.find("not replaced") != std::string::npos);
  const auto nowhere = running->savepoint(place / "no" / "such" / "directory.weir");
  REQUIRE(!nowhere);
  CHECK(running->wait().what == job_report::outcome::finished);
  counts.check_complete(*results);
  const auto late = running->savepoint(place / "late.weir");
  REQUIRE(!late);
  CHECK(late.failure().message.find("has ended") != std::string::npos);

  // A copy of the job that begins with it does the rest of the work once more.
  const auto copied = std::make_shared<key_counts>();
  job_config config = hasty_config(place / "copy");
  config.checkpoint.from = place / "second.weir";
  finish(counts.job(copied), config);
  CHECK(copied->visible().size() < counts.records);
  for (const key_count& one : copied->visible())
    CHECK(one.count <= counts.records / counts.keys + 1);
}

TEST_CASE("the same words start a job from a savepoint again and again; other checkpoints are not touched") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const fs::path file = place / "kept.weir";
  {
    const auto running = start_job(counts.job(results), hasty_config(place / "first"));
    wait_for_some(*results);
    REQUIRE(running->ask(job_order{.what = job_order::kind::stop, .drain = false, .savepoint = file, .done = {}}));
  }
  job_config config = hasty_config(place / "second");
  config.checkpoint.from = file;
  const std::size_t before = results->visible().size();
  for (int i = 0; i < 3; ++i) {
    const auto running = start_job(counts.job(results), config);
    for (int n = 0; n < 30'000 && results->visible().size() <= before; ++n)
      std::this_thread::sleep_for(1ms);
    running->stop();
    running->wait();
  }
  finish(counts.job(results), config);
  counts.check_complete(*results);

  job_config other = hasty_config(place / "first");
  other.checkpoint.from = file;
  const auto refused = job::start(counts.job(results), other);
  REQUIRE(!refused);
  CHECK(refused.failure().message.find("holds checkpoints that do not come from") != std::string::npos);

  topology another{"another"};
  another.source("numbers", generate([](std::uint64_t i) { return i; }, 1)).sink("out", [](std::uint64_t) {});
  job_config config_of_another = hasty_config(place / "third");
  config_of_another.checkpoint.from = file;
  const auto foreign = job::start(another, config_of_another);
  REQUIRE(!foreign);
  CHECK(foreign.failure().code == errc::state_mismatch);

  job_config without = hasty_config("");
  without.checkpoint.from = file;
  const auto homeless = job::start(counts.job(results), without);
  REQUIRE(!homeless);
  CHECK(homeless.failure().message.find("checkpoint.dir") != std::string::npos);
}

TEST_CASE("a damaged savepoint is an error before anything runs") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const fs::path file = place / "kept.weir";
  {
    const auto running = start_job(counts.job(results), hasty_config(place / "first"));
    wait_for_some(*results);
    REQUIRE(running->savepoint(file));
  }
  const auto size = fs::file_size(file);
  for (const std::uintmax_t at : {std::uintmax_t{3}, size / 2, size - 5}) {
    CAPTURE(at);
    const fs::path damaged = place / ("damaged" + std::to_string(at));
    fs::copy_file(file, damaged);
    {
      std::fstream content(damaged, std::ios::in | std::ios::out | std::ios::binary);
      content.seekg(static_cast<std::streamoff>(at));
      const char byte = static_cast<char>(content.get() ^ 0x40);
      content.seekp(static_cast<std::streamoff>(at));
      content.put(byte);
    }
    job_config config = hasty_config(place / ("from" + std::to_string(at)));
    config.checkpoint.from = damaged;
    const auto refused = job::start(counts.job(results), config);
    REQUIRE(!refused);
    CHECK(refused.failure().message.find(damaged.string()) != std::string::npos);
  }
}

TEST_CASE("a job that is drained comes to its end as if its input had") {
  const temporary_directory place;
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  const auto windows = std::make_shared<committed_records<std::uint64_t>>();
  topology job{"endless"};
  const auto emitted = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto numbers = job.source("numbers", generate([emitted](std::uint64_t i) {
                                    if (i % 16 == 0)
                                      std::this_thread::sleep_for(20us);
                                    ++*emitted;
                                    return i;
                                  }))
                           .assign_times("times", [](std::uint64_t i) { return event_time{std::chrono::milliseconds{i}}; },
                                         bounded_disorder{0s});
  numbers.sink("results", memory_sink<std::uint64_t>{results});
  numbers.key_by([](std::uint64_t) { return std::uint64_t{0}; })
      .window(tumbling(24h * 365))
      .count("count")
      .map("value", [](const windowed<std::uint64_t, std::uint64_t>& one) { return one.value; })
      .sink("windows", memory_sink<std::uint64_t>{windows});
  job_config config = hasty_config(place / "state");
  config.parallelism = 1;
  const auto running = start_job(job, config);
  while (*emitted < 100)
    std::this_thread::sleep_for(1ms);
  const fs::path file = place / "drained.weir";
  const auto answer = running->ask(job_order{.what = job_order::kind::stop, .drain = true, .savepoint = file, .done = {}});
  REQUIRE_MESSAGE(answer, answer.failure().message);
  REQUIRE(*answer);
  CHECK((*answer)->last);
  CHECK(running->wait().what == job_report::outcome::finished);
  CHECK(results->visible().size() == *emitted);
  CHECK(windows->visible() == std::vector<std::uint64_t>{*emitted});
}

TEST_CASE("a job that is cancelled stops without another checkpoint, and goes on from its last one") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const job_config config = hasty_config(place / "state");
  for (int i = 0; i < 3; ++i) {
    const auto running = start_job(counts.job(results), config);
    wait_for_some(*results);
    const auto answer = running->ask(job_order{.what = job_order::kind::cancel, .drain = false, .savepoint = {}, .done = {}});
    REQUIRE(answer);
    CHECK(!*answer);
    CHECK(running->wait().what == job_report::outcome::stopped);
  }
  finish(counts.job(results), config);
  counts.check_complete(*results);
}

TEST_CASE("a job is cancelled with a savepoint, and another version of it goes on from that") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const auto maxima = std::make_shared<committed_records<std::uint64_t>>();
  const fs::path file = place / "old.weir";
  // What the versions have in common is found by its uid, whatever it is called.
  const auto version_of = [&](int version) {
    topology job{"counting"};
    const auto numbers = job.source(version == 1 ? "numbers" : "counter", generate(
                                                                              [](std::uint64_t i) {
                                                                                if (i % 64 == 0)
                                                                                  std::this_thread::sleep_for(200us);
                                                                                return i;
                                                                              },
                                                                              counts.records))
                             .uid("numbers");
    const auto keyed = numbers.key_by([](std::uint64_t i) { return i % counts.keys; });
    keyed.count("count").uid("count").sink("results", memory_sink<key_count>{results}).uid("results");
    if (version == 1)
      keyed.reduce("sum", [](std::uint64_t a, std::uint64_t b) { return a + b; }).sink("none", [](std::uint64_t) {});
    else
      keyed.reduce("largest", [](std::uint64_t a, std::uint64_t b) { return std::max(a, b); })
          .sink("maxima", memory_sink<std::uint64_t>{maxima});
    return job;
  };
  {
    const auto running = start_job(version_of(1), hasty_config(place / "first"));
    wait_for_some(*results);
    const auto answer = running->ask(job_order{.what = job_order::kind::cancel, .drain = false, .savepoint = file, .done = {}});
    REQUIRE_MESSAGE(answer, answer.failure().message);
    REQUIRE(*answer);
    CHECK(running->wait().what == job_report::outcome::stopped);
  }
  job_config config = hasty_config(place / "second");
  config.checkpoint.from = file;
  const auto refused = job::start(version_of(2), config);
  REQUIRE(!refused);
  CHECK(refused.failure().code == errc::state_mismatch);
  CHECK(refused.failure().message.find("'sum'") != std::string::npos);
  config.checkpoint.allow_dropped_state = true;
  finish(version_of(2), config);
  counts.check_complete(*results);
  CHECK(!maxima->visible().empty());
  CHECK(maxima->visible().size() < counts.records); // only what has come since
}

TEST_CASE("a request that is none is answered, and the job goes on") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const auto running = start_job(counts.job(results), hasty_config(place / "state"));
  for (const std::string& request : {std::string("\xff\xfe"), std::string(""), std::string("[]"), std::string("{\"command\": 1}"),
                                    std::string("{\"command\": \"explode\"}"), std::string(300, '\xc3'),
                                    std::string("{\"command\": \"savepoint\", \"target\": \"here\"}")}) {
    const auto answer = ask_job(place / "state", request);
    REQUIRE_MESSAGE(answer, answer.failure().message);
    CHECK(answer->find("\"ok\":false") != std::string::npos);
    CHECK(answer->find("expected") != std::string::npos);
  }
  CHECK(running->wait().what == job_report::outcome::finished);
  counts.check_complete(*results);
}

TEST_CASE("checkpoints of a job that began anew do not come from the savepoint that it began with before") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const fs::path file = place / "kept.weir";
  {
    const auto running = start_job(counts.job(results), hasty_config(place / "first"));
    wait_for_some(*results);
    REQUIRE(running->ask(job_order{.what = job_order::kind::stop, .drain = false, .savepoint = file, .done = {}}));
  }
  job_config config = hasty_config(place / "second");
  config.checkpoint.from = file;
  start_job(counts.job(results), config)->stop();
  config.checkpoint.from.clear();
  config.checkpoint.discard = true;
  start_job(counts.job(std::make_shared<key_counts>()), config)->stop();
  config.checkpoint.discard = false;
  config.checkpoint.from = file;
  const auto refused = job::start(counts.job(results), config);
  REQUIRE(!refused);
  CHECK(refused.failure().code == errc::in_use);
}

TEST_CASE("savepoints are taken, or refused, while tasks are killed; either is said, and no result changes") {
  const temporary_directory place;
  const auto results = std::make_shared<key_counts>();
  const auto running = start_job(counts.job(results), hasty_config(place / "state"));
  wait_for_some(*results);
  std::vector<fs::path> taken;
  for (int i = 0; i < 12; ++i) {
    running->kill_task(i % 2 == 0 ? "count" : "results", static_cast<std::uint32_t>(i / 2 % 2));
    const fs::path file = place / ("savepoint" + std::to_string(i) + ".weir");
    if (const auto done = running->savepoint(file))
      taken.push_back(file);
    else
      CHECK(!done.failure().message.empty());
  }
  CHECK(running->wait().what == job_report::outcome::finished);
  counts.check_complete(*results);
  for (const fs::path& file : taken) {
    job_config config = hasty_config(place / file.stem());
    config.checkpoint.from = file;
    finish(counts.job(std::make_shared<key_counts>()), config);
  }
}
