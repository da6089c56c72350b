#include <weir/runtime/cluster/candidate.hpp>

#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/runtime/cluster/campaign.hpp>
#include <weir/runtime/cluster/etcd_arbiter.hpp>
#include <weir/runtime/cluster/etcd_client.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/tls.hpp>
#include <weir/runtime/job.hpp>

namespace weir {

namespace {

constexpr std::chrono::milliseconds time_between_attempts{300};

/// The host that workers are told, where this coordinator listens on `listen`.
std::string host_for_workers(const cluster_config& config, const std::string& listen) {
  if (!config.host.empty())
    return config.host;
  if (listen.empty())
    return "127.0.0.1";
  if (listen != "0.0.0.0" && listen != "::")
    return listen;
  // All addresses: the one on the way to etcd, which workers reach, too.
  const auto members = parse_etcd_members(config.ha);
  const std::string own = members ? own_address_towards(members->front()) : std::string();
  return own.empty() ? "127.0.0.1" : own;
}

job_end end_of(const job_report& report) {
  switch (report.what) {
  case job_report::outcome::finished: return {"finished", {}};
  case job_report::outcome::stopped: return {"stopped", {}};
  case job_report::outcome::failed: break;
  }
  return {"failed", report.failure};
}

} // namespace

struct candidate::running {
  running(const topology& job, const job_config& how, tcp_address where, std::shared_ptr<arbiter> who_decides)
      : what(job), config(how), listen(std::move(where)),
        election({std::move(who_decides), job.name(), name_of_this_process(), {}}),
        thread([this] { done.set_value(run()); }) {}

  ~running() {
    stop();
    thread.join();
  }

  using outcome = result<std::optional<job_report>>;

  outcome run() {
    while (const auto leads = election.await()) {
      auto led = lead(leads);
      if (led && *led) // the job has ended
        return led;
      const std::lock_guard lock(mutex);
      if (is_stopping)
        return std::optional<job_report>{};
      if (!led)
        return led;
    }
    if (const auto end = election.end()) {
      log_info("the job has ended under another coordinator",
               {{"job", what.name()}, {"outcome", end->outcome}, {"reason", end->reason}});
      if (end->outcome == "failed")
        return error{errc::task_lost, "the job was given up by the coordinator that led: " + end->reason};
    }
    return std::optional<job_report>{};
  }

  /// Runs the job as long as this coordinator leads. No report: it does not any more.
  outcome lead(const std::shared_ptr<leadership>& leads) {
    auto started = start_job(leads);
    if (!started && !leads->is_over())
      return std::move(started.failure());
    if (!started) {
      log_warning("this coordinator does not lead any more, and has not started the job",
                  {{"job", what.name()}, {"reason", started.failure().message}});
      return std::optional<job_report>{};
    }
    const job_report report = watch_job(*leads, std::move(*started));
    if (leads->is_over()) {
      log_warning("this coordinator does not lead any more; its part of the job is stopped",
                  {{"job", what.name()}, {"reason", leads->end_reason()}});
      return std::optional<job_report>{};
    }
    if (const status noted = leads->note_end(end_of(report)); !noted)
      log_warning("the coordinators that stand by are not told that the job has ended",
                  {{"job", what.name()}, {"reason", noted.failure().message}});
    return std::optional{report};
  }

  /// What a user asks for a job's first start is not for a coordinator that goes on with it.
  job_config config_for(const leadership& leads) const {
    job_config made = config;
    if (!election.takes_over())
      return made;
    if (made.checkpoint.discard || made.checkpoint.restore_from != 0)
      log_warning("checkpoint.discard and checkpoint.restore-from are for a start, and left out: another coordinator has "
                  "led the job since this one was started",
                  {{"job", what.name()}});
    made.checkpoint.discard = false;
    made.checkpoint.restore_from = 0;
    if (leads.record() && leads.record()->newest.id != checkpoint_id{})
      made.checkpoint.from.clear();
    return made;
  }

  result<std::unique_ptr<job>> start_job(const std::shared_ptr<leadership>& leads) {
    if (status read = leads->read_record(); !read)
      return std::move(read.failure());
    const job_config own = config_for(*leads);
    for (bool has_complained = false;;) {
      auto started = job::start(what, own, leads);
      if (started || started.failure().code != errc::in_use || !election.takes_over() || leads->is_over())
        return started;
      // A coordinator that stands still still has the directory; once it goes on, it finds that it leads no more.
      if (!std::exchange(has_complained, true))
        log_warning("the job cannot start here yet; it is tried until it can",
                    {{"job", what.name()}, {"reason", started.failure().message}});
      std::unique_lock lock(mutex);
      if (stopping.wait_for(lock, time_between_attempts, [this] { return is_stopping; }))
        return started;
    }
  }

  /// Waits for its end, which a lost leadership brings about.
  job_report watch_job(leadership& leads, std::unique_ptr<job> started) {
    const tcp_address address{host_for_workers(config.cluster, listen.host), started->port()};
    {
      const std::lock_guard lock(mutex);
      leading = started.get();
      if (is_stopping)
        leading->stop();
    }
    leads.on_end([&] { started->tell({.what = job_order::kind::cancel, .drain = false, .savepoint = {}, .done = {}}); });
    if (const status told = leads.announce(to_string(address)); !told)
      log_warning("workers cannot be told where this coordinator listens",
                  {{"job", what.name()}, {"reason", told.failure().message}});
    job_report report = started->wait();
    leads.on_end(nullptr);
    const std::lock_guard lock(mutex);
    leading = nullptr;
    return report;
  }

  void stop() {
    const std::lock_guard lock(mutex);
    is_stopping = true;
    stopping.notify_all();
    if (leading)
      leading->stop();
    else
      election.stop();
  }

  const topology& what;
  const job_config config;
  const tcp_address listen;
  campaign election;
  std::mutex mutex; // of the following
  std::condition_variable stopping;
  bool is_stopping = false;
  job* leading = nullptr;
  std::promise<outcome> done;
  std::shared_future<outcome> ended{done.get_future()};
  std::thread thread;
};

candidate::candidate(std::unique_ptr<running> content) : running_(std::move(content)) {}

candidate::~candidate() = default;

result<std::unique_ptr<candidate>> candidate::start(const topology& what, const job_config& config) {
  auto where = parse_tcp_address(config.cluster.listen);
  if (!where)
    return in_context("cluster.listen", std::move(where.failure()));
  if (status usable = check_cluster(config.cluster); !usable)
    return std::move(usable.failure());
  auto decides = connect_to_etcd(config.cluster.ha);
  if (!decides)
    return in_context("cluster.ha", std::move(decides.failure()));
  if (config.checkpoint.directory.empty())
    return error{errc::invalid_setting, "cluster.ha needs a checkpoint.dir: a coordinator that takes over goes on from a "
                                        "checkpoint"};
  return std::unique_ptr<candidate>(
      new candidate(std::make_unique<running>(what, config, std::move(*where), std::move(*decides))));
}

result<std::optional<job_report>> candidate::wait() {
  return running_->ended.get();
}

void candidate::stop() {
  running_->stop();
}

} // namespace weir
