#include <weir/runtime/plan.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace weir {

namespace {

class mistakes {
 public:
  void add(std::string text) { lines_.push_back(std::move(text)); }
  bool is_empty() const { return lines_.empty(); }

  error as_error(const std::string& job) const {
    std::string text = "the topology '" + job + "' cannot run:";
    for (const std::string& line : lines_)
      text += "\n  - " + line;
    return {errc::invalid_topology, text};
  }

 private:
  std::vector<std::string> lines_;
};

std::string in_quotes(const std::string& name) {
  return "'" + name + "'";
}

void check_names(const topology_graph& graph, mistakes& found) {
  std::map<std::string, std::vector<std::string>> by_uid;
  for (const operator_node& node : graph.operators) {
    if (node.name.empty())
      found.add("an operator (" + node.kind + ") has no name: give it one");
    if (node.uid.empty())
      found.add("operator " + in_quotes(node.name) + ": its uid is empty");
    by_uid[node.uid].push_back(node.name);
  }
  for (const auto& [uid, names] : by_uid)
    if (names.size() > 1)
      found.add("the uid " + in_quotes(uid) + " belongs to " + std::to_string(names.size()) +
                " operators (" + [&] {
                  std::string list;
                  for (const std::string& name : names)
                    list += (list.empty() ? "" : ", ") + name;
                  return list;
                }() + "): give each its own name, or its own uid");
}

void check_connections(const topology_graph& graph, mistakes& found) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> read;
  std::set<std::pair<std::uint32_t, std::uint32_t>> fed;
  for (const graph_edge& edge : graph.edges) {
    if (edge.from >= graph.operators.size() || edge.to >= graph.operators.size())
      continue;
    read.emplace(edge.from, edge.output);
    fed.emplace(edge.to, edge.input);
  }
  bool has_source = false;
  for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
    const operator_node& node = graph.operators[i];
    has_source |= node.kind == "source";
    for (std::uint32_t output = 0; output < node.outputs.size(); ++output)
      if (!read.contains({i, output}) && (output == 0 || !node.drops_side_outputs))
        found.add("operator " + in_quotes(node.name) + ": nobody reads its output" +
                  (node.outputs.size() > 1 ? " " + std::to_string(output) : "") + " of " +
                  node.outputs[output] + ": end it in a sink");
    for (std::uint32_t input = 0; input < node.inputs; ++input)
      if (!fed.contains({i, input}) && node.kind == "iterate" && input == 1)
        found.add("iteration " + in_quotes(node.name) + ": nothing is fed back: call feed_back on it, or leave it out");
      else if (!fed.contains({i, input}))
        found.add("operator " + in_quotes(node.name) + ": its input " + std::to_string(input) +
                  " is not connected");
  }
  if (!has_source)
    found.add("there is no source");
}

/// The operators that records of `from` come to, without going round.
std::set<std::uint32_t> reached_from(const topology_graph& graph, std::uint32_t from) {
  std::set<std::uint32_t> reached{from};
  std::vector<std::uint32_t> next{from};
  while (!next.empty()) {
    const std::uint32_t at = next.back();
    next.pop_back();
    for (const graph_edge& edge : graph.edges)
      if (edge.from == at && !edge.is_feedback && reached.insert(edge.to).second)
        next.push_back(edge.to);
  }
  return reached;
}

void check_loops(const topology_graph& graph, mistakes& found) {
  for (const graph_edge& feedback : graph.edges) {
    if (!feedback.is_feedback)
      continue;
    const operator_node& head = graph.operators[feedback.to];
    if (!reached_from(graph, feedback.to).contains(feedback.from)) {
      found.add("iteration " + in_quotes(head.name) + ": " + in_quotes(graph.operators[feedback.from].name) +
                " is fed back, which does not come from it: use union_with before the iteration");
      continue;
    }
    for (const std::uint32_t inner : reached_from(graph, feedback.to))
      if (inner != feedback.to && graph.operators[inner].kind == "iterate" &&
          reached_from(graph, inner).contains(feedback.from))
        found.add("iteration " + in_quotes(graph.operators[inner].name) + " lies within iteration " +
                  in_quotes(head.name) + ": loops in loops are not supported; feed both back into " +
                  in_quotes(head.name));
  }
}

std::vector<std::uint32_t> resolve_parallelism(const topology_graph& graph,
                                               const job_config& config, mistakes& found) {
  std::vector<std::uint32_t> resolved;
  for (const operator_node& node : graph.operators) {
    std::uint32_t instances = node.parallelism != 0 ? node.parallelism : config.parallelism;
    if (node.maximum_parallelism != 0 && instances > node.maximum_parallelism) {
      if (node.parallelism != 0)
        found.add("operator " + in_quotes(node.name) + ": a parallelism of " +
                  std::to_string(instances) + ", but a " + node.kind + " of this type runs at most " +
                  std::to_string(node.maximum_parallelism) + " instance(s)");
      instances = node.maximum_parallelism;
    }
    if (node.is_keyed && instances > config.key_groups)
      found.add("operator " + in_quotes(node.name) + ": a parallelism of " +
                std::to_string(instances) + ", more than there are key groups: key-groups is " +
                std::to_string(config.key_groups) +
                ": lower the parallelism, or raise key-groups before the first checkpoint");
    resolved.push_back(instances);
  }
  return resolved;
}

std::vector<std::vector<std::uint32_t>> edges_into(const topology_graph& graph) {
  std::vector<std::vector<std::uint32_t>> incoming(graph.operators.size());
  for (std::uint32_t i = 0; i < graph.edges.size(); ++i)
    incoming[graph.edges[i].to].push_back(i);
  return incoming;
}

/// Where barriers overtake records, those have to be stored.
void check_codecs(const topology_graph& graph, const job_config& config, const job_plan& plan, mistakes& found) {
  const checkpoint_config& checkpoint = config.checkpoint;
  if (checkpoint.directory.empty() || checkpoint.mode == checkpoint_mode::at_least_once ||
      (checkpoint.mode != checkpoint_mode::unaligned && checkpoint.alignment_timeout == duration::zero()))
    return;
  for (const planned_edge& edge : plan.edges) {
    const graph_edge& declared = graph.edges[edge.edge];
    if (declared.codec || edge.how == partitioning::broadcast)
      continue;
    const operator_node& from = graph.operators[declared.from];
    found.add("the records from " + in_quotes(from.name) + " to " + in_quotes(graph.operators[declared.to].name) +
              " are " + from.outputs[declared.output] +
              ", which cannot be stored, and unaligned checkpoints hold records: give the type a cereal "
              "serialize (of the standard library's types include cereal's header, such as "
              "<cereal/types/vector.hpp>), or set checkpoint.mode to exactly-once without checkpoint.alignment-timeout");
  }
}

void plan_chains(const topology_graph& graph, const job_config& config, const std::set<std::uint32_t>& apart,
                 job_plan& plan) {
  const auto incoming = edges_into(graph);
  for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
    const operator_node& node = graph.operators[i];
    const bool blocks =
        node.blocks || (node.is_keyed && config.state.backend == state_backend::lmdb);
    const bool one_stream = node.inputs == 1 && incoming[i].size() == 1;
    const graph_edge* edge = one_stream ? &graph.edges[incoming[i].front()] : nullptr;
    const bool joins = edge && config.chaining && node.may_chain &&
                       edge->how == partitioning::forward && !apart.contains(incoming[i].front()) &&
                       plan.parallelism[edge->from] == plan.parallelism[i];
    if (!joins) {
      plan.chain_of.push_back(static_cast<std::uint32_t>(plan.chains.size()));
      plan.chains.push_back({node.name, {i}, plan.parallelism[i], 0, node.kind == "source", blocks});
      continue;
    }
    planned_chain& chain = plan.chains[plan.chain_of[edge->from]];
    plan.chain_of.push_back(plan.chain_of[edge->from]);
    chain.operators.push_back(i);
    chain.name += " -> " + node.name;
    chain.blocks |= blocks;
  }
  for (planned_chain& chain : plan.chains) {
    chain.first_task = plan.tasks;
    plan.tasks += chain.parallelism;
  }
}

void plan_edges(const topology_graph& graph, job_plan& plan) {
  for (std::uint32_t i = 0; i < graph.edges.size(); ++i) {
    const graph_edge& edge = graph.edges[i];
    const std::uint32_t from = plan.chain_of[edge.from];
    const std::uint32_t to = plan.chain_of[edge.to];
    if (from == to && !edge.is_feedback)
      continue;
    planned_edge planned{i, from, to, edge.how};
    const std::uint64_t senders = plan.parallelism[edge.from];
    const std::uint64_t receivers = plan.parallelism[edge.to];
    if (edge.how == partitioning::forward && senders != receivers)
      planned.how = partitioning::rebalance;
    planned.channels = planned.how == partitioning::forward ? senders : senders * receivers;
    plan.edges.push_back(planned);
  }
}

} // namespace

result<job_plan> make_plan(const topology_graph& graph, const job_config& config,
                           const std::set<std::uint32_t>& apart) {
  mistakes found;
  for (const std::string& text : graph.mistakes)
    found.add(text);
  check_names(graph, found);
  check_connections(graph, found);
  check_loops(graph, found);
  job_plan plan;
  plan.key_groups = config.key_groups;
  plan.parallelism = resolve_parallelism(graph, config, found);
  if (!found.is_empty())
    return found.as_error(graph.name);
  plan_chains(graph, config, apart, plan);
  plan_edges(graph, plan);
  check_codecs(graph, config, plan, found);
  if (!found.is_empty())
    return found.as_error(graph.name);
  return plan;
}

status check_records_can_move(const topology_graph& graph, const job_plan& plan) {
  std::string problems;
  for (const planned_edge& edge : plan.edges)
    if (const graph_edge& declared = graph.edges[edge.edge]; !declared.codec) {
      const operator_node& from = graph.operators[declared.from];
      problems += (problems.empty() ? "" : "\n") + ("operator '" + from.name + "': its records of type " +
                                                     from.outputs[declared.output] +
                                                     " cannot be sent to another process: give the type a `serialize`");
    }
  if (problems.empty())
    return {};
  return error{errc::invalid_topology, problems};
}

std::string_view to_string(partitioning how) noexcept {
  switch (how) {
  case partitioning::forward: return "forward";
  case partitioning::hash: return "hash";
  case partitioning::rebalance: return "rebalance";
  case partitioning::broadcast: return "broadcast";
  }
  return "unknown";
}

std::vector<std::uint32_t> regions_of(const job_plan& plan) {
  std::vector<std::uint32_t> regions(plan.chains.size());
  std::iota(regions.begin(), regions.end(), 0);
  const auto root = [&](std::uint32_t chain) {
    while (regions[chain] != chain)
      chain = regions[chain] = regions[regions[chain]];
    return chain;
  };
  for (const planned_edge& edge : plan.edges) {
    const std::uint32_t from = root(edge.from_chain), to = root(edge.to_chain);
    regions[std::max(from, to)] = std::min(from, to);
  }
  // A root comes before the rest of its region.
  std::uint32_t count = 0;
  for (std::uint32_t chain = 0; chain < regions.size(); ++chain)
    regions[chain] = regions[chain] == chain ? count++ : regions[regions[chain]];
  return regions;
}

} // namespace weir
