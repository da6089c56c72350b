#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/actors/batch_codec.hpp>
#include <weir/actors/exchange.hpp>
#include <weir/actors/input_gate.hpp>
#include <weir/actors/operator.hpp>
#include <weir/actors/output_channel.hpp>
#include <weir/actors/task_config.hpp>
#include <weir/snapshot/checkpoint_config.hpp>
#include <weir/state/blob_buffers.hpp>
#include <weir/state/restored_state.hpp>

namespace weir {

/// One operator of a chain.
struct chained_operator {
  std::function<std::unique_ptr<operator_base>()> make;
  operator_context context;
  restored_state restored;
};

/// A connection inside the chain.
struct chain_link {
  std::uint32_t from;   ///< operator in the chain
  std::uint32_t output; ///< its output port
  std::uint32_t to;     ///< a later operator in the chain
};

/// What the sending end of an edge is made of.
struct exchange_setup {
  partitioning how = partitioning::forward;
  std::vector<output_channel*> channels; ///< one per receiver, in the order of their instances
  std::uint32_t batch_size = 1;
  std::uint32_t key_groups = 1;
};

/// Makes the sending end of an edge.
using exchange_factory = std::function<std::unique_ptr<exchange_base>(exchange_setup setup)>;

/// An edge that leaves the task.
struct task_output {
  std::uint32_t from;
  std::uint32_t output;
  exchange_factory make;
  partitioning how;
  std::uint32_t channels; ///< receivers; the task's channels are numbered output by output
  bool is_feedback = false; ///< back to where a loop begins
};

/// A channel that comes into the task.
struct task_input {
  std::uint32_t port = 0;             ///< of the first operator
  const batch_codec* codec = nullptr; ///< nullptr: what is under way on it cannot become part of a checkpoint
  channel_snapshot origin;            ///< where it comes from, and what is to be replayed
  bool is_feedback = false;           ///< from what this task itself has sent
};

/// Everything that one task is made of.
struct task_blueprint {
  std::string name; ///< "split -> count [1/2]"
  bool is_source = false;
  bool blocks = false; ///< needs a thread of its own
  std::vector<chained_operator> operators; ///< the first one has the task's inputs
  std::vector<chain_link> links;
  std::vector<task_output> outputs;
  std::vector<task_input> inputs; ///< by channel
  std::uint32_t loop = 0;         ///< that begins with this task; a number of its own for each, see loop_probe
};

/// What a task needs from outside: the way to other tasks, time, and somebody to report to.
class task_environment : public channel_transport {
 public:
  /// Gives a batch back to the sender of input channel `channel`.
  virtual void return_credit(std::uint32_t channel, batch_ptr emptied) = 0;

  /// Calls task::take_turn after `delay`.
  virtual void schedule_turn(duration delay) = 0;

  /// The time by which the batch timeout is measured.
  virtual std::chrono::steady_clock::time_point now() const = 0;

  /// Calls task::wake after `delay`.
  virtual void schedule_wakeup(duration delay) = 0;

  /// `longest_pause`: for how long at a time the task has done nothing else.
  virtual void report_snapshot(checkpoint_id checkpoint,
                               std::vector<std::shared_ptr<const operator_snapshot>> operators,
                               duration longest_pause) = 0;
  /// An operator could not do its part, and goes on all the same.
  virtual void report_failed_snapshot(checkpoint_id checkpoint, const std::string& reason) = 0;
  virtual void report_completion(checkpoint_id checkpoint) = 0;
  virtual void report_end() = 0;

  /// Of a task that a loop begins with: nothing comes in any more.
  virtual void report_entry_end() = 0;

  /// The probe has come back.
  virtual void report_probe(const loop_probe& probe, bool was_quiet) = 0;
};

/// One running instance of a chain of operators, without the actor around it: events in, calls of
/// the environment out.
///
/// It takes one batch, or one turn of the source, or one step of what follows from a watermark or is due in
/// processing time, at a time, and none while an output channel is blocked. A marker leaves on every output after
/// everything that came before it. A snapshot is of what was at the barrier, and is written in slices between the
/// steps, blocked or not; the next one waits for it. A barrier that overtakes is acted upon blocked or not, too, but not
/// in the middle of what follows from a watermark. When all input has ended the operators drain, one after the other; then the
/// task answers checkpoints until the job ends.
///
/// Thread safety: task thread only.
/// Errors:        what user code throws comes out as operator_error; the task is then of no more use
///                but for close().
class task {
 public:
  task(task_blueprint blueprint, const task_config& config, checkpoint_mode mode,
       std::uint32_t key_groups, task_environment& environment);
  ~task();

  /// The channel leads to another process. To be said before open().
  void send_far(std::uint32_t channel) { channels_[channel]->send_far(); }

  void open();
  void run();

  void receive(std::uint32_t channel, batch_ptr records);
  void receive(std::uint32_t channel, const marker& what);
  void credit_returned(std::uint32_t channel, batch_ptr emptied);
  void take_turn();
  void wake();

  void take_snapshot(const snapshot_order& order, bool stop);
  /// From now on the barriers of `checkpoint` overtake.
  void overtake(checkpoint_id checkpoint);
  void complete(checkpoint_id checkpoint);
  void abort(checkpoint_id checkpoint);

  /// Of a source: it has ended, whatever it would still read.
  void drain_source();

  /// Of a task that a loop begins with: sends a probe round, lets the last watermark pass, or goes on as if what comes
  /// back had ended. See loop_termination.
  void probe_loop(std::uint32_t round);
  void pass_last_watermark();
  void close_loop();

  /// Closes the operators. Safe at any time, and more than once.
  void close() noexcept;

  /// Of each operator of the chain. Safe at any time.
  std::vector<record_counts> counts() const;

 private:
  enum class phase : std::uint8_t { waiting, running, stopped, draining, ended };

  /// A snapshot of all operators, one of which is being written, or of which what was under way still comes.
  struct begun_snapshot {
    std::vector<std::shared_ptr<operator_snapshot>> made;
    std::size_t writing = 0;
    duration longest_pause{};
  };

  struct channel_owner {
    exchange_base* exchange;
    std::uint32_t receiver; // of the exchange's
  };

  bool can_send() const noexcept { return blocked_ == 0; }
  void work();
  void handle(batch_ready& event);

  /// A turn that takes long keeps barriers waiting: the next ones take fewer records, and more again when they are quick.
  void limit_turns(std::uint32_t records, duration took);
  void handle(const watermark_advanced& event);
  void handle(const channels_idle& event);
  void handle(const partition_changed& event);
  void handle(const barrier_complete& event);
  void handle(const entry_ended& event);
  void handle(const probe_due& event);
  void handle(const probe_complete& event);
  void handle(const input_ended& event);
  void step_advance();
  void step_wakeups();
  void watch_clock();
  void run_source();
  void end_source();
  void drain();
  void flush_chain();
  bool has_work() const;
  bool can_overtake() const;
  void settle_outputs(bool is_busy);
  void count_blocked();
  void schedule(duration delay);
  void replay_inputs();
  void snapshot_and_forward(const snapshot_order& order);
  void begin_snapshot(const snapshot_order& order);
  void send_on_credit(checkpoint_id checkpoint);
  void write_snapshots();
  void write_operators(begun_snapshot& of);
  void finish_operators();
  bool has_unwritten() const;
  void report(checkpoint_id checkpoint, begun_snapshot complete);
  void do_work();
  void send_all(const marker& what);

  task_blueprint blueprint_;
  task_config config_;
  task_environment& environment_;

  std::shared_ptr<blob_buffers> buffers_ = std::make_shared<blob_buffers>();
  std::vector<std::unique_ptr<operator_base>> operators_;
  std::vector<output_port*> ports_; // of all operators, in the order of the chain
  std::vector<collector_base*> inputs_;
  std::vector<std::unique_ptr<output_channel>> channels_;
  std::vector<std::unique_ptr<exchange_base>> exchanges_;
  std::vector<channel_owner> owners_; // of the channels
  input_gate gate_;

  static constexpr duration longest_turn = std::chrono::milliseconds{20};
  static constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();

  phase phase_ = phase::waiting;
  std::uint32_t most_records_ = unlimited; // in one turn
  bool turn_scheduled_ = false;
  std::optional<std::chrono::steady_clock::time_point> partial_since_; // batches that are not full have waited
  std::optional<event_time> advancing_; // the watermark that the first operator has not done with yet
  bool is_waking_ = false;              // operators have not done yet what is due
  std::optional<event_time> wakeup_at_; // the earliest wakeup that has been asked for
  std::uint32_t blocked_ = 0; // output channels
  std::size_t draining_ = 0;  // operator
  std::deque<snapshot_order> postponed_; // asked for while draining
  std::map<checkpoint_id, begun_snapshot> snapshots_; // not complete yet; of all but the last the operators are written
};

} // namespace weir
