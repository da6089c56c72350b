#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <weir/actors/function_state.hpp>
#include <weir/actors/operator.hpp>
#include <weir/actors/operators/keyed_fold.hpp>

namespace weir {

/// What a process function is told besides the record.
class process_context {
 public:
  explicit process_context(const operator_context& where) : where_(where) {}

  /// The record's event time; nothing where the stream has none.
  std::optional<event_time> time() const { return time_; }

  /// The largest watermark that has arrived.
  event_time watermark() const { return watermark_; }

  /// What time it is on the job's clock.
  event_time processing_time() const { return where_.clock->now(); }

  const operator_context& where() const { return where_; }

  void set_time(std::optional<event_time> time) { time_ = time; }
  void set_watermark(event_time time) { watermark_ = time; }

 private:
  const operator_context& where_;
  std::optional<event_time> time_;
  event_time watermark_ = no_watermark;
};

/// The same on a keyed stream, where the record's key is known, too, and timers can be set for it if the
/// class has an `on_timer`.
///
/// A timer is set once for its key, however often that is said, and called once. It is in checkpoints. One
/// whose time has come already is called with the next watermark, or soon.
///
/// Errors: setting a timer without an `on_timer` throws std::logic_error.
template <class Key>
class keyed_context : public process_context {
 public:
  using process_context::process_context;

  const Key& key() const { return *key_; }

  /// Calls on_timer when the watermark has come to `time`: no record before it follows, but late ones. At
  /// the end of the input all are called, in their order.
  void set_timer(event_time time) { timers().set({time, time_domain::event}); }
  void delete_timer(event_time time) { timers().erase({time, time_domain::event}); }

  /// Calls on_timer when the job's clock has come to `time`. At the end of the input none is called.
  void set_processing_timer(event_time time) { timers().set({time, time_domain::processing}); }
  void delete_processing_timer(event_time time) { timers().erase({time, time_domain::processing}); }

  void set_key(const Key& key, keyed_timers* timers) {
    key_ = &key;
    timers_ = timers;
  }

 private:
  keyed_timers& timers() const {
    if (!timers_)
      throw std::logic_error("a timer needs a class with `void on_timer(const weir::timer&, "
                             "weir::keyed_context<Key>&, weir::emitter<output>&)`");
    return *timers_;
  }

  const Key* key_ = nullptr;
  keyed_timers* timers_ = nullptr;
};

/// A class that handles records one by one:
///
///     struct changed {
///       using output = reading;
///       void open(weir::state_registry& states) { last_ = states.value<double>("last"); }
///       void process(const reading& in, weir::keyed_context<std::string>& context,
///                    weir::emitter<reading>& out) {
///         if (last_.value_or(0) != in.value) out(in);
///         last_.update(in.value);
///       }
///       weir::value_state<double> last_;
///     };
///
/// `void on_timer(const weir::timer&, context&, emitter&)` is called for the timers that the class sets with
/// its keyed_context; what it emits for one in event time has that time.
///
/// `open` is optional. On a stream that is not keyed it takes an operator_state_registry, and the
/// context is a process_context. Instead of declaring state, or beside it, a class may keep state of
/// its own: see has_snapshot_functions and has_list_snapshot. Each instance works on a copy of the
/// object that the topology was given.
template <class P, class In, class Context>
concept process_function =
    std::copy_constructible<P> && record<typename P::output> &&
    requires(P p, const In& in, Context& context, emitter<typename P::output>& out) {
      p.process(in, context, out);
    };

/// A class that handles the records of two connected streams: `process_first` for those of the
/// first, `process_second` for those of the second; the rest as process_function.
template <class P, class First, class Second, class Context>
concept co_process_function =
    std::copy_constructible<P> && record<typename P::output> &&
    requires(P p, const First& first, const Second& second, Context& context,
             emitter<typename P::output>& out) {
      p.process_first(first, context, out);
      p.process_second(second, context, out);
    };

/// What all operators that run a process function have in common: everything but how their batches are gone
/// over. `Context` is what the class is told, `State` what keeps its state: instance_state or process_state.
template <class P, class Context, class State>
class process_operator_base : public operator_base {
 public:
  std::vector<output_port*> outputs() override { return {&out_}; }
  std::optional<event_time> next_wakeup() const override { return state_.next_wakeup(); }

 protected:
  explicit process_operator_base(P how) : how_(std::move(how)), told_(context()) {}

  void on_open(const restored_state& restored) override {
    told_.set_watermark(watermark());
    state_.open(how_, context(), restored);
  }
  bool on_watermark(event_time time) override { return state_.advance(how_, told_, out_, time); }

  P how_;
  Context told_;
  State state_;
  emitter<typename P::output> out_;

 private:
  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    state_.begin_write(how_, order, made);
  }
  bool on_write_snapshot(operator_snapshot& made) override { return state_.write_some(made); }
  bool on_wakeup(event_time now) override { return state_.wake(how_, told_, out_, now); }
};

/// Runs a process function on a stream that is not keyed.
template <record In, class P>
class process_operator final : public process_operator_base<P, process_context, instance_state>,
                               public collector<In> {
  using base = process_operator_base<P, process_context, instance_state>;

 public:
  explicit process_operator(P how) : base(std::move(how)) {}

  collector_base& input(std::size_t) override { return *this; }

  void receive(batch<In>& records) override {
    const event_time* times = records.times();
    this->for_each_record(records, out_, [&](In& in, std::uint32_t i) {
      told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      how_.process(std::as_const(in), told_, out_);
    });
  }

 private:
  using base::how_;
  using base::told_;
  using base::state_;
  using base::out_;
};

/// Runs a process function on a keyed stream.
template <record In, class KeyOf, class P>
class keyed_process_operator final
    : public process_operator_base<P, keyed_context<key_of_t<KeyOf, In>>, process_state<key_of_t<KeyOf, In>>>,
      public collector<In> {
  using base = process_operator_base<P, keyed_context<key_of_t<KeyOf, In>>, process_state<key_of_t<KeyOf, In>>>;

 public:
  keyed_process_operator(KeyOf key_of, P how) : base(std::move(how)), key_of_(std::move(key_of)) {}

  collector_base& input(std::size_t) override { return *this; }

  void receive(batch<In>& records) override {
    state_.process(
        records, key_of_, told_, [&](auto&& one) { this->for_each_record(records, out_, one); },
        [&](const In& in) { how_.process(in, told_, out_); });
  }

 private:
  using base::how_;
  using base::told_;
  using base::state_;
  using base::out_;

  KeyOf key_of_;
};

} // namespace weir
