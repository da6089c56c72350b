#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/memory_sink.hpp>
#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/cluster/worker.hpp>
#include <weir/runtime/control_socket.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t records = 60'000;
constexpr std::uint64_t keys = 37;
constexpr std::uint64_t in_a_window = 500;

using key_count = counted<std::uint64_t>;
using numbers = std::vector<std::uint64_t>;

/// What a test sees of a job, and does to it.
struct observed {
  std::shared_ptr<committed_records<key_count>> counts = std::make_shared<committed_records<key_count>>();
  std::shared_ptr<committed_records<std::uint64_t>> windows = std::make_shared<committed_records<std::uint64_t>>();
  std::shared_ptr<committed_records<std::uint64_t>> late = std::make_shared<committed_records<std::uint64_t>>();
  std::shared_ptr<std::atomic<std::uint32_t>> parallelism = std::make_shared<std::atomic<std::uint32_t>>(0);
  std::shared_ptr<std::atomic<std::uint32_t>> not_with = std::make_shared<std::atomic<std::uint32_t>>(0);
  std::shared_ptr<std::atomic<bool>> fails_once = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<bool>> is_held = std::make_shared<std::atomic<bool>>(false);
};

/// Notes how many instances there are, and fails as it is told.
struct observing_sink : memory_sink<key_count> {
  explicit observing_sink(const observed& how) : memory_sink(how.counts), by(how) {}
  void open(const operator_context& context) {
    if (context.parallelism == *by.not_with)
      throw std::runtime_error("so many cannot be opened");
    *by.parallelism = context.parallelism;
    memory_sink::open(context);
  }
  void pre_commit(transaction& open) {
    if (by.fails_once->exchange(false))
      throw std::runtime_error("no checkpoint now");
    memory_sink::pre_commit(open);
  }
  observed by;
};

/// Counts by key, with every count on the way, and by window; one operator has a parallelism of its own. While it is held,
/// no barrier comes through.
topology counting_job(const observed& by) {
  topology job{"counting"};
  const auto read = job.source("numbers", generate(
                                              [](std::uint64_t i) {
                                                if (i % 64 == 0)
                                                  std::this_thread::sleep_for(200us);
                                                return i;
                                              },
                                              records))
                        .assign_times("times", [](std::uint64_t i) { return event_time{std::chrono::milliseconds{i}}; },
                                      bounded_disorder{100ms});
  const auto keyed = read.key_by([](std::uint64_t i) { return i % keys; });
  keyed.count("count")
      .map("held",
           [held = by.is_held](const key_count& one) {
             while (*held)
               std::this_thread::sleep_for(1ms);
             return one;
           })
      .sink("counts", observing_sink{by});
  const auto windows = keyed.window(tumbling(std::chrono::milliseconds{in_a_window})).count("windows");
  windows.late().map("late values", [](const auto& one) { return one; }).sink("late", memory_sink<std::uint64_t>{by.late});
  windows.map("values", [](const windowed<std::uint64_t, std::uint64_t>& one) { return one.value; })
      .parallelism(2)
      .sink("window counts", memory_sink<std::uint64_t>{by.windows})
      .parallelism(2);
  return job;
}

job_config counting_config(const fs::path& directory) {
  job_config config = hasty_config(directory);
  config.threads = 6; // of which tasks that are held take some
  return config;
}

/// Until there is more than there was.
void wait_for_more(const observed& by) {
  const std::size_t before = by.counts->visible().size();
  REQUIRE(becomes_true([&] { return by.counts->visible().size() > before; }));
}

numbers sorted(numbers values) {
  std::sort(values.begin(), values.end());
  return values;
}

/// Every count of every key once, and every window with all of its records.
void check_complete(const observed& by) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> got, wanted;
  for (const key_count& one : by.counts->visible())
    got.emplace_back(one.key, one.count);
  for (std::uint64_t i = 0; i < records; ++i)
    wanted.emplace_back(i % keys, i / keys + 1);
  std::sort(got.begin(), got.end());
  std::sort(wanted.begin(), wanted.end());
  CHECK(got == wanted);
  numbers windows;
  for (std::uint64_t begin = 0; begin < records; begin += in_a_window) {
    numbers of_keys(keys);
    for (std::uint64_t i = begin; i < begin + in_a_window; ++i)
      ++of_keys[i % keys];
    windows.insert(windows.end(), of_keys.begin(), of_keys.end());
  }
  CHECK(by.late->visible().empty());
  CHECK(sorted(by.windows->visible()) == sorted(windows));
}

void finish(job& running) {
  const job_report report = running.wait();
  CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
}

void check_rescaled(job& running, const observed& by, std::uint32_t before, std::uint32_t after) {
  const auto done = running.rescale(after);
  REQUIRE_MESSAGE(done, done.failure().message);
  CHECK(done->before == before);
  CHECK(done->after == after);
  CHECK(done->checkpoint);
  CHECK(done->pause > duration::zero());
  CHECK(*by.parallelism == after);
}

bool says(const result<rescale_outcome>& answer, const std::string& text) {
  return !answer && answer.failure().message.find(text) != std::string::npos;
}

using rescaled = std::future<result<rescale_outcome>>;

/// Gives the order, and does not wait.
rescaled begin_rescale(job& running, std::uint32_t parallelism) {
  const auto answered = std::make_shared<std::promise<result<rescale_outcome>>>();
  running.tell(rescale_order{.parallelism = parallelism, .done = {[answered](result<rescale_outcome> answer) {
                               answered->set_value(std::move(answer));
                             }}});
  return answered->get_future();
}

/// Begins to rescale a job that is held, so that it cannot go on with that.
rescaled begin_held_rescale(job& running, const observed& by, std::uint32_t parallelism) {
  *by.is_held = true;
  rescaled answer = begin_rescale(running, parallelism);
  REQUIRE(says(running.rescale(parallelism), "is being rescaled already"));
  return answer;
}

job_order order(job_order::kind what, bool drain = false, const fs::path& savepoint = {}) {
  return {.what = what, .drain = drain, .savepoint = savepoint, .done = {}};
}

[[maybe_unused]] std::unique_ptr<worker> join(const topology& what, const job& coordinator) {
  job_config own;
  own.threads = 6;
  return join_job(what, coordinator, 2, own);
}

} // namespace

TEST_CASE("a job goes on with another parallelism, and its results are those of one that was left alone") {
  for (const state_backend backend : {state_backend::memory, state_backend::directory, state_backend::lmdb})
    for (const checkpoint_mode mode : {checkpoint_mode::exactly_once, checkpoint_mode::unaligned})
      for (const auto& scales : {std::vector<std::uint32_t>{1, 3, 2}, {3, 1, 4, 2}}) {
        CAPTURE(static_cast<int>(backend));
        CAPTURE(static_cast<int>(mode));
        CAPTURE(scales.size());
        const temporary_directory place;
        const observed by;
        job_config config = counting_config(place / "state");
        config.parallelism = scales.front();
        config.state.backend = backend;
        config.checkpoint.mode = mode;
        const auto running = start_job(counting_job(by), config);
        for (std::size_t i = 1; i < scales.size(); ++i) {
          wait_for_more(by);
          check_rescaled(*running, by, scales[i - 1], scales[i]);
        }
        finish(*running);
        check_complete(by);
      }
}

TEST_CASE("a job that was rescaled restarts with its new parallelism, and its process with that of its settings") {
  const temporary_directory place;
  const observed by;
  const job_config config = counting_config(place / "state");
  {
    const auto running = start_job(counting_job(by), config);
    wait_for_more(by);
    check_rescaled(*running, by, 2, 3);
    *by.parallelism = 0;
    running->kill_task("count", 2);
    REQUIRE(becomes_true([&] { return *by.parallelism != 0; }));
    CHECK(*by.parallelism == 3);
    running->stop();
    CHECK(running->wait().restarts == 1);
  }
  const auto running = start_job(counting_job(by), config);
  REQUIRE(becomes_true([&] { return *by.parallelism == 2; }));
  finish(*running);
  check_complete(by);
}

TEST_CASE("what is wrong with another parallelism is said before anything is stopped") {
  const temporary_directory place;
  const observed by;
  job_config config = counting_config(place / "state");
  config.key_groups = 16;
  config.restart.delay = 200ms;
  const auto running = start_job(counting_job(by), config);
  wait_for_more(by);
  for (const std::uint32_t impossible : {0u, 65'537u})
    CHECK(says(running->rescale(impossible), "expected a whole number from 1 to 65536"));
  CHECK(says(running->rescale(17), "more than there are key groups"));
  const auto same = running->rescale(2);
  REQUIRE(same);
  CHECK(!same->checkpoint);
  CHECK(same->pause == duration::zero());
  CHECK(*by.parallelism == 2);
  running->kill_task("count", 0);
  CHECK(becomes_true([&] { return says(running->rescale(2), "is not running just now"); }));
  finish(*running);
  CHECK(running->wait().restarts == 1);
  check_complete(by);
  CHECK(says(running->rescale(3), "the job has ended"));

  const observed unstored;
  const auto without = start_job(counting_job(unstored), counting_config(""));
  CHECK(becomes_true([&] { return says(without->rescale(3), "stores no checkpoints"); }));
  finish(*without);
  check_complete(unstored);
}

TEST_CASE("while a job is rescaled it is told to stop, to drain or to cancel: that is done, and both orders are answered") {
  const temporary_directory place;
  const observed by;
  const job_config config = counting_config(place / "state");
  {
    const auto running = start_job(counting_job(by), config);
    wait_for_more(by);
    rescaled under_way = begin_held_rescale(*running, by, 3);
    const auto refused = running->savepoint(place / "refused.weir");
    REQUIRE(!refused);
    running->stop();
    *by.is_held = false;
    CHECK(says(under_way.get(), "has ended before it was rescaled"));
    CHECK(running->wait().what == job_report::outcome::stopped);
  }
  {
    const auto running = start_job(counting_job(by), config);
    wait_for_more(by);
    rescaled under_way = begin_held_rescale(*running, by, 3);
    running->tell(order(job_order::kind::cancel));
    *by.is_held = false;
    CHECK(says(under_way.get(), "has ended before it was rescaled"));
    CHECK(running->wait().what == job_report::outcome::stopped);
  }
  const observed drained;
  {
    const auto running = start_job(counting_job(drained), counting_config(place / "drained"));
    wait_for_more(drained);
    rescaled under_way = begin_held_rescale(*running, drained, 3);
    running->tell(order(job_order::kind::stop, true));
    *drained.is_held = false;
    CHECK(under_way.get());
    finish(*running);
    CHECK(*drained.parallelism == 3);
    std::uint64_t in_windows = 0;
    for (const std::uint64_t one : drained.windows->visible())
      in_windows += one;
    CHECK(in_windows == drained.counts->visible().size()); // also those that had not ended
  }
  finish(*start_job(counting_job(by), config));
  check_complete(by);
}

TEST_CASE("a job whose new tasks do not open goes back to the parallelism that it had") {
  const temporary_directory place;
  const observed by;
  const auto running = start_job(counting_job(by), counting_config(place / "state"));
  wait_for_more(by);
  *by.not_with = 3;
  *by.parallelism = 0;
  const auto answer = running->rescale(3);
  CHECK(says(answer, "restarts with a parallelism of 2"));
  CHECK(says(answer, "so many cannot be opened"));
  REQUIRE(becomes_true([&] { return *by.parallelism == 2; }));
  wait_for_more(by);
  check_rescaled(*running, by, 2, 4);
  finish(*running);
  CHECK(running->wait().restarts == 1);
  check_complete(by);
}

TEST_CASE("a job whose checkpoint fails while it is rescaled goes back to the parallelism that it had") {
  const temporary_directory place;
  const observed by;
  job_config config = counting_config(place / "state");
  config.checkpoint.interval = duration::zero(); // so that it is the one
  const auto running = start_job(counting_job(by), config);
  REQUIRE(becomes_true([&] { return !says(running->rescale(2), "is not running just now"); }));
  *by.fails_once = true;
  const auto answer = running->rescale(3);
  CHECK(says(answer, "restarts with a parallelism of 2"));
  CHECK(says(answer, "no checkpoint now"));
  finish(*running);
  CHECK(*by.parallelism == 2);
  CHECK(running->wait().restarts == 1);
  check_complete(by);
}

TEST_CASE("a job is rescaled, or says why not, while its tasks are killed, and no result changes") {
  const temporary_directory place;
  const observed by;
  const auto running = start_job(counting_job(by), counting_config(place / "state"));
  wait_for_more(by);
  int done = 0;
  for (std::uint32_t i = 0; i < 16; ++i) {
    rescaled answer = begin_rescale(*running, 1 + i % 4);
    if (i % 4 == 1)
      running->kill_task("count", 0);
    std::this_thread::sleep_for(std::chrono::microseconds{700 * i});
    if (i % 4 == 3)
      running->kill_task(i % 8 == 3 ? "counts" : "numbers", 0);
    if (const auto outcome = answer.get())
      ++done;
    else
      CHECK(!outcome.failure().message.empty());
    becomes_true([&] { return !says(running->rescale(65'537), "is not running just now"); });
  }
  CHECK(done > 0);
  finish(*running);
  check_complete(by);
}

TEST_CASE("a job is rescaled in which some sources have ended, and in which records go round") {
  const temporary_directory place;
  const auto results = std::make_shared<committed_records<std::uint64_t>>();
  topology job{"countdown"};
  const auto is_slow = std::make_shared<std::atomic<bool>>(true);
  const auto brief = job.source("brief", generate([](std::uint64_t i) { return i % 7; }, std::uint64_t{100}));
  const auto round = job.source("long", generate(
                                            [is_slow](std::uint64_t i) {
                                              if (i % 16 == 0 && *is_slow)
                                                std::this_thread::sleep_for(200us);
                                              return i % 7;
                                            },
                                            std::uint64_t{20'000}))
                         .union_with(brief)
                         .iterate("round");
  const auto [again, out] = round.split<std::uint64_t, std::uint64_t>(
      "down", [](std::uint64_t i, emitter<std::uint64_t>& more, emitter<std::uint64_t>& end) { i == 0 ? end(i) : more(i - 1); });
  round.feed_back(again.rebalance().map("step", [](std::uint64_t i) { return i; }));
  out.key_by([](std::uint64_t i) { return i; }).count("count").map("number", [](const key_count& one) {
    return one.count;
  }).sink("results", memory_sink<std::uint64_t>{results});
  const auto running = start_job(job, counting_config(place / "state"));
  for (const std::uint32_t parallelism : {3u, 1u, 2u}) {
    const std::size_t before = results->visible().size();
    REQUIRE(becomes_true([&] { return results->visible().size() > before; }));
    const auto done = running->rescale(parallelism);
    REQUIRE_MESSAGE(done, done.failure().message);
  }
  *is_slow = false;
  finish(*running);
  numbers wanted;
  for (std::uint64_t i = 1; i <= 20'100; ++i)
    wanted.push_back(i);
  CHECK(sorted(results->visible()) == wanted);
}

TEST_CASE("a job that is told over its socket says how it was rescaled") {
  const temporary_directory place;
  const observed by;
  const auto running = start_job(counting_job(by), counting_config(place / "state"));
  wait_for_more(by);
  const auto done = ask_job(place / "state", R"({"command": "rescale", "parallelism": 3})");
  REQUIRE(done);
  for (const char* part : {"\"ok\":true", "\"before\":2", "\"after\":3", "\"pause_ms\":", "\"checkpoint\":"})
    CHECK_MESSAGE(done->find(part) != std::string::npos, *done);
  for (const char* wrong : {"{\"command\": \"rescale\"}", "{\"command\": \"rescale\", \"parallelism\": -1}",
                            "{\"command\": \"rescale\", \"parallelism\": \"3\"}",
                            "{\"command\": \"rescale\", \"parallelism\": 99999999999}"}) {
    const auto answer = ask_job(place / "state", wrong);
    REQUIRE(answer);
    CHECK_MESSAGE(answer->find("\"ok\":false") != std::string::npos, *answer);
    CHECK_MESSAGE(answer->find("expected") != std::string::npos, *answer);
  }
  finish(*running);
  check_complete(by);
}

#if !defined(__SANITIZE_THREAD__) // see on_workers

TEST_CASE("a job on workers is rescaled as far as their slots go") {
  const temporary_directory place;
  const observed by;
  const topology what = counting_job(by);
  job_config config = counting_config(place / "state");
  config.cluster.listen = "127.0.0.1:0";
  const auto running = start_job(what, config);
  const auto first = join(what, *running), second = join(what, *running);
  wait_for_more(by);
  check_rescaled(*running, by, 2, 4);
  CHECK(says(running->rescale(5), "takes 5 slots, and the workers have 4"));
  wait_for_more(by);
  check_rescaled(*running, by, 4, 1);
  wait_for_more(by);
  check_rescaled(*running, by, 1, 3);
  finish(*running);
  check_complete(by);
}

TEST_CASE("a job goes back when the slots have become too few that it has stopped for") {
  const temporary_directory place;
  const observed by;
  const topology what = counting_job(by);
  job_config config = counting_config(place / "state");
  config.cluster.listen = "127.0.0.1:0";
  config.cluster.placement = task_placement::pack;
  config.cluster.timeout = 500ms;
  const auto running = start_job(what, config);
  const auto workers = [&] {
    const auto now = running->ask(status_order{});
    return now ? now->workers.size() : 0;
  };
  const auto first = join(what, *running);
  wait_for_more(by);
  auto idle = join(what, *running);
  REQUIRE(becomes_true([&] { return workers() == 2; }));
  rescaled under_way = begin_held_rescale(*running, by, 4);
  CHECK(running->ask(status_order{})->state == job_state::rescaling);
  idle.reset();
  REQUIRE(becomes_true([&] { return workers() == 1; }));
  *by.is_held = false;
  CHECK(says(under_way.get(), "the workers have too few slots now"));
  wait_for_more(by);
  CHECK(*by.parallelism == 2);
  finish(*running);
  CHECK(running->wait().restarts == 0);
  check_complete(by);
}

TEST_CASE("a job that loses a worker while it is rescaled goes back, and a new worker makes it possible") {
  const temporary_directory place;
  const observed by;
  const topology what = counting_job(by);
  job_config config = counting_config(place / "state");
  config.cluster.listen = "127.0.0.1:0";
  const auto running = start_job(what, config);
  const auto first = join(what, *running);
  auto second = join(what, *running);
  wait_for_more(by);
  rescaled under_way = begin_held_rescale(*running, by, 4);
  second->stop(); // it waits for its tasks, which are held
  *by.is_held = false;
  second.reset();
  const auto answer = under_way.get();
  if (!answer) // unless it ran with all four before it heard of that
    CHECK(says(answer, "restarts with a parallelism of 2"));
  const auto third = join(what, *running);
  REQUIRE(becomes_true([&] {
    const auto again = running->rescale(3);
    return again || says(again, "the job has ended");
  }));
  finish(*running);
  check_complete(by);
}

#endif
