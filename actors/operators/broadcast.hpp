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

namespace detail {

/// The broadcast side of an operator: hands each record to process_broadcast.
template <class P>
class broadcast_side {
 public:
  explicit broadcast_side(const operator_context& where) : told_(where) {}

  void set_watermark(event_time time) { told_.set_watermark(time); }

  template <class In>
  void process(P& how, const In& in, const event_time* time, emitter<typename P::output>& out) {
    told_.set_time(time ? std::optional(*time) : std::nullopt);
    how.process_broadcast(in, told_, out);
  }

 private:
  broadcast_context told_;
};

} // namespace detail

/// A main stream that is not keyed, and a broadcast stream.
template <record Main, record Broadcast, class P>
class broadcast_process_operator final : public operator_base {
 public:
  explicit broadcast_process_operator(P how) : how_(std::move(how)), told_(context()), side_(context()) {}

  collector_base& input(std::size_t port) override { return *inputs_[port]; }
  std::vector<output_port*> outputs() override { return {&out_}; }
  void on_watermark(event_time time) override {
    told_.set_watermark(time);
    side_.set_watermark(time);
  }

 private:
  void on_open(const restored_state& restored) override { state_.open(how_, context(), restored); }
  void on_snapshot(checkpoint_id, operator_snapshot& made) override { state_.write(how_, made); }

  void receive_main(batch<Main>& records) {
    const event_time* times = records.times();
    for_each_record(records, out_, [&](Main& in, std::uint32_t i) {
      told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      how_.process(std::as_const(in), told_, out_);
    });
  }
  void receive_broadcast(batch<Broadcast>& records) {
    const event_time* times = records.times();
    for_each_record(records, out_, [&](Broadcast& in, std::uint32_t i) {
      side_.process(how_, std::as_const(in), times ? times + i : nullptr, out_);
    });
  }

  P how_;
  process_context told_;
  detail::broadcast_side<P> side_;
  instance_state state_;
  emitter<typename P::output> out_;
  std::unique_ptr<collector_base> inputs_[2] = {
      detail::make_input<Main>([this](batch<Main>& records) { receive_main(records); }),
      detail::make_input<Broadcast>([this](batch<Broadcast>& records) { receive_broadcast(records); })};
};

/// A keyed main stream, and a broadcast stream.
template <record Main, class KeyOf, record Broadcast, class P>
class keyed_broadcast_process_operator final : public operator_base {
 public:
  using key_type = key_of_t<KeyOf, Main>;

  keyed_broadcast_process_operator(KeyOf key_of, P how)
      : key_of_(std::move(key_of)), how_(std::move(how)), told_(context()), side_(context()) {}

  collector_base& input(std::size_t port) override { return *inputs_[port]; }
  std::vector<output_port*> outputs() override { return {&out_}; }
  void on_watermark(event_time time) override {
    told_.set_watermark(time);
    side_.set_watermark(time);
  }

 private:
  void on_open(const restored_state& restored) override { state_.open(how_, context(), restored); }
  void on_snapshot(checkpoint_id, operator_snapshot& made) override { state_.write(how_, made); }

  void receive_main(batch<Main>& records) {
    const event_time* times = records.times();
    const std::uint64_t* hashes = records.hashes();
    state_.begin_batch();
    for_each_record(records, out_, [&](Main& in, std::uint32_t i) {
      state_.prefetch(hashes, i, records.size());
      const key_type key = key_of_(std::as_const(in));
      told_.set_key(key);
      told_.set_time(times ? std::optional(times[i]) : std::nullopt);
      state_.with_key(hashes[i], key, [&] { how_.process(std::as_const(in), told_, out_); });
    });
    state_.end_batch();
  }
  void receive_broadcast(batch<Broadcast>& records) {
    const event_time* times = records.times();
    for_each_record(records, out_, [&](Broadcast& in, std::uint32_t i) {
      side_.process(how_, std::as_const(in), times ? times + i : nullptr, out_);
    });
  }

  KeyOf key_of_;
  P how_;
  keyed_context<key_type> told_;
  detail::broadcast_side<P> side_;
  process_state<key_type> state_;
  emitter<typename P::output> out_;
  std::unique_ptr<collector_base> inputs_[2] = {
      detail::make_input<Main>([this](batch<Main>& records) { receive_main(records); }),
      detail::make_input<Broadcast>([this](batch<Broadcast>& records) { receive_broadcast(records); })};
};

} // namespace weir
