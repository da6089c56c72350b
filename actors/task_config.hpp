#pragma once

#include <chrono>
#include <cstdint>

#include <weir/base/clock.hpp>

namespace weir {

/// How records are moved between tasks. The defaults are measured; see docs/performance.md.
struct task_config {
  /// Records in a full batch; fewer where 24 KiB hold fewer, and down to a quarter on a keyed edge to more than 8
  /// receivers. Larger means more throughput, until the caches are lost.
  std::uint32_t batch_size = 1024;

  /// How long a record may wait in a batch that does not fill while its task is busy and the receiver has nothing
  /// else from it. A task with nothing else to do sends what it has at once.
  duration batch_timeout = std::chrono::milliseconds{10};

  /// Batches in flight per channel; down to a quarter on an edge to more than 8 receivers. Larger means more memory
  /// and longer waits for a barrier; below 8 two tasks take turns instead of working at the same time.
  std::uint32_t credits = 16;
};

} // namespace weir
