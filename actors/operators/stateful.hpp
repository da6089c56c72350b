#pragma once

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weir/actors/operators/flat_map.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/state/state_registry.hpp>

/// \file
/// Functions with keyed state beside them: `map`, `filter` and `flat_map` on a keyed stream. Each is a
/// process function whose states are declared outside the function and passed to it.

namespace weir {

/// A description of a keyed state: value_of, list_of, map_of, reducing_of, aggregating_of, folding_of.
template <class D>
concept state_declaration = std::copy_constructible<D> && requires(const D& d, row_cursor& cursor) {
  typename D::state;
  { d.column() } -> std::same_as<row_column>;
  { d.bind(cursor, std::size_t{}) } -> std::same_as<typename D::state>;
};

namespace detail {

template <class F>
struct last_argument {};
template <class F>
  requires requires { &F::operator(); }
struct last_argument<F> : last_argument<decltype(&F::operator())> {};
template <class... As>
using last_of = std::tuple_element_t<sizeof...(As) - 1, std::tuple<As...>>;
template <class R, class C, class A, class... As, bool N>
struct last_argument<R (C::*)(A, As...) noexcept(N)> : std::type_identity<last_of<A, As...>> {};
template <class R, class C, class A, class... As, bool N>
struct last_argument<R (C::*)(A, As...) const noexcept(N)> : std::type_identity<last_of<A, As...>> {};
template <class R, class A, class... As, bool N>
struct last_argument<R (*)(A, As...) noexcept(N)> : std::type_identity<last_of<A, As...>> {};

template <class F>
struct stateful_output : std::type_identity<void> {};
template <class F>
  requires requires { typename last_argument<F>::type; }
struct stateful_output<F> : emitted<typename last_argument<F>::type> {};

} // namespace detail

/// The record type of the `emitter<Out>&` that F takes as its last argument, or void.
template <class F>
using stateful_output_t = typename detail::stateful_output<F>::type;

/// `Out f(const In&, State&...)`
template <class F, class In, class... Ds>
concept stateful_map_function =
    std::copy_constructible<F> && std::invocable<F&, const In&, typename Ds::state&...> &&
    record<std::remove_cvref_t<std::invoke_result_t<F&, const In&, typename Ds::state&...>>>;

/// `bool f(const In&, State&...)`
template <class F, class In, class... Ds>
concept stateful_filter_function =
    std::copy_constructible<F> && std::predicate<F&, const In&, typename Ds::state&...>;

/// `void f(const In&, State&..., emitter<Out>&)`, not generic in its last argument.
template <class F, class In, class... Ds>
concept stateful_flat_map_function =
    std::copy_constructible<F> && record<stateful_output_t<F>> &&
    std::invocable<F&, const In&, typename Ds::state&..., emitter<stateful_output_t<F>>&>;

/// The process function that calls `Call` with the record, the declared states and the emitter.
template <record Out, class Call, state_declaration... Ds>
class stateful_function {
 public:
  using output = Out;

  stateful_function(Call call, Ds... declared) : call_(std::move(call)), declared_(std::move(declared)...) {}

  void open(state_registry& registry) {
    states_ = std::apply(
        [&](const Ds&... one) { return std::tuple<typename Ds::state...>{registry.declare(one)...}; },
        declared_);
  }

  template <class In, class Context>
  void process(const In& in, Context&, emitter<Out>& out) {
    std::apply([&](auto&... states) { call_(in, out, states...); }, states_);
  }

 private:
  Call call_;
  std::tuple<Ds...> declared_;
  std::tuple<typename Ds::state...> states_;
};

} // namespace weir
