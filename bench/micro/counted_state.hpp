#pragma once

#include <cstdint>

#include <weir/state/keyed_state.hpp>
#include <weir/state/static_rows.hpp>

namespace bench {

/// What keyed-sum keeps for a key.
struct count_and_sum {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
};

using count_rows = weir::static_rows<count_and_sum>;

/// State in memory, of a job with one instance.
class counted_state : public weir::keyed_state<std::uint64_t, count_rows> {
 public:
  counted_state() : keyed_state(all_groups(), count_rows("aggregate")) {}

 private:
  static weir::keyed_state_setup all_groups() {
    weir::keyed_state_setup setup;
    setup.groups = 128;
    setup.range = {0, setup.groups};
    return setup;
  }
};

} // namespace bench
