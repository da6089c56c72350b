#pragma once

#include <concepts>
#include <utility>

#include <weir/actors/operator.hpp>

namespace weir {

/// A function that says which records to keep: `bool f(const In&)`.
template <class F, class In>
concept filter_function = std::copy_constructible<F> && std::predicate<F&, const In&>;

/// Emits the records for which f returns true.
template <record In, filter_function<In> F>
class filter_operator final : public operator_base, public collector<In> {
 public:
  explicit filter_operator(F f) : f_(std::move(f)) {}

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_}; }

  void receive(batch<In>& records) override {
    for_each_record(records, out_, [&](In& in, std::uint32_t) {
      if (f_(std::as_const(in)))
        out_(std::move(in));
    });
  }

 private:
  F f_;
  emitter<In> out_;
};

} // namespace weir
