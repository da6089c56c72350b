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

/// The state of a job with one instance, in memory unless told otherwise.
class counted_state : public weir::keyed_state<std::uint64_t, count_rows> {
 public:
  explicit counted_state(const weir::state_config& config = {})
      : keyed_state(all_groups(config), count_rows("aggregate")) {}

 private:
  static weir::keyed_state_setup all_groups(const weir::state_config& config) {
    weir::keyed_state_setup setup;
    setup.config = config;
    setup.groups = 128;
    setup.range = {0, setup.groups};
    return setup;
  }
};

} // namespace bench
