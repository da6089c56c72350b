#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <weir/actors/protocol.hpp>
#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/protocol.hpp>
#include <weir/runtime/deployment.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/job_report.hpp>
#include <weir/runtime/job_status.hpp>
#include <weir/runtime/loop_termination.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/runtime/protocol.hpp>
#include <weir/runtime/restart_strategy.hpp>
#include <weir/snapshot/protocol.hpp>

namespace weir {

class leadership;
class replica_set;

/// What a supervisor runs.
struct supervised_job {
  std::shared_ptr<const topology_graph> graph;
  job_plan plan;
  job_config config;
  std::vector<std::vector<bytes>> first_splits;        ///< by operator of the graph
  std::shared_ptr<checkpoint_store> store;             ///< null: checkpoints are not stored
  std::shared_ptr<replica_set> replicas;               ///< where workers keep copies of checkpoints; null: nowhere
  std::shared_ptr<leadership> leads;                   ///< null: there is no other coordinator
  bool has_start = false; ///< choose_starting_point() has been called; otherwise workers are to be asked first
  epoch first_attempt{1};
  std::shared_ptr<const checkpoint_contents> restored; ///< what the first attempt starts from
  checkpoint_id highest{};                             ///< checkpoint ever stored
  std::set<std::uint32_t> apart;                       ///< edges that are not chained; see make_plan
};

/// Runs a job: spawns its tasks and watches them, and after a failure stops them all, waits until
/// each has let go of what it held, and starts them again from the last complete checkpoint, as the
/// restart strategy says. Where the topology has parts that no edge connects, only those of the part that has failed
/// (recovery.region): its tasks restart within the attempt, which goes on for the others. All instances of an operator
/// are in one region, since they share what it keeps outside of its keys.
///
/// Where workers run the tasks, an actor here stands for each (remote_task_actor), and an attempt waits for as many slots
/// as it needs. A worker that is lost has lost its tasks.
///
/// When all input has ended, or the job is told to stop, it has a last checkpoint taken, stops the
/// tasks, and calls `done` with the report.
class supervisor_actor : public actor_base {
 public:
  /// `registry`: of the workers that run the tasks, where they do.
  supervisor_actor(caf::actor_config& setup, supervised_job job, caf::actor registry,
                   std::function<void(job_report)> done);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  /// claiming: waiting for workers; opening: tasks restore their state; running; rescaling: the checkpoint is taken that the
  /// job goes on from with another parallelism; finishing: the last checkpoint is taken; stopping: waiting for tasks to end;
  /// delaying: waiting to restart; preparing: the store reads.
  enum class phase : std::uint8_t { claiming, opening, running, rescaling, finishing, stopping, delaying, preparing };

  static constexpr std::chrono::seconds patience_with_tasks{10};

  struct running_task {
    caf::actor actor;
    std::string name;
    std::uint32_t worker = 0; // number of the one that runs it, where one does
    bool opened = false;
    bool ended = false;
    bool stopped = false;
    std::vector<record_counts> counts; // of the operators of its chain, once it has stopped
  };

  /// What comes of a region, some of whose tasks have failed, while the others run. stopping: its tasks end and the
  /// coordinator pauses; then as with the phases of the job.
  struct region_restart {
    enum class phase : std::uint8_t { stopping, delaying, preparing, opening };
    std::uint32_t number; // of all that there have been in this attempt
    std::uint32_t region;
    phase at = phase::stopping;
    bool coordinator_paused = false;
    checkpoint_id restored{}; // that it starts from
    std::string failure;
  };

  /// A plan, and what it comes from.
  struct scaled_plan {
    std::uint32_t parallelism = 0;
    job_plan plan;
    std::set<std::uint32_t> apart; // see supervised_job
  };

  /// What comes of an order to go on with another parallelism: the sources read no more, a checkpoint is taken, the tasks
  /// stop, and the next attempt has the new plan. Until that attempt runs, a failure takes the job back to the old one.
  struct rescaling {
    rescale_order order;
    scaled_plan before;
    time_point since; // the sources are told to read no more
    bool is_deployed = false;
  };

  void deploy(epoch attempt, std::shared_ptr<const checkpoint_contents> contents,
              checkpoint_id highest);
  void spawn_tasks(epoch attempt, std::shared_ptr<const checkpoint_contents> contents,
                   checkpoint_id highest);
  running_task spawn(task_id id, task_blueprint blueprint);
  std::string run_name() const;
  void claim_slots();
  void leave_workers();
  void adopt_checkpoints();
  void checkpoints_were_adopted(const result<bool>& changed);
  void cannot_start_yet(const error& reason);
  void send_tasks(const std::shared_ptr<const checkpoint_contents>& contents);
  std::vector<connect_task> orders_to_connect(const std::vector<planned_channel>& channels) const;
  void begin_loop(std::uint32_t chain);
  void run_tasks();
  void task_was_opened(task_id task);
  void task_has_ended(task_id task);
  std::uint32_t chain_of(task_id task) const;

  /// Notes what one of the tasks that a loop begins with has said, and takes the step that follows: calls
  /// note(loop, number of the task among them).
  template <class Note>
  void note_of_loop(task_id task, Note note);
  void take_step(std::uint32_t chain, loop_termination::step what);
  void task_has_stopped(task_id task, const std::string& reason);
  void helper_was_lost(const std::string& which, const std::string& reason);
  void carry_out(job_order order);
  void request_savepoint(job_order order);
  void request_stop();
  void request_cancel();
  void request_drain();
  void drain_sources();
  void answer_savepoint(const savepoint_taken& fact);
  void answer_orders();
  void carry_out(rescale_order order);
  void carry_out(status_order order);
  void workers_were_listed(const std::vector<joined_worker>& workers);
  job_state state() const;
  job_status describe(const std::vector<joined_worker>& workers) const;
  void begin_rescale(rescale_order order, std::optional<std::uint32_t> slots);
  status check_rescale() const;
  result<scaled_plan> plan_with(std::uint32_t parallelism, std::set<std::uint32_t> apart) const;
  void deploy_rescaled();
  void rescale_is_overdue();
  void take_next_plan(const checkpoint_contents* contents);
  void rescaled();
  void go_back(const std::string& reason);
  void fail(const std::string& reason);
  void task_has_failed(task_id task, const std::string& reason);
  bool is_of_failed_region(task_id task) const;
  void restart_region(task_id failed, const std::string& reason);
  void region_has_stopped();
  void prepare_region();
  void deploy_region(std::shared_ptr<const checkpoint_contents> contents);
  void run_region();
  void log_unstopped();
  void stop_tasks();
  void all_stopped();
  void restart_or_give_up();
  void prepare_next_attempt();
  void give_up(const std::string& reason);
  void finish();
  void done();
  std::vector<operator_report> operator_reports() const;
  void report();

  bool is_current(epoch attempt) const { return attempt == attempt_; }
  std::optional<task_id> task_of(const caf::actor_addr& address) const;

  supervised_job job_;
  std::function<void(job_report)> done_;
  restart_strategy strategy_;
  caf::actor coordinator_;
  caf::actor store_;
  caf::actor registry_; // of workers, where they run the tasks
  slots_claimed slots_; // of this attempt

  phase phase_ = phase::preparing;
  epoch attempt_{};
  checkpoint_id last_complete_{};
  std::optional<completed_checkpoint> newest_checkpoint_; // that one, if there is any
  counts_by_uid last_counts_; // in that checkpoint
  std::vector<running_task> tasks_;
  std::vector<std::uint32_t> regions_; // by chain
  std::optional<region_restart> region_restart_;
  std::uint32_t region_restarts_ = 0;
  std::vector<status_order> statuses_to_come_;   // with the workers that there are
  std::vector<rescale_order> rescales_to_check_; // against their slots
  std::optional<rescaling> rescale_;
  std::optional<scaled_plan> next_plan_; // of the next attempt; nothing: the same
  std::map<std::uint32_t, loop_termination> loops_; // by the chain that begins each
  std::int64_t started_ms_ = 0;                  // Unix time
  std::optional<std::int64_t> running_since_ms_; // of all tasks
  std::string last_failure_;                     // why the job, or a region, restarted last
  std::string failure_; // why the tasks are being stopped; empty: because the job is done
  bool coordinator_ended_ = false; // the attempt that is being stopped
  bool coordinator_lost_ = false;
  bool has_run_ = false;           // some attempt has opened all its tasks
  bool is_hopeless_ = false;       // the failure is not worth another attempt
  bool has_to_commit_ = false;     // that is what failed
  bool stop_requested_ = false;
  bool drain_requested_ = false;
  bool cancel_requested_ = false;
  int times_missed_ = 0; // that what the job starts from was not to be had
  std::vector<job_order> savepoints_;      // under way
  std::vector<job_order> stops_;           // answered when the job has ended
  std::filesystem::path last_savepoint_;   // to be taken with the last checkpoint; empty: none
  std::optional<result<completed_checkpoint>> last_savepoint_taken_;
  job_report report_;
};

} // namespace weir
