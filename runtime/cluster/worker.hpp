#pragma once

#include <memory>
#include <string>

#include <weir/base/error.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/topology.hpp>

namespace weir {

/// A process's part in a job that a coordinator runs: joins it, runs the tasks that it is given, and joins it again
/// whenever it was lost, until the job has ended.
///
/// Ownership:     refers to the topology, whose options get the values that the coordinator's have. Destroying a worker
///                stops its tasks and waits for them; the coordinator sees it as lost.
/// Thread safety: any thread.
class worker {
 public:
  /// Begins to look for the coordinator at config.cluster.join.
  ///
  /// Errors: invalid_setting.
  static result<std::unique_ptr<worker>> start(const topology& what, const job_config& config);

  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Waits until the job has ended, or stop() was called.
  ///
  /// Errors: the coordinator does not take this worker; the message says why.
  status wait();

  /// Stops its tasks and leaves. Returns at once.
  void stop();

 private:
  struct running;

  explicit worker(std::unique_ptr<running> content);

  std::unique_ptr<running> running_;
};

} // namespace weir
