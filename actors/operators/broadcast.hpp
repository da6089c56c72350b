#pragma once

#include <concepts>
#include <utility>

#include <weir/actors/operators/connect.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/state/broadcast_state.hpp>

namespace weir {

/// What the broadcast side of a process function is told; with it broadcast state can be changed.
class broadcast_context : public process_context, public broadcast_access {
 public:
  using process_context::process_context;
};

/// A class that handles the records of a main stream and those of a broadcast stream, which reach all
/// instances:
///
///     struct alert {
///       using output = std::string;
///       void open(weir::state_registry& states) {
///         limits_ = states.broadcast<std::string, int>("limits");
///         seen_ = states.value<int>("seen");
///       }
///       void process(const reading& in, weir::keyed_context<std::string>&, weir::emitter<output>& out) {
///         const int* limit = limits_.find(in.kind);       // reads; there is no way to change it here
///         if (limit && ++seen_.mutable_value() > *limit) out(in.kind);
///       }
///       void process_broadcast(const rule& in, weir::broadcast_context& context, weir::emitter<output>&) {
///         limits_.put(context, in.kind, in.limit);
///       }
///       weir::broadcast_state<std::string, int> limits_;
///       weir::value_state<int> seen_;
///     };
///
/// On a main stream that is not keyed, `open` takes an operator_state_registry and `process` a
/// process_context. Keyed state has no current key in process_broadcast.
template <class P, class Main, class Broadcast, class Context>
concept broadcast_process_function =
    std::copy_constructible<P> && record<typename P::output> &&
    requires(P p, const Main& main, const Broadcast& broadcast, Context& context,
             broadcast_context& writing, emitter<typename P::output>& out) {
      p.process(main, context, out);
      p.process_broadcast(broadcast, writing, out);
    };

/// What the operators with a broadcast side have in common: the class that they run, and the broadcast
/// side itself. Input 0 is the main stream.
template <record Broadcast, class P>
class broadcast_operator : public operator_base {
 public:
  std::vector<output_port*> outputs() override { return {&out_}; }

 protected:
  explicit broadcast_operator(P how) : how_(std::move(how)), told_(context()) {}

  collector_base& broadcast_input() { return *input_; }
  void set_broadcast_watermark(event_time time) { told_.set_watermark(time); }

  P how_;
  emitter<typename P::output> out_;

 private:
  void receive(batch<Broadcast>& records) {
    const event_time* times = records.times();
    this->for_each_record(records, out_, [&](Broadcast& in, std::uint32_t i) {
      told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      how_.process_broadcast(std::as_const(in), told_, out_);
    });
  }

  broadcast_context told_;
  std::unique_ptr<collector_base> input_ =
      detail::make_input<Broadcast>([this](batch<Broadcast>& records) { receive(records); });
};

/// A main stream that is not keyed, and a broadcast stream.
template <record Main, record Broadcast, class P>
class broadcast_process_operator final : public broadcast_operator<Broadcast, P>, public collector<Main> {
 public:
  explicit broadcast_process_operator(P how)
      : broadcast_operator<Broadcast, P>(std::move(how)), told_(this->context()) {}

  collector_base& input(std::size_t port) override {
    return port == 0 ? *this : this->broadcast_input();
  }
  void on_watermark(event_time time) override {
    told_.set_watermark(time);
    this->set_broadcast_watermark(time);
  }

  void receive(batch<Main>& records) override {
    const event_time* times = records.times();
    this->for_each_record(records, this->out_, [&](Main& in, std::uint32_t i) {
      told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      this->how_.process(std::as_const(in), told_, this->out_);
    });
  }

 private:
  void on_open(const restored_state& restored) override {
    state_.open(this->how_, this->context(), restored);
  }
  void on_snapshot(checkpoint_id, operator_snapshot& made) override { state_.write(this->how_, made); }

  process_context told_;
  instance_state state_;
};

/// A keyed main stream, and a broadcast stream.
template <record Main, class KeyOf, record Broadcast, class P>
class keyed_broadcast_process_operator final : public broadcast_operator<Broadcast, P>,
                                               public collector<Main> {
 public:
  using key_type = key_of_t<KeyOf, Main>;

  keyed_broadcast_process_operator(KeyOf key_of, P how)
      : broadcast_operator<Broadcast, P>(std::move(how)), key_of_(std::move(key_of)),
        told_(this->context()) {}

  collector_base& input(std::size_t port) override {
    return port == 0 ? *this : this->broadcast_input();
  }
  void on_watermark(event_time time) override {
    told_.set_watermark(time);
    this->set_broadcast_watermark(time);
  }

  void receive(batch<Main>& records) override {
    state_.process(
        records, key_of_, told_,
        [&](auto&& one) { this->for_each_record(records, this->out_, one); },
        [&](const Main& in) { this->how_.process(in, told_, this->out_); });
  }

 private:
  void on_open(const restored_state& restored) override {
    state_.open(this->how_, this->context(), restored);
  }
  void on_snapshot(checkpoint_id, operator_snapshot& made) override { state_.write(this->how_, made); }

  KeyOf key_of_;
  keyed_context<key_type> told_;
  process_state<key_type> state_;
};

} // namespace weir
