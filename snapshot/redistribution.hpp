#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/state/restored_state.hpp>

namespace weir {

/// What each instance of the operator `uid` gets from a checkpoint when it runs with `parallelism`
/// instances: key groups by ownership, list items by their mode. An operator that the checkpoint
/// does not know starts empty. Each goes on from its own watermark, as what is over in its state is not to
/// come again. At another parallelism each has an even share of the record counts, and the operator counts as
/// drained only if all its instances were; draining what is drained already does nothing.
///
/// Watermarks of instances differ where some have seen a channel idle that had come back for the others. At
/// another parallelism all start from the smallest. Those of a keyed operator, which have the same channels and
/// could all have gone as far as one of them, have to catch up with the largest: otherwise what is over for
/// some key groups would begin anew. Where records were under way to them, they do so when those have come.
///
/// Ownership: the result shares `contents`.
std::vector<restored_state>
redistribute(const std::shared_ptr<const checkpoint_contents>& contents, const std::string& uid,
             std::uint32_t parallelism, bool is_keyed);

/// What each instance gets when `items` of the list state `name` are dealt out for a first start.
std::vector<restored_state> deal_out(const std::string& name, const std::vector<bytes>& items,
                                     std::uint32_t parallelism);

} // namespace weir
