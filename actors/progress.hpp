#pragma once

#include <cstdint>

#include <weir/base/clock.hpp>

namespace weir {

/// What a source says of its partitions: the parts of its input that it reads side by side, and of which
/// each has event times in an order of its own.
struct partition_change {
  enum class kind : std::uint8_t {
    opened,  ///< there is such a partition: event time is not further than in it
    current, ///< what follows is of this one; opens it
    ended,   ///< nothing of it follows
    replayed, ///< what follows was under way of partitions that are read elsewhere now: how far they are is not
              ///< known before something of one here follows
  };
  kind what = kind::current;
  std::uint64_t partition = 0; ///< a number that the source knows it by

  bool operator==(const partition_change&) const = default;
};

/// Who is told how far event time has come: an operator of a chain, or the sending end of an edge.
class progress_receiver {
 public:
  virtual ~progress_receiver() = default;

  /// No record with an event time before `time` follows, but late ones.
  virtual void receive_watermark(event_time time) = 0;

  /// Nobody need wait for a watermark from here until something comes again.
  virtual void receive_idleness() = 0;

  /// What follows from here is of a partition, or one opens or ends. Known as far as the records of an
  /// instance stay together: in a chain, and over edges from one instance to one.
  virtual void receive_partition(const partition_change& change) = 0;
};

} // namespace weir
