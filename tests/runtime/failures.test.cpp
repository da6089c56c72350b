#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <support/memory_sink.hpp>
#include <support/running_job.hpp>
#include <support/small_filesystem.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using sums = std::pair<std::uint64_t, std::uint64_t>;
using sums_output = std::shared_ptr<committed_records<sums>>;

constexpr std::uint64_t records = 60'000;
constexpr std::uint64_t keys = 50;

std::uint64_t number(std::uint64_t i) {
  return i;
}

job_config quiet_config(const std::filesystem::path& checkpoints) {
  job_config config;
  config.lowest_level = log_level::off;
  config.parallelism = 2;
  config.checkpoint.directory = checkpoints;
  config.checkpoint.interval = 2ms;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  config.restart.strategy = restart_kind::fixed_delay;
  config.restart.delay = 1ms;
  return config;
}

job_report run_with(const topology& job, const job_config& config) {
  return start_job(job, config)->wait();
}

std::string start_error(const topology& job, const job_config& config) {
  auto started = job::start(job, config);
  return started ? (*started)->wait().failure : started.failure().message;
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Throws at its nth call, once for all copies.
class bomb {
 public:
  bomb() = default;
  explicit bomb(std::uint64_t at) : calls_(std::make_shared<std::atomic<std::uint64_t>>(0)), at_(at) {}
  void tick() const {
    if (calls_ && ++*calls_ == at_)
      throw std::runtime_error("boom");
  }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> calls_;
  std::uint64_t at_ = 0;
};

struct bombs {
  bomb source{}, map{}, filter{}, flat_map{}, key{}, aggregate{}, sink{};
};

struct summing {
  using accumulator = std::uint64_t;
  bomb fuse;
  void add(accumulator& sum, const std::uint64_t& value) const {
    fuse.tick();
    sum += value;
  }
  sums result(std::uint64_t key, const accumulator& sum) const { return {key, sum}; }
};

struct fused_sink : memory_sink<sums> {
  fused_sink(sums_output output, bomb fuse_in) : memory_sink(std::move(output)), fuse(fuse_in) {}
  void pre_commit(transaction& open) {
    fuse.tick();
    memory_sink::pre_commit(open);
  }
  bomb fuse;
};

/// Sleeps now and then, so that the job lasts for some checkpoints.
std::uint64_t slowly(std::uint64_t i) {
  if (i % 501 == 0)
    std::this_thread::sleep_for(1ms);
  return i;
}

topology summing_job(const sums_output& output, const bombs& at = {}, emit when = emit::at_end) {
  topology job{"summing"};
  job.source("numbers", generate(
                            [fuse = at.source](std::uint64_t i) {
                              fuse.tick();
                              return i;
                            },
                            records))
      .map("map",
           [fuse = at.map](std::uint64_t i) {
             fuse.tick();
             return slowly(i);
           })
      .filter("filter",
              [fuse = at.filter](std::uint64_t) {
                fuse.tick();
                return true;
              })
      .flat_map("flat map",
                [fuse = at.flat_map](std::uint64_t i, emitter<std::uint64_t>& out) {
                  fuse.tick();
                  out(i);
                })
      .key_by([fuse = at.key](std::uint64_t i) {
        fuse.tick();
        return i % keys;
      })
      .aggregate("sum", summing{at.aggregate}, when)
      .sink("out", fused_sink{output, at.sink});
  return job;
}

void check_sums(const sums_output& output) {
  std::map<std::uint64_t, std::uint64_t> expected;
  for (std::uint64_t i = 0; i < records; ++i)
    expected[i % keys] += i;
  const std::vector<sums> got = output->visible();
  CHECK(got.size() == keys);
  CHECK(std::map<std::uint64_t, std::uint64_t>(got.begin(), got.end()) == expected);
  CHECK(output->pending() == 0);
}

} // namespace

TEST_CASE("an exception in any operator takes the job back to its last checkpoint, and no result changes") {
  const std::map<std::string, bombs> everywhere = {
      {"source", {.source = bomb{records / 2}}},
      {"map", {.map = bomb{records / 2}}},
      {"filter", {.filter = bomb{records / 2}}},
      {"flat_map", {.flat_map = bomb{records / 2}}},
      {"key", {.key = bomb{records / 2}}},
      {"aggregate", {.aggregate = bomb{records / 2}}},
      {"pre-commit", {.sink = bomb{1}}},
  };
  for (const auto& [where, bombs] : everywhere) {
    CAPTURE(where);
    const temporary_directory directory;
    const auto output = std::make_shared<committed_records<sums>>();
    const job_report report =
        run_with(summing_job(output, bombs), quiet_config(directory / "checkpoints"));
    CHECK(report.what == job_report::outcome::finished);
    // A pre-commit that fails takes its checkpoint with it; the job only starts again when it was the last one.
    if (where == "pre-commit")
      CHECK(report.restarts + report.failed_checkpoints >= 1);
    else
      CHECK(report.restarts == 1);
    check_sums(output);
  }
}

TEST_CASE("a failure names the operator, the instance, the record and the exception") {
  const auto output = std::make_shared<committed_records<sums>>();
  job_config config = quiet_config({});
  config.parallelism = 1;
  config.restart.strategy = restart_kind::none;
  const job_report report = run_with(summing_job(output, {.filter = bomb{42}}), config);
  CHECK(report.what == job_report::outcome::failed);
  CHECK(report.failure ==
        "operator 'filter', instance 0 of 1, record 42: std::runtime_error: boom");
  CHECK(output->visible().empty());
}

TEST_CASE("record positions go on counting after a restart") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  job_config config = quiet_config(directory / "checkpoints");
  config.parallelism = 1;
  topology job{"positions"};
  const auto failures = std::make_shared<std::atomic<int>>(0);
  job.source("numbers", generate(number, records))
      .map("map",
           [failures](std::uint64_t i) {
             if (i == records - 1 && ++*failures < 3)
               throw std::runtime_error("near the end");
             return slowly(i);
           })
      .sink("none", [](const std::uint64_t&) {});
  config.restart.attempts = 1;
  const job_report report = run_with(job, config);
  CHECK(report.what == job_report::outcome::failed);
  CHECK(says(report.failure, "record " + std::to_string(records) + ":"));
}

TEST_CASE("the restart strategy none gives up at the first failure, fixed delay after its attempts") {
  for (const std::uint32_t attempts : {0u, 2u}) {
    const temporary_directory directory;
    job_config config = quiet_config(directory / "checkpoints");
    if (attempts == 0)
      config.restart.strategy = restart_kind::none;
    config.restart.attempts = attempts;
    topology job{"failing"};
    job.source("numbers", generate(number, records))
        .sink("bad", [](const std::uint64_t&) { throw std::runtime_error("always"); });
    const job_report report = run_with(job, config);
    CHECK(report.what == job_report::outcome::failed);
    CHECK(report.restarts == attempts);
    CHECK(says(report.failure, "operator 'bad'"));
  }
}

TEST_CASE("a checkpoint says whether the job had come to its end, or was stopped") {
  const temporary_directory directory;
  const topology job = summing_job(std::make_shared<committed_records<sums>>());
  const job_config config = quiet_config(directory / "checkpoints");
  const auto newest_is_last = [&] {
    auto store = checkpoint_store::open(job.name(), config.checkpoint);
    REQUIRE(store);
    const auto known = (*store)->list();
    REQUIRE(known);
    REQUIRE(!known->empty());
    return known->back().last;
  };
  {
    auto running = job::start(job, config);
    REQUIRE(running);
    (*running)->stop();
    CHECK((*running)->wait().what == job_report::outcome::stopped);
  }
  CHECK(!newest_is_last());
  CHECK(run_with(job, config).what == job_report::outcome::finished);
  CHECK(newest_is_last());
}

TEST_CASE("a job that is stopped goes on where it was, also at another parallelism") {
  for (const std::uint32_t later : {1u, 2u, 3u}) {
    CAPTURE(later);
    const temporary_directory directory;
    const auto output = std::make_shared<committed_records<sums>>();
    const topology job = summing_job(output);
    job_config config = quiet_config(directory / "checkpoints");
    {
      auto running = job::start(job, config);
      REQUIRE(running.has_value());
      std::this_thread::sleep_for(10ms);
      (*running)->stop();
      CHECK((*running)->wait().what == job_report::outcome::stopped);
      CHECK(output->visible().empty());
    }
    config.parallelism = later;
    const job_report report = run_with(job, config);
    CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
    check_sums(output);
  }
}

TEST_CASE("a job that is stopped while it waits to be restarted says that it has failed, and goes on the next time") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  const auto has_failed = std::make_shared<std::atomic<bool>>(false);
  const auto failed = std::make_shared<std::promise<void>>();
  topology job{"waiting"};
  job.source("numbers", generate(number, records))
      .map("fail once",
           [=](std::uint64_t i) {
             if (i == records / 2 && !has_failed->exchange(true)) {
               failed->set_value();
               throw std::runtime_error("once");
             }
             return i;
           })
      .key_by([](std::uint64_t i) { return i % keys; })
      .aggregate("sum", summing{}, emit::at_end)
      .sink("out", memory_sink<sums>{output});
  job_config config = quiet_config(directory / "checkpoints");
  config.restart.delay = 1h;
  auto running = job::start(job, config);
  REQUIRE(running.has_value());
  failed->get_future().wait();
  (*running)->stop(); // before, while or after the tasks are stopped
  const job_report report = (*running)->wait();
  CHECK(report.what == job_report::outcome::failed);
  CHECK(says(report.failure, "stopped without a last checkpoint"));
  CHECK(says(report.failure, "once"));
  running->reset();
  CHECK(run_with(job, config).what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("a job that has finished does nothing when it is started again") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  const topology job = summing_job(output);
  const job_config config = quiet_config(directory / "checkpoints");
  CHECK(run_with(job, config).what == job_report::outcome::finished);
  CHECK(run_with(job, config).what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("without a checkpoint directory everything is committed at the end") {
  const auto output = std::make_shared<committed_records<sums>>();
  CHECK(run_with(summing_job(output), quiet_config({})).what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("a source that has ended is not read again after a restart, and checkpoints go on") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto failed = std::make_shared<std::atomic<bool>>(false);
  const auto reads_at_failure = std::make_shared<std::atomic<std::uint64_t>>(0);
  topology job{"two sources"};
  const auto brief = job.source("brief", generate(
                                             [reads](std::uint64_t) {
                                               ++*reads;
                                               return std::uint64_t{1};
                                             },
                                             std::uint64_t{100}));
  const auto seen = std::make_shared<committed_records<std::uint64_t>>();
  brief.sink("seen", memory_sink<std::uint64_t>{seen});
  job.source("long", generate(number, records))
      .map("slowly",
           [=](std::uint64_t i) {
             if (i % 101 == 0) {
               std::this_thread::sleep_for(1ms);
               if (seen->visible().size() == 100 && !failed->exchange(true)) {
                 *reads_at_failure = reads->load();
                 throw std::runtime_error("after the end of the brief source");
               }
             }
             return std::uint64_t{1};
           })
      .union_with(brief)
      .key_by([](std::uint64_t one) { return one; })
      .aggregate("sum", summing{}, emit::at_end)
      .sink("out", memory_sink<sums>{output});
  const job_report report = run_with(job, quiet_config(directory / "checkpoints"));
  CHECK(report.what == job_report::outcome::finished);
  CHECK(report.restarts == 1);
  CHECK(report.checkpoints >= 2);
  CHECK(reads->load() == reads_at_failure->load());
  CHECK(output->visible() == std::vector<sums>{{1, records + 100}});
}

TEST_CASE("a checkpoint that times out is given up, and nothing is lost") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  const auto blocked = std::make_shared<std::atomic<int>>(0);
  topology job{"blocking"};
  job.source("numbers", generate(number, records))
      .key_by([](std::uint64_t i) { return i % keys; })
      .reduce("last",
              [blocked](std::uint64_t a, std::uint64_t b) {
                if (b > records / 2 && blocked->fetch_add(1) == 0)
                  std::this_thread::sleep_for(200ms);
                return a + b;
              },
              emit::at_end)
      .map("key", [](std::uint64_t sum) { return sums{sum % keys, sum}; })
      .sink("out", memory_sink<sums>{output});
  for (const std::uint32_t tolerated : {100u, 0u}) {
    CAPTURE(tolerated);
    *blocked = 0;
    job_config config = quiet_config(directory / std::to_string(tolerated));
    config.checkpoint.timeout = 30ms;
    config.checkpoint.interval = 5ms;
    config.checkpoint.tolerated_failures = tolerated;
    const std::size_t before = output->visible().size();
    const job_report report = run_with(job, config);
    CHECK(report.what == job_report::outcome::finished);
    CHECK(report.failed_checkpoints >= 1);
    if (tolerated == 100)
      CHECK(report.restarts == 0);
    else
      CHECK(report.restarts >= 1);
    CHECK(output->visible().size() == before + keys);
    CHECK(output->pending() == 0);
  }
}

TEST_CASE("checkpoints may overlap") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  job_config config = quiet_config(directory / "checkpoints");
  config.checkpoint.maximum_concurrent = 4;
  config.checkpoint.interval = 500us;
  config.task.credits = 2;
  const job_report report =
      run_with(summing_job(output, {.aggregate = bomb{records / 2}}), config);
  CHECK(report.what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("without alignment every record counts at least once") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  job_config config = quiet_config(directory / "checkpoints");
  config.checkpoint.mode = checkpoint_mode::at_least_once;
  const job_report report = run_with(summing_job(output, {.map = bomb{records / 2}}), config);
  CHECK(report.what == job_report::outcome::finished);
  CHECK(report.restarts == 1);
  std::map<std::uint64_t, std::uint64_t> expected;
  for (std::uint64_t i = 0; i < records; ++i)
    expected[i % keys] += i;
  const auto got = output->visible();
  CHECK(got.size() == keys);
  for (const auto& [key, sum] : got)
    CHECK(sum >= expected[key]);
}

TEST_CASE("a full disk fails checkpoints but loses nothing, and they go on when there is room") {
  const small_filesystem disk(1 << 20);
  if (!disk.is_mounted()) {
    MESSAGE("SKIPPED: mounting a tmpfs needs root");
    return;
  }
  const auto output = std::make_shared<committed_records<sums>>();
  const auto go_on = std::make_shared<std::atomic<bool>>(false);
  topology job{"full disk"};
  job.source("numbers", generate(number, records))
      .map("hold back",
           [go_on](std::uint64_t i) {
             if (i % 101 == 0 && !*go_on)
               std::this_thread::sleep_for(1ms);
             return i;
           })
      .key_by([](std::uint64_t i) { return i % keys; })
      .aggregate("sum", summing{}, emit::at_end)
      .sink("out", memory_sink<sums>{output});
  job_config config = quiet_config(disk.path() / "checkpoints");
  config.checkpoint.tolerated_failures = 1'000'000;
  auto running = job::start(job, config);
  if (!running)
    FAIL(running.failure().message);
  disk.fill();
  std::this_thread::sleep_for(100ms);
  disk.empty();
  *go_on = true;
  const job_report report = (*running)->wait();
  CHECK(report.what == job_report::outcome::finished);
  CHECK(report.restarts == 0);
  CHECK(report.failed_checkpoints >= 1);
  CHECK(report.checkpoints >= 1);
  check_sums(output);
}

TEST_CASE("a second job on a checkpoint directory is refused with the name of the first") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  const topology job = summing_job(output);
  const job_config config = quiet_config(directory / "checkpoints");
  auto first = job::start(job, config);
  REQUIRE(first.has_value());
  auto second = job::start(job, config);
  REQUIRE(!second.has_value());
  CHECK(second.failure().code == errc::in_use);
  CHECK(says(second.failure().message, (directory / "checkpoints").string()));
  CHECK((*first)->wait().what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("a checkpoint of another topology is refused before anything runs, with every mismatch") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  const job_config config = quiet_config(directory / "checkpoints");
  {
    auto running = job::start(summing_job(output), config);
    REQUIRE(running.has_value());
    std::this_thread::sleep_for(10ms);
    (*running)->stop();
    (*running)->wait();
  }
  topology other{"summing"};
  other.source("other numbers", generate(number, records))
      .key_by([](std::uint64_t i) { return i % keys; })
      .aggregate("other sum", summing{}, emit::at_end)
      .sink("out", memory_sink<sums>{output});
  const std::string text = start_error(other, config);
  CAPTURE(text);
  CHECK(says(text, "uid 'numbers'"));
  CHECK(says(text, "uid 'sum'"));

  job_config groups = config;
  groups.key_groups = 64;
  CHECK(says(start_error(summing_job(output), groups), "128 key groups"));

  topology retyped{"summing"};
  retyped.source("numbers", generate(number, records))
      .key_by([](std::uint64_t i) { return i % keys; })
      .count("sum")
      .sink("out", [](const counted<std::uint64_t>&) {});
  const std::string mismatch = start_error(retyped, config);
  CAPTURE(mismatch);
  CHECK(says(mismatch, "operator 'sum'"));
  CHECK(says(mismatch, "aggregate of type"));

  topology renamed{"another job"};
  renamed.source("numbers", generate(number, records)).sink("out", [](const std::uint64_t&) {});
  CHECK(says(start_error(renamed, config), "summing"));
  CHECK(run_with(summing_job(output), config).what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("checkpoints are deleted with a stopped job where they are not to be retained") {
  const temporary_directory directory;
  const auto output = std::make_shared<committed_records<sums>>();
  job_config config = quiet_config(directory / "checkpoints");
  config.checkpoint.retain_on_cancel = false;
  const topology job = summing_job(output);
  {
    auto running = job::start(job, config);
    REQUIRE(running.has_value());
    (*running)->stop();
    CHECK((*running)->wait().what == job_report::outcome::stopped);
  }
  CHECK(run_with(job, config).what == job_report::outcome::finished);
  check_sums(output);
}

TEST_CASE("a slow consumer holds its source back") {
  const auto produced = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto consumed = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto largest = std::make_shared<std::atomic<std::uint64_t>>(0);
  topology job{"slow"};
  job.source("numbers", generate(
                            [produced](std::uint64_t i) {
                              ++*produced;
                              return i;
                            },
                            records))
      .rebalance()
      .sink("slow", [produced, consumed, largest](const std::uint64_t&) {
        const std::uint64_t ahead = *produced - ++*consumed;
        if (ahead > *largest)
          *largest = ahead;
        if (*consumed % 1000 == 0)
          std::this_thread::sleep_for(1ms);
      });
  job_config config = quiet_config({});
  config.parallelism = 1;
  config.task.batch_size = 64;
  config.task.credits = 4;
  config.task.batch_timeout = 0s;
  CHECK(run_with(job, config).what == job_report::outcome::finished);
  CHECK(*consumed == records);
  CHECK(*largest <= 64 * 4 + 3 * 1024);
}
