#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include <weir/runtime/job_config.hpp>

namespace weir {

/// Worker processes on this machine: the running program again, with the word `worker`. Those that end are started
/// again, after a while.
///
/// Made where the job's own process has blocked its signals: a worker lets them through. Destroying it tells the workers
/// to end, and waits for them; one that has not ended after ten seconds is killed. They end, too, when this process does.
class local_workers {
 public:
  /// config.cluster.workers processes that join the coordinator at `port` of this machine, with as many slots in all as
  /// one per core, or config.cluster.slots each.
  local_workers(std::uint16_t port, const job_config& config);
  ~local_workers();
  local_workers(const local_workers&) = delete;
  local_workers& operator=(const local_workers&) = delete;

 private:
  void start(pid_t& worker);
  void watch();

  std::vector<std::string> words_;
  std::vector<pid_t> workers_; // 0: it does not run
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool is_stopping_ = false;
  std::thread thread_;
};

} // namespace weir
