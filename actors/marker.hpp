#pragma once

#include <cstdint>

#include <weir/base/clock.hpp>
#include <weir/base/ids.hpp>

namespace weir {

/// What travels between the records of a channel, in their order.
struct marker {
  enum class kind : std::uint8_t {
    watermark,    ///< no record with an event time at or before `time` follows
    barrier,      ///< separates the records of `checkpoint` from those of the next one
    end_of_input, ///< nothing follows
  };

  kind what = kind::end_of_input;
  event_time time{};
  checkpoint_id checkpoint{};

  static marker watermark(event_time time) { return {kind::watermark, time, {}}; }
  static marker barrier(checkpoint_id id) { return {kind::barrier, {}, id}; }
  static marker end() { return {}; }
};

} // namespace weir
