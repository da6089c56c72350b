#pragma once

#include <weir/base/clock.hpp>

namespace weir {

/// Who is told how far event time has come: an operator of a chain, or the sending end of an edge.
class progress_receiver {
 public:
  virtual ~progress_receiver() = default;

  /// No record with an event time before `time` follows, but late ones.
  virtual void receive_watermark(event_time time) = 0;

  /// Nobody need wait for a watermark from here until something comes again.
  virtual void receive_idleness() = 0;
};

} // namespace weir
