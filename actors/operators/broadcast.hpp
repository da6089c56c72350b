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

/// What the operators with a broadcast side have in common: all but how a batch of the main stream, input
/// 0, is gone over. `Context` is what `process` is told, `State` what keeps the class's state.
template <record Main, record Broadcast, class P, class Context, class State>
class broadcast_operator : public process_operator_base<P, Context, State>, public collector<Main> {
  using base = process_operator_base<P, Context, State>;

 public:
  collector_base& input(std::size_t port) override { return port == 0 ? *this : *broadcast_input_; }

 protected:
  explicit broadcast_operator(P how) : base(std::move(how)), broadcast_told_(this->context()) {}

  using base::how_;
  using base::out_;

 private:
  void on_open(const restored_state& restored) override {
    broadcast_told_.set_watermark(this->watermark());
    base::on_open(restored);
  }
  bool on_watermark(event_time time) override {
    broadcast_told_.set_watermark(time);
    return base::on_watermark(time);
  }

  void receive_broadcast(batch<Broadcast>& records) {
    const event_time* times = records.times();
    this->for_each_record(records, out_, [&](Broadcast& in, std::uint32_t i) {
      broadcast_told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      how_.process_broadcast(std::as_const(in), broadcast_told_, out_);
    });
  }

  broadcast_context broadcast_told_;
  std::unique_ptr<collector_base> broadcast_input_ = detail::make_input<Broadcast>(
      [this](batch<Broadcast>& records) { receive_broadcast(records); });
};

/// A main stream that is not keyed, and a broadcast stream.
template <record Main, record Broadcast, class P>
class broadcast_process_operator final
    : public broadcast_operator<Main, Broadcast, P, process_context, instance_state> {
 public:
  explicit broadcast_process_operator(P how)
      : broadcast_operator<Main, Broadcast, P, process_context, instance_state>(std::move(how)) {}

  void receive(batch<Main>& records) override {
    const event_time* times = records.times();
    this->for_each_record(records, this->out_, [&](Main& in, std::uint32_t i) {
      this->told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      this->how_.process(std::as_const(in), this->told_, this->out_);
    });
  }
};

/// A keyed main stream, and a broadcast stream.
template <record Main, class KeyOf, record Broadcast, class P>
class keyed_broadcast_process_operator final
    : public broadcast_operator<Main, Broadcast, P, keyed_context<key_of_t<KeyOf, Main>>,
                                process_state<key_of_t<KeyOf, Main>>> {
 public:
  using key_type = key_of_t<KeyOf, Main>;

  keyed_broadcast_process_operator(KeyOf key_of, P how)
      : broadcast_operator<Main, Broadcast, P, keyed_context<key_type>, process_state<key_type>>(
            std::move(how)),
        key_of_(std::move(key_of)) {}

  void receive(batch<Main>& records) override {
    this->state_.process(
        records, key_of_, this->told_,
        [&](auto&& one) { this->for_each_record(records, this->out_, one); },
        [&](const Main& in) { this->how_.process(in, this->told_, this->out_); });
  }

 private:
  KeyOf key_of_;
};

} // namespace weir
