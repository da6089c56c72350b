#include <weir/runtime/plan.hpp>

#include <sstream>

#include <nlohmann/json.hpp>

namespace weir {

namespace {

std::string how_text(const topology_graph& graph, const planned_edge& edge) {
  std::string text{to_string(edge.how)};
  const graph_edge& declared = graph.edges[edge.edge];
  if (edge.how == partitioning::hash)
    text += " by " + declared.key_type;
  if (declared.is_feedback)
    text += ", feedback";
  return text;
}

std::string dot_quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '\n') {
      quoted += "\\n";
      continue;
    }
    if (c == '"' || c == '\\')
      quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string record_type(const topology_graph& graph, const graph_edge& edge) {
  return graph.operators[edge.from].outputs[edge.output];
}

} // namespace

std::string plan_as_text(const topology_graph& graph, const job_plan& plan) {
  std::ostringstream out;
  out << "topology " << graph.name << ": " << graph.operators.size() << " operators, "
      << plan.chains.size() << " chains, " << plan.tasks << " tasks, " << plan.key_groups
      << " key groups\n\noperators\n";
  for (std::size_t i = 0; i < graph.operators.size(); ++i) {
    const operator_node& node = graph.operators[i];
    out << "  " << node.name << "  (" << node.kind << (node.is_keyed ? ", keyed" : "")
        << (node.blocks ? ", blocks" : "") << ")  parallelism " << plan.parallelism[i];
    if (node.uid != node.name)
      out << "  uid " << node.uid;
    for (const std::string& type : node.outputs)
      out << "  -> " << type;
    out << '\n';
  }
  out << "\ntasks after chaining\n";
  for (const planned_chain& chain : plan.chains)
    out << "  " << chain.name << "  x " << chain.parallelism
        << (chain.blocks ? "  (own thread each)" : "") << '\n';
  out << "\nchannels\n";
  for (const planned_edge& edge : plan.edges) {
    const graph_edge& declared = graph.edges[edge.edge];
    out << "  " << graph.operators[declared.from].name << " -> " << graph.operators[declared.to].name
        << "  " << how_text(graph, edge) << "  " << edge.channels << " channel"
        << (edge.channels == 1 ? "" : "s") << " of " << record_type(graph, declared) << '\n';
  }
  if (plan.edges.empty())
    out << "  none: everything runs in one chain\n";
  return out.str();
}

std::string plan_as_json(const topology_graph& graph, const job_plan& plan) {
  using json = nlohmann::ordered_json;
  json operators = json::array();
  for (std::size_t i = 0; i < graph.operators.size(); ++i) {
    const operator_node& node = graph.operators[i];
    operators.push_back({{"name", node.name},
                         {"uid", node.uid},
                         {"kind", node.kind},
                         {"parallelism", plan.parallelism[i]},
                         {"keyed", node.is_keyed},
                         {"blocks", node.blocks},
                         {"outputs", node.outputs},
                         {"chain", plan.chain_of[i]}});
  }
  json chains = json::array();
  for (const planned_chain& chain : plan.chains) {
    json names = json::array();
    for (const std::uint32_t i : chain.operators)
      names.push_back(graph.operators[i].name);
    chains.push_back({{"name", chain.name},
                      {"operators", names},
                      {"parallelism", chain.parallelism},
                      {"first_task", chain.first_task},
                      {"own_thread", chain.blocks}});
  }
  json edges = json::array();
  for (const planned_edge& edge : plan.edges) {
    const graph_edge& declared = graph.edges[edge.edge];
    edges.push_back({{"from", graph.operators[declared.from].name},
                     {"output", declared.output},
                     {"to", graph.operators[declared.to].name},
                     {"input", declared.input},
                     {"partitioning", to_string(edge.how)},
                     {"key", declared.key_type},
                     {"record", record_type(graph, declared)},
                     {"feedback", declared.is_feedback},
                     {"channels", edge.channels}});
  }
  const json whole = {{"topology", graph.name},   {"tasks", plan.tasks},
                      {"key_groups", plan.key_groups}, {"operators", operators},
                      {"chains", chains},         {"channels", edges}};
  return whole.dump(2) + "\n";
}

std::string plan_as_dot(const topology_graph& graph, const job_plan& plan) {
  std::ostringstream out;
  out << "digraph " << dot_quoted(graph.name) << " {\n  rankdir=LR;\n  node [shape=box];\n";
  for (std::size_t c = 0; c < plan.chains.size(); ++c) {
    const planned_chain& chain = plan.chains[c];
    out << "  subgraph cluster_" << c << " {\n    label="
        << dot_quoted("x " + std::to_string(chain.parallelism)) << ";\n";
    for (const std::uint32_t i : chain.operators)
      out << "    o" << i << " [label="
          << dot_quoted(graph.operators[i].name + "\n" + graph.operators[i].kind) << "];\n";
    out << "  }\n";
  }
  for (const graph_edge& edge : graph.edges)
    if (!edge.is_feedback && plan.chain_of[edge.from] == plan.chain_of[edge.to])
      out << "  o" << edge.from << " -> o" << edge.to << ";\n";
  for (const planned_edge& edge : plan.edges) {
    const graph_edge& declared = graph.edges[edge.edge];
    out << "  o" << declared.from << " -> o" << declared.to << " [style=bold, label="
        << dot_quoted(how_text(graph, edge)) << "];\n";
  }
  out << "}\n";
  return out.str();
}

} // namespace weir
