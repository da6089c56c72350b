#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <weir/actors/exchange.hpp>
#include <weir/base/error.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/job_config.hpp>

namespace weir {

/// Operators that share tasks: one task per instance, the records passed on inside it.
struct planned_chain {
  std::string name;                     ///< "split -> count"
  std::vector<std::uint32_t> operators; ///< of the graph; the first one has the chain's inputs
  std::uint32_t parallelism = 1;
  std::uint32_t first_task = 0; ///< instance i is task first_task + i
  bool is_source = false;
  bool blocks = false;
};

/// An edge between chains.
struct planned_edge {
  std::uint32_t edge;       ///< of the graph
  std::uint32_t from_chain;
  std::uint32_t to_chain;
  partitioning how = partitioning::forward; ///< as it is carried out

  /// How many channels it takes.
  std::uint64_t channels = 0;
};

/// How a topology is carried out with a configuration.
struct job_plan {
  std::vector<std::uint32_t> parallelism; ///< of each operator of the graph
  std::vector<std::uint32_t> chain_of;    ///< of each operator of the graph
  std::vector<planned_chain> chains;
  std::vector<planned_edge> edges;
  std::uint32_t tasks = 0;
  std::uint32_t key_groups = 1;
};

/// Checks the shape of a topology and plans its tasks.
///
/// An operator joins the chain before it if it has one input stream, neither partitioned nor
/// broadcast, from an operator of the same parallelism, and nobody has switched chaining off.
///
/// `apart`: edges that are not to be chained all the same, as numbers in the graph.
///
/// Errors: invalid_topology with every mistake on a line of its own.
result<job_plan> make_plan(const topology_graph& graph, const job_config& config,
                           const std::set<std::uint32_t>& apart = {});

/// Whether all records that go from task to task can be written down, as between processes they must be.
///
/// Errors: invalid_topology with every operator on a line of its own whose records cannot.
status check_records_can_move(const topology_graph& graph, const job_plan& plan);

/// The regions of a plan: which chains are connected, in whatever direction and over however many edges. Returns a
/// number for each chain, from 0 on without gaps.
std::vector<std::uint32_t> regions_of(const job_plan& plan);

/// Where the tasks of a plan run; see plan_workers.
struct planned_workers {
  std::uint32_t workers = 0;
  std::uint32_t slots_each = 0;
  std::uint32_t slots_needed = 0;
  std::vector<std::uint32_t> worker_of; ///< by task: from 0, in the order in which they join. Empty: too few slots
};

/// A plan for a person to read; with `on`, where each task runs, too.
std::string plan_as_text(const topology_graph& graph, const job_plan& plan,
                         const std::optional<planned_workers>& on = std::nullopt);

/// The same as one JSON object: operators, chains, edges.
std::string plan_as_json(const topology_graph& graph, const job_plan& plan,
                         const std::optional<planned_workers>& on = std::nullopt);

/// The same as a Graphviz digraph: a cluster per chain, an edge per stream.
std::string plan_as_dot(const topology_graph& graph, const job_plan& plan,
                        const std::optional<planned_workers>& on = std::nullopt);

std::string_view to_string(partitioning how) noexcept;

} // namespace weir
