#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/ids.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/record_counts.hpp>

namespace weir {

/// Key groups of one stored operator instance that now belong to one running instance.
struct restored_groups {
  std::shared_ptr<const operator_snapshot> stored;
  std::vector<const key_group_snapshot*> groups; ///< into `stored`
};

/// The items of a list state that one instance gets.
struct restored_list {
  std::string type; ///< of an item, as it was stored; empty where it does not come from a checkpoint
  std::vector<bytes> items;
};

/// What one instance of one operator starts from: its share of a checkpoint, at whatever parallelism
/// that was taken, or of a source's first splits.
struct restored_state {
  checkpoint_id from{}; ///< 0: nothing is restored
  bool drained = false;
  record_counts counts;
  event_time watermark = no_watermark;
  event_time catch_up = no_watermark; ///< to be acted on before the first record, if it is later
  std::vector<restored_groups> keyed;
  std::map<std::string, restored_list> lists; ///< by the list state's name
};

} // namespace weir
