// A sink that sleeps behind a source that does not: reads its own resident memory meanwhile, and
// fails when it grows beyond a limit. Usage: slow_sink SECONDS LIMIT_MB

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include <unistd.h>

#include <weir/actors/sources/generate.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

namespace {

std::size_t resident_megabytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) >> 20;
}

struct pass_on {
  using output = std::string;
  void process(const std::string& text, weir::keyed_context<std::string>&,
               weir::emitter<std::string>& out) {
    out(text);
  }
};

} // namespace

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const auto seconds = std::chrono::seconds{argc > 1 ? std::atoi(argv[1]) : 60};
  const std::size_t limit = argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 200;

  weir::configure_log(weir::log_level::warning, weir::log_format::text);
  std::atomic<std::uint64_t> consumed{0};
  weir::topology job{"slow-sink"};
  const auto make_text = [](std::uint64_t i) { return std::string(100, 'x') + std::to_string(i); };
  job.source("texts", weir::generate(make_text, std::numeric_limits<std::uint64_t>::max()))
      .flat_map("twice",
                [](const std::string& line, weir::emitter<std::string>& out) {
                  out(line);
                  out(line);
                })
      .key_by([](const std::string& text) -> const std::string& { return text; })
      .process("all", pass_on{})
      .rebalance()
      .sink("slow", [&consumed](const std::string&) {
        ++consumed;
        std::this_thread::sleep_for(1ms);
      });
  job.config().parallelism = 2;
  auto running = weir::job::start(job, job.config());
  if (!running) {
    std::fprintf(stderr, "%s\n", running.failure().message.c_str());
    return 1;
  }
  std::size_t largest = 0;
  const auto end = std::chrono::steady_clock::now() + seconds;
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(100ms);
    largest = std::max(largest, resident_megabytes());
  }
  const std::uint64_t seen = consumed;
  std::printf("%zu MB at most in %lld s, %llu records consumed, limit %zu MB\n", largest,
              static_cast<long long>(seconds.count()), static_cast<unsigned long long>(seen), limit);
  std::fflush(stdout);
  std::_Exit(largest <= limit && seen > 0 ? 0 : 1);
}
