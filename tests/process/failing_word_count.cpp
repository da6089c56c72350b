// The word count sample with faults in it: each operator throws once at a random record, or each task
// actor is ended once at a random moment. Fails unless all of these happened.
// Usage: failing_word_count exceptions|tasks SEED INPUT_DIR OUTPUT_DIR CHECKPOINT_DIR

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <weir/base/log.hpp>
#include <weir/connectors/read_lines.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

#include "../../samples/words.hpp"

namespace {

/// Throws once, at a record that is chosen beforehand, whichever instance it comes to.
struct fault {
  std::atomic<std::uint64_t> records_left{0}; // 0: none is planned, or it has happened
  std::atomic<bool> happened{false};

  void pass() {
    if (records_left.load(std::memory_order_relaxed) != 0 && records_left.fetch_sub(1) == 1) {
      happened = true;
      throw std::runtime_error("thrown on purpose");
    }
  }
};

fault in_source, in_split, in_key, in_count, in_sink;

struct failing_read_lines : weir::read_lines {
  using weir::read_lines::read_lines;

  weir::source_turn poll(weir::emitter<std::string>& out) {
    const weir::source_turn turn = weir::read_lines::poll(out);
    in_source.pass();
    return turn;
  }
};

struct failing_count {
  using accumulator = weir::counted<std::string>;

  void add(accumulator& so_far, const std::string& word) const {
    in_count.pass();
    if (so_far.count++ == 0)
      so_far.key = word;
  }
  accumulator result(const accumulator& so_far) const { return so_far; }
};

} // namespace

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const std::string_view what = argc == 6 ? argv[1] : "";
  if (what != "exceptions" && what != "tasks") {
    std::fprintf(stderr, "usage: failing_word_count exceptions|tasks SEED INPUT_DIR OUTPUT_DIR "
                         "CHECKPOINT_DIR\n");
    return 2;
  }
  std::mt19937_64 random(std::strtoull(argv[2], nullptr, 10));
  if (what == "exceptions") {
    const auto within = [&](std::uint64_t first, std::uint64_t last) {
      return std::uniform_int_distribution<std::uint64_t>(first, last)(random);
    };
    in_source.records_left = within(1, 300); // turns
    in_split.records_left = within(1, 1'000'000);
    in_key.records_left = within(1, 20'000'000);
    in_count.records_left = within(1, 10'000'000);
    in_sink.records_left = within(1, 1'000);
  }

  weir::topology job{"failing-word-count"};
  job.source("lines", failing_read_lines{argv[3]})
      .flat_map("split",
                [](const std::string& line, weir::emitter<std::string>& out) {
                  in_split.pass();
                  emit_words(line, out);
                })
      .key_by([](const std::string& word) -> const std::string& {
        in_key.pass();
        return word;
      })
      .aggregate("count", failing_count{}, weir::emit::at_end)
      .sink("result", weir::write_lines{argv[4], [](const weir::counted<std::string>& word) {
                                          in_sink.pass();
                                          return word.key + '\t' + std::to_string(word.count);
                                        }});
  job.config().parallelism = 2;
  job.config().checkpoint.directory = argv[5];
  job.config().checkpoint.interval = 100ms;
  job.config().restart.strategy = weir::restart_kind::fixed_delay;
  job.config().restart.delay = 1ms;
  weir::configure_log(weir::log_level::info, weir::log_format::text);
  auto running = weir::job::start(job, job.config());
  if (!running) {
    std::fprintf(stderr, "%s\n", running.failure().message.c_str());
    return 1;
  }
  std::uint32_t planned = 5;
  if (what == "tasks") {
    planned = 0;
    for (const char* name : {"lines", "split", "count", "result"})
      for (const std::uint32_t instance : {0u, 1u}) {
        std::this_thread::sleep_for(std::chrono::milliseconds{20 + random() % 80});
        (*running)->kill_task(name, instance);
        ++planned;
      }
  }
  const weir::job_report report = (*running)->wait();
  std::printf("%u restarts, %u checkpoints\n", report.restarts, report.checkpoints);
  if (report.what != weir::job_report::outcome::finished) {
    std::fprintf(stderr, "expected a job that finishes: %s\n", report.failure.c_str());
    return 1;
  }
  if (what == "exceptions")
    for (const fault* one : {&in_source, &in_split, &in_key, &in_count, &in_sink})
      if (!one->happened) {
        std::fprintf(stderr, "expected an exception in every operator: one was never thrown\n");
        return 1;
      }
  if (report.restarts < planned / 2) { // some faults may fall into one attempt
    std::fprintf(stderr, "expected about %u restarts, found %u\n", planned, report.restarts);
    return 1;
  }
  return 0;
}
