#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <weir/base/units.hpp>
#include <weir/runtime/job.hpp>

#include "jobs.hpp"
#include "report.hpp"

namespace {

using namespace bench;

using job_function = std::function<weir::topology(const workload&, std::shared_ptr<shared_totals>)>;

const std::map<std::string, failure::kind> failures{
    {"none", failure::kind::none}, {"task", failure::kind::task}, {"process", failure::kind::process}};

const std::map<std::string, weir::checkpoint_mode> modes{
    {"exactly-once", weir::checkpoint_mode::exactly_once},
    {"unaligned", weir::checkpoint_mode::unaligned},
    {"at-least-once", weir::checkpoint_mode::at_least_once}};

const std::map<std::string, weir::state_backend> backends{
    {"memory", weir::state_backend::memory},
    {"directory", weir::state_backend::directory},
    {"lmdb", weir::state_backend::lmdb}};

/// A directory for one run's checkpoints, removed afterwards.
class temporary_directory {
 public:
  temporary_directory() {
    path_ = (std::filesystem::temp_directory_path() / "weir_bench-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr)
      throw std::runtime_error("no temporary directory can be made as " + path_ +
                               ": name one with --dir");
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

std::string duration_problem(const std::string& text) {
  const auto parsed = weir::parse_duration(text);
  return parsed ? std::string{} : parsed.failure().message;
}

std::string size_problem(const std::string& text) {
  const auto parsed = weir::parse_size(text);
  return parsed ? std::string{} : parsed.failure().message;
}

std::string latency_members(latencies& seen) {
  char text[128];
  std::snprintf(text, sizeof text, ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
                seen.percentile_us(50), seen.percentile_us(99), seen.percentile_us(99.9), seen.percentile_us(100));
  return text;
}

/// From the failure of a task to the first result after it; of a process, when the first result came.
std::string recovery_members(const failure& plan, failure::kind what) {
  using microseconds = std::chrono::microseconds;
  char text[128];
  if (what == failure::kind::task)
    std::snprintf(text, sizeof text, ",\"recovery_ms\":%.1f",
                  std::chrono::duration<double, std::milli>(plan.back_at() - plan.failed_at()).count());
  else
    std::snprintf(text, sizeof text, ",\"first_result_unix_us\":%lld",
                  static_cast<long long>(
                      std::chrono::duration_cast<microseconds>(plan.back_at().time_since_epoch()).count()));
  return text + (",\"restored\":" + std::to_string(plan.restored()));
}

int fail(const std::string& reason) {
  std::fprintf(stderr, "weir_bench: %s\n", reason.c_str());
  return EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
  report done;
  done.system = "weir";
  weir::job_config config;
  failure::kind what_fails = failure::kind::task;
  const auto seen = std::make_shared<latencies>();
  std::shared_ptr<failure> plan;
  const std::map<std::string, job_function> workloads{
      {"keyed-sum", keyed_sum_job},
      {"start", keyed_sum_job},
      {"window-sum", window_sum_job},
      {"sliding-sum", sliding_sum_job},
      {"word-count", word_count_job},
      {"chain", chain_job},
      {"fan-out", fan_out_job},
      {"checkpoints", checkpoints_job},
      {"backpressure", backpressure_job},
      {"latency", [&](const workload& what, auto results) { return latency_job(what, results, seen); }},
      {"recovery", [&](const workload& what, auto results) {
         return recovery_job(what, results, plan, config.parallelism);
       }}};
  std::string interval;
  std::string cache_size;
  std::string directory;
  config.lowest_level = weir::log_level::warning;
  CLI::App app{"The workloads on Weir"};
  app.add_option("workload", done.what.name, "What to run")
      ->required()
      ->check(CLI::IsMember(workloads));
  app.add_option("--keys", done.what.keys, "Different keys; 0: the workload's own number");
  app.add_option("--records", done.what.records,
                 "Records, or lines of word-count; 0: the workload's own number");
  app.add_option("--operators", done.what.operators, "chain and fan-out: how many operators or sinks")
      ->check(CLI::PositiveNumber);
  app.add_option("--parallelism", config.parallelism, "Instances of each operator")
      ->check(CLI::PositiveNumber);
  app.add_option("--checkpoint-interval", interval, "Takes checkpoints, such as every 1s")
      ->check(duration_problem);
  app.add_option("--backend", config.state.backend, "Where state is kept")
      ->transform(CLI::CheckedTransformer(backends));
  app.add_option("--cache-size", cache_size, "How much of state on disk is kept in memory, such as 64MiB")
      ->check(size_problem);
  app.add_option("--mode", config.checkpoint.mode, "What checkpoints promise")
      ->transform(CLI::CheckedTransformer(modes));
  app.add_option("--sink-ns", done.what.sink_ns, "backpressure: how long a record takes in the sink");
  app.add_option("--changed", done.what.changed, "checkpoints: percent of the keys that change from one to the next")
      ->check(CLI::Range(1, 100));
  bool all_full = false;
  app.add_flag("--full", all_full, "Every checkpoint holds everything");
  app.add_option("--dir", directory, "Where checkpoints are kept; without it, in a temporary place");
  app.add_option("--fail", what_fails,
                 "recovery: what fails after half of the records: none, and the job goes on from the "
                 "checkpoints in --dir, the task of the sink, or the process")
      ->transform(CLI::CheckedTransformer(failures));
  CLI11_PARSE(app, argc, argv);

  done.what = with_defaults(done.what);
  done.parallelism = config.parallelism;
  config.checkpoint.incremental = !all_full;
  if (done.what.name == "checkpoints" || done.what.name == "backpressure") { // a line for each of them
    config.lowest_level = weir::log_level::debug;
    config.format = weir::log_format::json;
  }
  weir::configure_log(config.lowest_level, config.format);
  if (!cache_size.empty())
    config.state.cache_size = *weir::parse_size(cache_size);
  std::unique_ptr<temporary_directory> temporary;
  if (!interval.empty()) {
    if (directory.empty())
      temporary = std::make_unique<temporary_directory>();
    config.checkpoint.directory = temporary ? temporary->path() : directory;
    config.checkpoint.interval = *weir::parse_duration(interval);
    config.checkpoint.discard = done.what.name != "recovery" || what_fails != failure::kind::none;
  }
  plan = std::make_shared<failure>(what_fails);

  const auto results = std::make_shared<shared_totals>();
  memory_watch memory;
  const weir::topology topology = workloads.at(done.what.name)(done.what, results);
  const double processor_before = processor_seconds();
  const stopwatch time;
  auto started = weir::job::start(topology, config);
  if (!started)
    return fail(started.failure().message);
  const weir::job_report ended = (*started)->wait();
  done.seconds = time.seconds();
  done.cores = (processor_seconds() - processor_before) / done.seconds;
  done.anonymous_mb = memory.largest_mb();
  if (ended.what != weir::job_report::outcome::finished)
    return fail("the job did not finish: " + ended.failure);

  using milliseconds = std::chrono::duration<double, std::milli>;
  done.results = results->sum();
  done.checkpoints = ended.checkpoints;
  done.checkpoint_bytes = ended.checkpoint_bytes;
  if (ended.checkpoints != 0)
    done.checkpoint_ms_mean = milliseconds(ended.checkpoint_time).count() / ended.checkpoints;
  if (done.what.name == "latency")
    done.more = latency_members(*seen);
  if (done.what.name == "recovery")
    done.more = recovery_members(*plan, what_fails);
  print(done);
  return EXIT_SUCCESS;
}
