#pragma once

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weir/actors/operator.hpp>

namespace weir {

namespace detail {

template <class F>
struct second_argument {};
template <class F>
  requires requires { &F::operator(); }
struct second_argument<F> : second_argument<decltype(&F::operator())> {};
template <class R, class C, class A, class B, bool N>
struct second_argument<R (C::*)(A, B) noexcept(N)> : std::type_identity<B> {};
template <class R, class C, class A, class B, bool N>
struct second_argument<R (C::*)(A, B) const noexcept(N)> : std::type_identity<B> {};
template <class R, class A, class B, bool N>
struct second_argument<R (*)(A, B) noexcept(N)> : std::type_identity<B> {};

template <class E>
struct emitted : std::type_identity<void> {};
template <class T>
struct emitted<emitter<T>&> : std::type_identity<T> {};

} // namespace detail

/// The record type of the `emitter<Out>&` that F takes as its second argument; void where F is no
/// function of two arguments or takes something else.
template <class F>
struct flat_map_output : std::type_identity<void> {};
template <class F>
  requires requires { typename detail::second_argument<F>::type; }
struct flat_map_output<F> : detail::emitted<typename detail::second_argument<F>::type> {};

template <class F>
using flat_map_output_t = typename flat_map_output<F>::type;

/// A function that makes any number of records of one: `void f(const In&, emitter<Out>&)`. Not
/// generic in its second argument, from which the output type is read.
template <class F, class In>
concept flat_map_function = std::copy_constructible<F> && record<flat_map_output_t<F>> &&
                            std::invocable<F&, In, emitter<flat_map_output_t<F>>&>;

/// Calls f(record, out) for each record.
template <record In, flat_map_function<In> F>
class flat_map_operator final : public operator_base, public collector<In> {
 public:
  explicit flat_map_operator(F f) : f_(std::move(f)) {}

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_}; }

  void receive(batch<In>& records) override {
    for_each_record(records, out_, [&](In& in, std::uint32_t) { f_(std::move(in), out_); });
  }

 private:
  F f_;
  emitter<flat_map_output_t<F>> out_;
};

/// A function that divides records among several outputs:
/// `void f(const In&, emitter<A>&, emitter<B>&, ...)`.
template <class F, class In, class... Outs>
concept split_function = std::copy_constructible<F> && std::invocable<F&, In, emitter<Outs>&...>;

/// Calls f(record, outs...) for each record.
template <record In, class F, record... Outs>
  requires split_function<F, In, Outs...>
class split_operator final : public operator_base, public collector<In> {
 public:
  explicit split_operator(F f) : f_(std::move(f)) {}

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override {
    return std::apply([](auto&... out) { return std::vector<output_port*>{&out...}; }, outs_);
  }

  void receive(batch<In>& records) override {
    const event_time* times = records.times();
    std::apply([&](auto&... out) { (out.set_timed(times != nullptr), ...); }, outs_);
    this->template for_each_record<In>(records, [&](In& in, std::uint32_t i) {
      std::apply(
          [&](auto&... out) {
            if (times)
              (out.set_time(times[i]), ...);
            f_(std::move(in), out...);
          },
          outs_);
    });
  }

 private:
  F f_;
  std::tuple<emitter<Outs>...> outs_;
};

} // namespace weir
