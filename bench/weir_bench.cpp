#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
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

using job_function = weir::topology (*)(const workload&, std::shared_ptr<shared_totals>);

const std::map<std::string, job_function> workloads{
    {"keyed-sum", keyed_sum_job},
    {"start", keyed_sum_job},
    {"window-sum", window_sum_job},
    {"sliding-sum", sliding_sum_job},
    {"word-count", word_count_job}};

const std::map<std::string, weir::checkpoint_mode> modes{
    {"exactly-once", weir::checkpoint_mode::exactly_once},
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

int fail(const std::string& reason) {
  std::fprintf(stderr, "weir_bench: %s\n", reason.c_str());
  return EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
  report done;
  done.system = "weir";
  std::string interval;
  std::string cache_size;
  std::string directory;
  weir::job_config config;
  config.lowest_level = weir::log_level::warning;
  CLI::App app{"The workloads on Weir"};
  app.add_option("workload", done.what.name, "What to run")
      ->required()
      ->check(CLI::IsMember(workloads));
  app.add_option("--keys", done.what.keys, "Different keys; 0: the workload's own number");
  app.add_option("--records", done.what.records,
                 "Records, or lines of word-count; 0: the workload's own number");
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
  app.add_option("--dir", directory, "Where checkpoints are kept; without it, in a temporary place");
  CLI11_PARSE(app, argc, argv);

  done.what = with_defaults(done.what);
  done.parallelism = config.parallelism;
  weir::configure_log(config.lowest_level, config.format);
  if (!cache_size.empty())
    config.state.cache_size = *weir::parse_size(cache_size);
  std::unique_ptr<temporary_directory> temporary;
  if (!interval.empty()) {
    if (directory.empty())
      temporary = std::make_unique<temporary_directory>();
    config.checkpoint.directory = temporary ? temporary->path() : directory;
    config.checkpoint.interval = *weir::parse_duration(interval);
    config.checkpoint.discard = true;
  }

  const auto results = std::make_shared<shared_totals>();
  memory_watch memory;
  const weir::topology topology = workloads.at(done.what.name)(done.what, results);
  const stopwatch time;
  auto started = weir::job::start(topology, config);
  if (!started)
    return fail(started.failure().message);
  const weir::job_report ended = (*started)->wait();
  done.seconds = time.seconds();
  done.anonymous_mb = memory.largest_mb();
  if (ended.what != weir::job_report::outcome::finished)
    return fail("the job did not finish: " + ended.failure);

  using milliseconds = std::chrono::duration<double, std::milli>;
  done.results = results->sum();
  done.checkpoints = ended.checkpoints;
  done.checkpoint_bytes = ended.checkpoint_bytes;
  if (ended.checkpoints != 0)
    done.checkpoint_ms_mean = milliseconds(ended.checkpoint_time).count() / ended.checkpoints;
  print(done);
  return EXIT_SUCCESS;
}
