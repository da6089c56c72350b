#pragma once

#include <cstdint>

#include <weir/actors/progress.hpp>
#include <weir/base/clock.hpp>
#include <weir/state/snapshot_order.hpp>

namespace weir {

/// Which loop a probe goes round, and which one it is.
struct loop_probe {
  std::uint32_t loop = 0; ///< the operator that the loop begins with, in the topology
  std::uint32_t round = 0;

  auto operator<=>(const loop_probe&) const = default;
};

/// What travels between the records of a channel, in their order.
struct marker {
  enum class kind : std::uint8_t {
    watermark,    ///< no record with an event time before `time` follows, but late ones
    idle,         ///< nobody need wait for this channel's watermark until something comes again
    partition,    ///< something about the partitions of the sender's input
    barrier,      ///< separates the records of a checkpoint from those of the next one
    probe,        ///< of a loop: what was sent into it before has gone round when this has
    end_of_input, ///< nothing follows
  };

  kind what = kind::end_of_input;
  event_time time{};
  snapshot_order order{}; ///< of a barrier
  partition_change partition{};
  loop_probe probe{};

  static marker watermark(event_time time) { return {kind::watermark, time, {}, {}, {}}; }
  static marker idle() { return {kind::idle, {}, {}, {}, {}}; }
  static marker of_partition(const partition_change& change) { return {kind::partition, {}, {}, change, {}}; }
  static marker barrier(const snapshot_order& order) { return {kind::barrier, {}, order, {}, {}}; }
  static marker of_loop(const loop_probe& probe) { return {kind::probe, {}, {}, {}, probe}; }
  static marker end() { return {}; }
};

} // namespace weir
