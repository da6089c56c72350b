#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weir/actors/operator.hpp>
#include <weir/actors/operators/flat_map.hpp>
#include <weir/actors/operators/map.hpp>
#include <weir/actors/operators/process.hpp>

namespace weir {

namespace detail {

/// An input that hands its batches to a function.
template <record In, class Receive>
class function_input final : public collector<In> {
 public:
  explicit function_input(Receive receive) : receive_(std::move(receive)) {}
  void receive(batch<In>& records) override { receive_(records); }

 private:
  Receive receive_;
};

template <record In, class Receive>
std::unique_ptr<collector_base> make_input(Receive receive) {
  return std::make_unique<function_input<In, Receive>>(std::move(receive));
}

} // namespace detail

/// Two inputs of different types, one function for each, one output.
template <record First, record Second, record Out, class F, class G>
class connected_flat_map_operator final : public operator_base {
 public:
  connected_flat_map_operator(F f, G g) : f_(std::move(f)), g_(std::move(g)) {}

  collector_base& input(std::size_t port) override { return *inputs_[port]; }
  std::vector<output_port*> outputs() override { return {&out_}; }

 private:
  template <class In, class Function>
  std::unique_ptr<collector_base> input_for(Function& function) {
    return detail::make_input<In>([this, &function](batch<In>& records) {
      for_each_record(records, out_,
                      [&](In& in, std::uint32_t) { function(std::move(in), out_); });
    });
  }

  F f_;
  G g_;
  emitter<Out> out_;
  std::unique_ptr<collector_base> inputs_[2] = {input_for<First>(f_), input_for<Second>(g_)};
};

/// Two inputs of different types in one class; nothing keyed.
template <record First, record Second, class P>
class connected_process_operator final
    : public process_operator_base<P, process_context, instance_state> {
  using base = process_operator_base<P, process_context, instance_state>;

 public:
  explicit connected_process_operator(P how) : base(std::move(how)) {}

  collector_base& input(std::size_t port) override { return *inputs_[port]; }

 private:
  template <class In, class Call>
  std::unique_ptr<collector_base> input_for(Call call) {
    return detail::make_input<In>([this, call](batch<In>& records) {
      const event_time* times = records.times();
      this->for_each_record(records, out_, [&](In& in, std::uint32_t i) {
        told_.set_time(times ? std::optional(times[i]) : std::nullopt);
        call(std::as_const(in));
      });
    });
  }

  using base::how_;
  using base::told_;
  using base::state_;
  using base::out_;
  std::unique_ptr<collector_base> inputs_[2] = {
      input_for<First>([this](const First& in) { how_.process_first(in, told_, out_); }),
      input_for<Second>([this](const Second& in) { how_.process_second(in, told_, out_); })};
};

/// Two inputs keyed by the same type, in one class with keyed state that both sides share.
template <record First, class FirstKey, record Second, class SecondKey, class P>
class connected_keyed_process_operator final
    : public process_operator_base<P, keyed_context<key_of_t<FirstKey, First>>,
                                   process_state<key_of_t<FirstKey, First>>> {
  using base = process_operator_base<P, keyed_context<key_of_t<FirstKey, First>>,
                                     process_state<key_of_t<FirstKey, First>>>;

 public:
  connected_keyed_process_operator(FirstKey first, SecondKey second, P how)
      : base(std::move(how)), first_key_(std::move(first)), second_key_(std::move(second)) {}

  collector_base& input(std::size_t port) override { return *inputs_[port]; }

 private:
  template <class In, class KeyOf, class Call>
  std::unique_ptr<collector_base> input_for(const KeyOf& key_of, Call call) {
    return detail::make_input<In>([this, &key_of, call](batch<In>& records) {
      state_.process(
          records, key_of, told_, [&](auto&& one) { this->for_each_record(records, out_, one); }, call);
    });
  }

  using base::how_;
  using base::told_;
  using base::state_;
  using base::out_;

  FirstKey first_key_;
  SecondKey second_key_;
  std::unique_ptr<collector_base> inputs_[2] = {
      input_for<First>(first_key_, [this](const First& in) { how_.process_first(in, told_, out_); }),
      input_for<Second>(second_key_,
                        [this](const Second& in) { how_.process_second(in, told_, out_); })};
};

} // namespace weir
