#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include <weir/actors/function_state.hpp>
#include <weir/actors/operator.hpp>
#include <weir/base/codec.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// A function that consumes records: `void f(const In&)`. What it does outside the program may be
/// done again for records after the last checkpoint.
template <class F, class In>
concept sink_function = std::copy_constructible<F> && std::invocable<F&, const In&>;

/// A sink as a class: `void write(const In&)`, and optionally `open(const operator_context&)`,
/// `open(operator_state_registry&)` to declare state, `flush()` (after each batch, at each barrier and
/// at the end; what was written must be out afterwards, or in the state), `finish()` (the input has
/// ended), `close()`, and `status check(const operator_context&, bool fresh)` (once per job, before
/// anything starts).
template <class S, class In>
concept sink_class = std::copy_constructible<S> && requires(S s, const In& in) { s.write(in); };

/// A sink whose output appears exactly once, by two-phase commit:
///
///     struct archive {
///       struct transaction { std::string file; };                    // storable
///       transaction begin();                                         // with the first record
///       void write(transaction&, const record&);
///       void pre_commit(transaction&);   // at the barrier: durable, and not yet visible. If it throws, the
///                                        // checkpoint fails; writing goes on, and it is called again
///       void commit(const transaction&); // the checkpoint is complete: visible. Must be repeatable,
///                                        // also in another process and when it was done before.
///                                        // If it throws, the job restarts and it is called again
///       void abort(const transaction&) noexcept;                     // the task ends: undo
///       void abort_others(const std::vector<transaction>& kept);     // after a restart, once: undo
///                                        // every transaction of earlier runs that is not in `kept`
///     };
///
/// Optional: `open(const operator_context&)` before the first call, and `status check(const
/// operator_context&, bool fresh)` once per job before anything starts. Weir keeps the pre-committed
/// transactions in its checkpoints, commits them when their checkpoint is complete, and commits them
/// again after a restart, until that succeeds or the restart strategy gives the job up; they stay in the checkpoint
/// then, and are committed when the job is started again.
template <class S, class In>
concept two_phase_sink =
    std::copy_constructible<S> && storable<typename S::transaction> &&
    requires(S s, typename S::transaction& open, const typename S::transaction& done,
             const std::vector<typename S::transaction>& kept, const In& in) {
      { s.begin() } -> std::same_as<typename S::transaction>;
      s.write(open, in);
      s.pre_commit(open);
      s.commit(done);
      s.abort(done);
      s.abort_others(kept);
    };

/// Anything that can end a stream.
template <class S, class In>
concept sink = sink_function<S, In> || sink_class<S, In> || two_phase_sink<S, In>;

/// Runs a sink function or class.
template <record In, class S>
class sink_operator final : public operator_base, public collector<In> {
 public:
  explicit sink_operator(S how) : sink_(std::move(how)) {}

  collector_base& input(std::size_t) override { return *this; }

  void receive(batch<In>& records) override {
    for_each_record(records, [&](In& in, std::uint32_t) {
      if constexpr (sink_class<S, In>)
        sink_.write(std::as_const(in));
      else
        sink_(std::as_const(in));
    });
    guarded("flushing", [&] { flush(); });
  }

  void close() noexcept override {
    if constexpr (requires { sink_.close(); })
      sink_.close();
  }

 private:
  void on_open(const restored_state& restored) override {
    if constexpr (requires { sink_.open(context()); })
      sink_.open(context());
    state_.open(sink_, context(), restored);
  }
  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    flush();
    state_.begin_write(sink_, order, made);
  }
  bool on_drain() override {
    if constexpr (requires { sink_.finish(); })
      sink_.finish();
    flush();
    return true;
  }
  void flush() {
    if constexpr (requires { sink_.flush(); })
      sink_.flush();
  }

  S sink_;
  instance_state state_;
};

/// The name under which pre-committed transactions are kept in checkpoints.
inline constexpr const char* transactions_state = "weir.transactions";

/// Runs a two-phase-commit sink.
template <record In, two_phase_sink<In> S>
class two_phase_sink_operator final : public operator_base, public collector<In> {
 public:
  using transaction = typename S::transaction;

  explicit two_phase_sink_operator(S how) : sink_(std::move(how)) {}

  collector_base& input(std::size_t) override { return *this; }

  void receive(batch<In>& records) override {
    for_each_record(records, [&](In& in, std::uint32_t) {
      if (!is_open_) {
        current_ = sink_.begin();
        is_open_ = true;
      }
      sink_.write(current_, std::as_const(in));
    });
  }

  void checkpoint_completed(checkpoint_id checkpoint) override {
    std::erase_if(prepared_, [&](const prepared& one) {
      if (one.at > checkpoint)
        return false;
      commit(one.what);
      return true;
    });
  }

  void close() noexcept override {
    if (is_open_)
      sink_.abort(current_);
    is_open_ = false;
  }

 private:
  struct prepared {
    checkpoint_id at;
    transaction what;
  };

  void on_open(const restored_state& restored) override {
    if constexpr (requires { sink_.open(context()); })
      sink_.open(context());
    std::vector<transaction> kept;
    instance_.restore(restored, context().allow_dropped_state, [&](const state_reader& in) {
      kept = in.list<transaction>(transactions_state);
    });
    for (std::size_t i = context().instance; i < kept.size(); i += context().parallelism)
      commit(kept[i]);
    if (context().instance == 0)
      sink_.abort_others(kept);
  }

  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    if (is_open_ && pre_commit(made)) {
      prepared_.push_back({order.checkpoint, std::exchange(current_, transaction{})});
      is_open_ = false;
    }
    std::vector<transaction> transactions;
    for (const prepared& one : prepared_)
      transactions.push_back(one.what);
    state_writer(made.lists).list(transactions_state, transactions, redistribution::full_union);
  }

  bool pre_commit(operator_snapshot& made) {
    try {
      guarded("pre-committing", [&] { sink_.pre_commit(current_); });
      return true;
    } catch (const operator_error& problem) {
      made.failure = problem.what();
      return false;
    }
  }

  void commit(const transaction& done) {
    try {
      guarded("committing", [&] { sink_.commit(done); });
    } catch (const operator_error& problem) {
      throw commit_error(problem);
    }
  }

  S sink_;
  operator_states instance_;
  bool is_open_ = false;
  transaction current_{};
  std::vector<prepared> prepared_;
};

} // namespace weir
