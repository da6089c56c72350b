#pragma once

#include <memory>
#include <optional>

#include <weir/base/error.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/job_report.hpp>
#include <weir/runtime/topology.hpp>

namespace weir {

/// One of several coordinators of a job (cluster.ha): stands by until it leads, runs the job as long as it does, and
/// stands by again when it has lost that.
///
/// Ownership:     refers to the topology. Destroying it stops the job, if it leads, and waits.
/// Thread safety: any thread.
class candidate {
 public:
  /// Begins to look for a leader at the arbiter that config.cluster.ha names.
  ///
  /// Errors: invalid_setting.
  static result<std::unique_ptr<candidate>> start(const topology& what, const job_config& config);

  ~candidate();
  candidate(const candidate&) = delete;
  candidate& operator=(const candidate&) = delete;

  /// Waits until the job has ended. The report is there if it has ended here; otherwise it has ended under another
  /// coordinator, or this one was told to stop while it stood by.
  ///
  /// Errors: those of job::start; the job has failed under another coordinator.
  result<std::optional<job_report>> wait();

  /// Stops the job, for all coordinators, if this one leads; otherwise only this one. Returns at once.
  void stop();

 private:
  struct running;

  explicit candidate(std::unique_ptr<running> content);

  std::unique_ptr<running> running_;
};

} // namespace weir
