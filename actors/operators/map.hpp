#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weir/actors/operator.hpp>

namespace weir {

/// A function that makes one record of another: `Out f(const In&)`, or taking In by value.
template <class F, class In>
concept map_function = std::copy_constructible<F> && std::invocable<F&, In> &&
                       record<std::remove_cvref_t<std::invoke_result_t<F&, In>>>;

template <class F, class In>
using map_output = std::remove_cvref_t<std::invoke_result_t<F&, In>>;

/// Emits f(record) for each record.
template <record In, map_function<In> F>
class map_operator final : public operator_base, public collector<In> {
 public:
  explicit map_operator(F f) : f_(std::move(f)) {}

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_}; }

  void receive(batch<In>& records) override {
    for_each_record(records, out_, [&](In& in, std::uint32_t) { out_(f_(std::move(in))); });
  }

 private:
  F f_;
  emitter<map_output<F, In>> out_;
};

} // namespace weir
