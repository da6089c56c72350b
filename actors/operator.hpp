#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/collector.hpp>
#include <weir/actors/emitter.hpp>
#include <weir/actors/operator_error.hpp>
#include <weir/actors/progress.hpp>
#include <weir/base/clock.hpp>
#include <weir/base/hash.hpp>
#include <weir/state/blob_buffers.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/operator_state.hpp>
#include <weir/state/record_counts.hpp>
#include <weir/state/restored_state.hpp>
#include <weir/state/snapshot_order.hpp>
#include <weir/state/state_config.hpp>

namespace weir {

/// Who an operator instance is.
struct operator_context {
  std::string job;
  std::string name;
  std::string uid;
  std::uint32_t instance = 0; ///< from 0 to below parallelism
  std::uint32_t parallelism = 1;
  std::uint32_t key_groups = 1; ///< of the job
  std::string run; ///< of this deployment of the job, the same on all machines, and no other's: hexadecimal, 16 digits of
                   ///< the number of the attempt (0 where nothing is stored) and 16 that are random
  state_config state; ///< `cache_size` is this instance's share
  bool is_stored = true; ///< whether snapshots go anywhere; otherwise keyed state is left out of them
  bool incremental = true; ///< whether snapshots may add to older ones
  bool skips_early_panes = false; ///< of windows that come out with everything again
  bool allow_dropped_state = false; ///< stored state that is not declared is passed over
  std::shared_ptr<blob_buffers> buffers = std::make_shared<blob_buffers>(); ///< of the task, for snapshots
  std::shared_ptr<const processing_clock> clock = std::make_shared<system_clock>();

  /// Processing time, as state counts it: milliseconds since the Unix epoch.
  std::int64_t now_ms() const { return clock->now().time_since_epoch().count(); }
};

/// What a source has done in its turn.
struct source_turn {
  enum class outcome : std::uint8_t {
    more,  ///< there is more to read at once
    idle,  ///< nothing now: ask again after `wait`
    ended, ///< there will never be more
  };
  outcome what = outcome::more;
  duration wait{};

  static source_turn more() { return {outcome::more, {}}; }
  static source_turn idle(duration wait) { return {outcome::idle, wait}; }
  static source_turn ended() { return {outcome::ended, {}}; }
};

/// One running instance of one step of the topology.
///
/// The task drives it: open once, batches into its inputs, flush after each, watermarks and points in processing
/// time as they come, snapshot at each barrier, drain once after the last batch. Functions may throw; an
/// exception fails the task, and the job goes on from its last checkpoint.
///
/// Thread safety: task thread only.
class operator_base : public progress_receiver {
 public:
  operator_base(const operator_base&) = delete;
  operator_base& operator=(const operator_base&) = delete;
  /// Prepares for the first record, with the state that `restored` holds.
  void open(const operator_context& context, const restored_state& restored);

  /// Input `port`, from 0; a source has none.
  virtual collector_base& input(std::size_t port);

  /// The outputs, side outputs after the main one; a sink has none.
  virtual std::vector<output_port*> outputs() { return {}; }

  /// A source's turn to emit up to about one batch. Only sources have it.
  virtual source_turn take_turn();

  /// Takes a step towards this watermark: returns true when all has been done that follows from it.
  /// Called until then, with pauses in between when receivers are slow, and then the watermark is passed
  /// on. One below watermark() is of no effect.
  bool advance(event_time watermark);

  /// Passes a watermark on to the receivers of the outputs.
  void forward(event_time watermark);

  /// What comes from the operator before it in the chain: advances, without pauses, and passes the
  /// watermark on.
  void receive_watermark(event_time time) override;
  void receive_idleness() override;
  void receive_partition(const partition_change& change) override;

  /// When wake() is to be called, in processing time; nothing while nothing depends on it.
  virtual std::optional<event_time> next_wakeup() const { return std::nullopt; }

  /// Takes a step of what is due in processing time; returns whether that was all. Calling it early
  /// or late does no harm.
  bool wake(event_time now);

  /// Records that come when everything is over, round a loop: they are dropped, and counted.
  void drop_records(std::uint64_t count);

  /// The input has ended: emits a part of what is left. Returns true when there is nothing more.
  /// Called until then, with pauses in between when receivers are slow.
  bool drain();

  /// Everything that must be there after a restart, as it is now. Sinks prepare their transactions here. It is
  /// complete when write_snapshot() says so, and there is no other until then.
  operator_snapshot begin_snapshot(const snapshot_order& order);

  /// Adds to a snapshot that was begun about as much as a batch takes; records and watermarks may come in between.
  /// Returns whether it is complete.
  bool write_snapshot(operator_snapshot& made);

  /// The checkpoint is durable: what was prepared for it may become visible.
  virtual void checkpoint_completed(checkpoint_id) {}

  /// The task ends, in good order or after a failure. Must not throw.
  virtual void close() noexcept {}

  const operator_context& context() const noexcept { return context_; }

  /// The largest watermark that has been acted on, before a restart, too.
  event_time watermark() const noexcept { return watermark_; }
  bool is_drained() const noexcept { return drained_; }

  /// Since the job's first start. After a restart they are those of the checkpoint.
  const record_counts& counts() const noexcept { return counts_; }

 protected:
  operator_base() = default;

  virtual void on_open(const restored_state&) {}
  virtual bool on_watermark(event_time) { return true; }

  /// Whether watermarks from before it are acted on and passed on. Otherwise send_watermark() says what
  /// is, and only the last one passes.
  virtual bool follows_watermarks() const { return true; }

  /// Acts as if this watermark had come, and has been acted on.
  void send_watermark(event_time watermark);

  virtual bool on_wakeup(event_time) { return true; }
  virtual bool on_drain() { return true; }
  virtual void on_snapshot(const snapshot_order&, operator_snapshot&) {}
  virtual bool on_write_snapshot(operator_snapshot&) { return true; }

  /// Calls body(record, index) for each record, counting them, and gives an exception the
  /// operator's name and the record's position.
  template <class In, class Body>
  void for_each_record(batch<In>& records, Body&& body) {
    const std::uint32_t size = records.size();
    In* const first = records.records();
    count_records(size, [&](std::uint32_t& i) {
      for (; i != size; ++i)
        body(first[i], i);
    });
  }

  /// Runs loop(at), which goes over so many records of a batch and keeps in `at` which it has come to: they are
  /// counted, and an exception gets the operator's name and the record's position.
  template <class Loop>
  void count_records(std::uint32_t size, Loop&& loop) {
    std::uint32_t at = 0;
    try {
      loop(at);
    } catch (const operator_error&) {
      throw;
    } catch (...) {
      fail_at_record(at);
    }
    counts_.in += size;
  }

  /// The same, with each record's event time set on `out` before its call.
  template <class In, class Out, class Body>
  void for_each_record(batch<In>& records, emitter<Out>& out, Body&& body) {
    const event_time* times = records.times();
    out.set_timed(times != nullptr);
    if (times)
      for_each_record(records, [&](In& record, std::uint32_t i) {
        out.set_time(times[i]);
        body(record, i);
      });
    else
      for_each_record(records, body);
  }

  /// A record that came too late for all that it could have been a part of: goes to the side output `to`, or
  /// is dropped where nobody reads that. Either is counted.
  template <record T>
  void emit_late_record(emitter<T>& to, T&& in, event_time time) {
    if (!to.has_receivers()) {
      count_dropped();
      return;
    }
    ++counts_.late;
    to.set_time(time);
    to(std::move(in));
  }

  /// Throws std::runtime_error for a time that no record can have.
  static void check_event_time(event_time time) {
    if (!is_event_time(time)) [[unlikely]]
      fail_for_time(time);
  }

  /// Runs `body`, and gives an exception the operator's name and what it was doing.
  template <class Body>
  decltype(auto) guarded(const char* doing, Body&& body) {
    try {
      return body();
    } catch (const operator_error&) {
      throw;
    } catch (...) {
      fail_while(doing);
    }
  }

 private:
  void count_dropped();
  [[noreturn]] static void fail_for_time(event_time time);
  [[noreturn]] void fail_at_record(std::uint32_t index) const;
  [[noreturn]] void fail_while(const char* doing) const;
  std::string place() const;

  operator_context context_;
  std::vector<output_port*> ports_; // as outputs() gives them
  record_counts counts_;
  std::uint64_t next_warning_ = 1; // so many dropped records: each tenfold number is logged
  event_time watermark_ = no_watermark;
  bool drained_ = false;
};

} // namespace weir
