#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <weir/base/error.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/job_report.hpp>
#include <weir/runtime/topology.hpp>

namespace weir {

/// A running topology, in this process.
///
/// weir::main starts one; a program with a main of its own, or a test, can do it, too. Several jobs
/// may run in one process, each with its own checkpoint directory.
///
/// Ownership:     destroying a job that still runs stops it and waits.
/// Thread safety: any thread.
class job {
 public:
  /// Plans the topology, opens the checkpoints, checks what connectors can check, and starts.
  ///
  /// Errors: everything that is wrong before the first record, in one message; nothing runs then.
  static result<std::unique_ptr<job>> start(const topology& what, const job_config& config);

  ~job();
  job(const job&) = delete;
  job& operator=(const job&) = delete;

  /// Waits until the job has ended.
  job_report wait();

  /// Takes a last checkpoint and stops. Returns at once; wait() tells the outcome.
  void stop();

  /// Ends one instance of an operator as if it had been killed. For tests.
  void kill_task(const std::string& operator_name, std::uint32_t instance);

 private:
  struct running;

  explicit job(std::unique_ptr<running> content);

  std::unique_ptr<running> running_;
};

/// Starts a job with the topology's own configuration and waits until it has ended.
result<job_report> run(const topology& what);

} // namespace weir
