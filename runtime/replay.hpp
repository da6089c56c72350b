#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <weir/base/bytes.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// The edge of `graph` on which something was under way to the operator `receiver`, or nullptr.
const graph_edge* edge_of(const topology_graph& graph, const std::string& receiver, const channel_snapshot& channel);

/// The edges, as numbers in the graph, on which something was under way: they have to be channels still.
std::set<std::uint32_t> edges_to_replay(const topology_graph& graph, const checkpoint_contents& contents);

/// What is to come again on the channels of one edge: by instance of the sender and of the receiver.
using edge_replays = std::map<std::pair<std::uint32_t, std::uint32_t>, bytes>;

/// Deals out what a checkpoint has recorded of the channels of an edge.
///
/// At the same parallelism each channel gets what was on it. Otherwise keyed records go to the instance that owns
/// their key now, and others to any. Between records of one sender and its watermarks the order is kept, unless there
/// are more or fewer senders now: then there are no watermarks. What senders said of partitions and idleness is dropped.
/// Instances of a keyed operator are told the watermark that the first of them had reached, too.
///
/// Errors: throws std::runtime_error; what `contents` says of the edge must fit it otherwise, see check_restorable.
edge_replays deal_out_replays(const topology_graph& graph, const job_plan& plan, const planned_edge& edge,
                              const checkpoint_contents& contents);

} // namespace weir
