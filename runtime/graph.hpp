#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/actors/task.hpp>
#include <weir/base/bytes.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// One operator as the user declared it.
struct operator_node {
  std::string name;
  std::string uid;                ///< the name, unless the user set one
  std::string kind;               ///< "source", "map", "sink", ...
  std::uint32_t parallelism = 0;  ///< 0: the job's
  std::uint32_t maximum_parallelism = 0; ///< of its kind; 0: no limit but the key groups
  bool may_chain = true;          ///< with the operator before it
  bool blocks = false;            ///< needs a thread of its own
  bool is_keyed = false;
  std::vector<std::string> outputs; ///< the record type of each output port
  bool drops_side_outputs = false;  ///< whether all but the first output may be left unread
  std::uint32_t inputs = 0;       ///< number of input ports

  std::function<std::unique_ptr<operator_base>()> make;

  /// A source's first splits, encoded; empty for other operators. Called once, before anything
  /// starts.
  std::function<result<std::vector<bytes>>(std::uint32_t parallelism)> splits;

  /// What a connector can find out before anything starts, such as a directory that is not there.
  /// `fresh`: the job does not start from a checkpoint.
  std::function<status(const operator_context& context, bool fresh)> check;
};

/// A stream from an output port of one operator to an input port of another.
struct graph_edge {
  std::uint32_t from = 0;
  std::uint32_t output = 0;
  std::uint32_t to = 0;
  std::uint32_t input = 0;
  partitioning how = partitioning::forward;
  std::string key_type; ///< where it is partitioned by key
  exchange_factory make_exchange;
  const batch_codec* codec = nullptr; ///< nullptr: its records cannot be stored
  bool is_feedback = false;           ///< from within a loop to where it begins
};

/// What the builder collects: operators in the order of their declaration, and the edges between
/// them. Types have been checked by the compiler; shape is checked by the planner.
struct topology_graph {
  std::string name;
  std::vector<operator_node> operators;
  std::vector<graph_edge> edges;
  std::vector<std::string> mistakes; ///< found while building, reported with those of the planner
};

} // namespace weir
