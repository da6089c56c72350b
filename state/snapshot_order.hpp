#pragma once

#include <weir/base/ids.hpp>

namespace weir {

/// Which checkpoint a snapshot is for, and the complete one that it may add to.
struct snapshot_order {
  checkpoint_id checkpoint;
  checkpoint_id base{}; ///< 0: everything is to be written
  bool overtakes = false; ///< its barriers do not wait behind records: those become part of the checkpoint
};

} // namespace weir
