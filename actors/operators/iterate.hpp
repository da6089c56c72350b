#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <weir/actors/operator.hpp>

namespace weir {

/// Where a loop begins: passes on what comes in at input 0, and what comes back at input 1.
template <record T>
class iterate_operator final : public operator_base, public collector<T> {
 public:
  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_}; }

  void receive(batch<T>& records) override {
    count_records(records.size(), [&](std::uint32_t&) { out_.pass(records); });
  }

 private:
  emitter<T> out_;
};

} // namespace weir
