#include <weir/runtime/main.hpp>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <weir/base/log.hpp>
#include <weir/runtime/cluster/candidate.hpp>
#include <weir/runtime/cluster/local_workers.hpp>
#include <weir/runtime/cluster/placement.hpp>
#include <weir/runtime/cluster/worker.hpp>
#include <weir/runtime/command_line.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/plan.hpp>

namespace weir {

namespace {

/// Waits for SIGINT and SIGTERM on a thread of its own. Made before any other thread, so that all
/// of them inherit the blocked signals.
class signal_watch {
 public:
  signal_watch() {
    ::signal(SIGPIPE, SIG_IGN); // a reader that is gone, a file that is too large: errors of the
    ::signal(SIGXFSZ, SIG_IGN); // call that meets them
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGINT);
    ::sigaddset(&signals_, SIGTERM);
    ::sigaddset(&signals_, SIGUSR2); // wakes the thread for the last time
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  /// `running`: a job, a worker or a candidate.
  template <class Running>
  void stop_on_signal(Running& running) {
    thread_ = std::thread([this, &running] {
      bool seen = false;
      for (int number = 0; ::sigwait(&signals_, &number) == 0 && number != SIGUSR2;) {
        if (seen)
          ::_exit(128 + number);
        seen = true;
        running.stop();
      }
    });
  }

  ~signal_watch() { end(); }

  /// To be called while the job is there.
  void end() {
    if (thread_.joinable()) {
      ::pthread_kill(thread_.native_handle(), SIGUSR2);
      thread_.join();
    }
  }

 private:
  sigset_t signals_;
  std::thread thread_;
};

int print_plan(const topology& job, const command_line& command) {
  const auto plan = make_plan(*job.graph(), command.config);
  if (!plan)
    return show({plan.failure().message + "\n", exit_usage});
  std::optional<planned_workers> on;
  if (command.config.cluster.workers != 0)
    on = plan_workers(*plan, command.config);
  switch (command.format) {
  case plan_format::text: std::cout << plan_as_text(*job.graph(), *plan, on); break;
  case plan_format::json: std::cout << plan_as_json(*job.graph(), *plan, on); break;
  case plan_format::dot: std::cout << plan_as_dot(*job.graph(), *plan, on); break;
  }
  return std::cout.flush() ? exit_success : exit_job_failed;
}

int exit_code_of(const error& failure) {
  const bool usage =
      failure.code == errc::invalid_setting || failure.code == errc::invalid_topology;
  return usage ? exit_usage : exit_job_failed;
}

/// One line for each operator that records came too late for.
void log_late_records(const job_report& report) {
  for (const operator_report& one : report.operators) {
    const auto& [in, late, dropped] = one.counts;
    if (dropped != 0)
      log_warning("records came too late and were dropped: read late() (of a join late_first() and "
                  "late_second()), or set allowed_lateness or a larger bounded_disorder",
                  {{"operator", one.name}, {"dropped", dropped}, {"late", late}, {"records_in", in}});
    else if (late != 0)
      log_info("records came too late and went to the side output",
               {{"operator", one.name}, {"late", late}, {"records_in", in}});
  }
}

int refuse_to_start(const topology& what, const command_line& command, const error& failure) {
  const int code = exit_code_of(failure);
  if (command.config.format == log_format::text)
    return show({what.name() + " does not start: " + failure.message + "\n", code});
  log_error("the job does not start", {{"job", what.name()}, {"reason", failure.message}});
  return code;
}

/// Says how the job has ended, and returns the exit code.
int conclude(const topology& what, const job_report& report) {
  log_late_records(report);
  if (report.what == job_report::outcome::failed) {
    log_error("the job was given up", {{"job", what.name()}, {"reason", report.failure}});
    return exit_job_failed;
  }
  log_info(report.what == job_report::outcome::stopped ? "job stopped" : "job finished",
           {{"job", what.name()},
            {"checkpoints", report.checkpoints},
            {"failed_checkpoints", report.failed_checkpoints},
            {"restarts", report.restarts}});
  return exit_success;
}

int run_job(const topology& what, const command_line& command) {
  configure_log(command.config.lowest_level, command.config.format);
  signal_watch signals;
  job_config config = command.config;
  if (config.cluster.workers != 0)
    config.cluster.listen = "127.0.0.1:0";
  auto started = job::start(what, config);
  if (!started)
    return refuse_to_start(what, command, started.failure());
  signals.stop_on_signal(**started);
  std::optional<local_workers> workers;
  if (config.cluster.workers != 0)
    workers.emplace((*started)->port(), config);
  const job_report report = (*started)->wait();
  signals.end();
  return conclude(what, report);
}

/// One of several coordinators.
int run_candidate(const topology& what, const command_line& command) {
  configure_log(command.config.lowest_level, command.config.format);
  signal_watch signals;
  auto started = candidate::start(what, command.config);
  if (!started)
    return refuse_to_start(what, command, started.failure());
  signals.stop_on_signal(**started);
  const auto ended = (*started)->wait();
  signals.end();
  if (!ended)
    return refuse_to_start(what, command, ended.failure());
  return *ended ? conclude(what, **ended) : exit_success;
}

int run_worker(const topology& what, const command_line& command) {
  configure_log(command.config.lowest_level, command.config.format);
  signal_watch signals;
  auto started = worker::start(what, command.config);
  if (!started)
    return show({what.name() + ": " + started.failure().message + "\n", exit_code_of(started.failure())});
  signals.stop_on_signal(**started);
  const status ended = (*started)->wait();
  signals.end();
  if (ended)
    return exit_success;
  log_error("the worker does not belong to this job", {{"job", what.name()}, {"reason", ended.failure().message}});
  return exit_code_of(ended.failure());
}

} // namespace

int main(const topology& job, int argc, char** argv) {
  const auto command = read_command_line({job.name(), job.summary()}, job.config(), job.options(),
                                         argc, argv, ::environ);
  if (const auto* answer = std::get_if<command_line_answer>(&command))
    return show(*answer);
  const auto& order = std::get<command_line>(command);
  switch (order.what) {
  case command_line::verb::plan: return print_plan(job, order);
  case command_line::verb::worker: return run_worker(job, order);
  case command_line::verb::run:
  case command_line::verb::coordinator: break;
  }
  return order.config.cluster.ha.empty() ? run_job(job, order) : run_candidate(job, order);
}

} // namespace weir
