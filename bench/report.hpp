#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include <sys/resource.h>

#include "workloads.hpp"

namespace bench {

/// The records that the rate counts: events, or words.
inline std::uint64_t records_in(const workload& what) {
  return what.name == "word-count" ? what.records * words_per_line : what.records;
}

/// The line of JSON that every measurement ends with.
struct report {
  std::string system;
  workload what;
  std::uint32_t parallelism = 1;
  totals results;
  double seconds = 0;
  std::uint32_t checkpoints = 0;
  double checkpoint_ms_mean = 0;
  std::uint64_t checkpoint_bytes = 0;
  std::uint64_t anonymous_mb = 0; ///< 0: not measured
  double cores = 0;               ///< processor time, in all, by wall time
  std::string more;               ///< members of the workload's own: `,"name":value`
};

/// Whether the fast remainder by `divisor` agrees with the processor's division, on numbers around
/// multiples of the divisor, around the ends of the range, and all over it.
inline bool check_modulo(std::uint64_t divisor) {
  if (divisor == 0)
    return true;
  const fast_modulo fast(divisor);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t any = splitmix64(i);
    const std::uint64_t multiple = any / divisor * divisor;
    for (const std::uint64_t h : {i, ~i, any, multiple, multiple - 1, multiple + 1})
      if (fast(h) != h % divisor)
        return false;
  }
  return true;
}

/// The largest resident memory of this process so far.
inline std::uint64_t peak_memory_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) / 1024;
}

/// The processor time that this process has used.
inline double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Watches the resident memory that no file is behind, ten times a second, from another thread.
class memory_watch {
 public:
  memory_watch() : thread_([this] { watch(); }) {}
  memory_watch(const memory_watch&) = delete;
  memory_watch& operator=(const memory_watch&) = delete;
  ~memory_watch() { stop(); }

  /// The most that was seen. Ends the watch.
  std::uint64_t largest_mb() {
    stop();
    return largest_;
  }

 private:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    ended_.notify_one();
    if (thread_.joinable())
      thread_.join();
  }

  void watch() {
    std::unique_lock lock(mutex_);
    do {
      std::ifstream file("/proc/self/status");
      for (std::string line; std::getline(file, line);)
        if (line.starts_with("RssAnon:"))
          largest_ = std::max(largest_, std::strtoull(line.c_str() + 8, nullptr, 10) / 1024);
    } while (!ended_.wait_for(lock, std::chrono::milliseconds{100}, [this] { return done_; }));
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  unsigned long long largest_ = 0;
  std::thread thread_;
};

inline void print(const report& done) {
  using number = unsigned long long;
  std::printf("{\"system\":\"%s\",\"workload\":\"%s\",\"keys\":%llu,\"parallelism\":%u,\"n\":%llu,"
              "\"checksum\":\"%016llx\",\"seconds\":%.6f,\"rate\":%.0f,\"rss_mb\":%llu,"
              "\"rss_anonymous_mb\":%llu,\"cores\":%.2f,"
              "\"checkpoints\":%u,\"checkpoint_ms_mean\":%.3f,\"checkpoint_bytes\":%llu%s}\n",
              done.system.c_str(), done.what.name.c_str(), number{done.what.keys},
              done.parallelism, number{done.results.n}, number{done.results.checksum},
              done.seconds, static_cast<double>(records_in(done.what)) / done.seconds,
              number{peak_memory_mb()}, number{done.anonymous_mb}, done.cores, done.checkpoints,
              done.checkpoint_ms_mean, number{done.checkpoint_bytes}, done.more.c_str());
}

} // namespace bench
