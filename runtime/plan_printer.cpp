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

std::string counted_noun(std::uint32_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

/// Nothing where there are enough.
std::string too_few_slots(const planned_workers& on) {
  if (!on.worker_of.empty())
    return {};
  return "too few slots: the job takes " + std::to_string(on.slots_needed) + ", and " +
         counted_noun(on.workers, "worker") + " with " + counted_noun(on.slots_each, "slot") + " each have " +
         std::to_string(std::uint64_t{on.workers} * on.slots_each) +
         ": it would wait for more workers, or workers with more slots (--slots)";
}

/// "0, 3": the instances of a chain that a worker runs.
std::string instances_on(std::uint32_t worker, const planned_chain& chain, const planned_workers& on) {
  std::string list;
  for (std::uint32_t i = 0; i < chain.parallelism; ++i)
    if (on.worker_of[chain.first_task + i] == worker)
      list += (list.empty() ? "" : ", ") + std::to_string(i);
  return list;
}

void print_workers(std::ostream& out, const job_plan& plan, const planned_workers& on) {
  out << "\nworkers\n";
  if (const std::string problem = too_few_slots(on); !problem.empty()) {
    out << "  " << problem << '\n';
    return;
  }
  for (std::uint32_t worker = 0; worker < on.workers; ++worker) {
    out << "  worker " << worker + 1 << "  (" << counted_noun(on.slots_each, "slot") << ")";
    bool is_idle = true;
    for (const planned_chain& chain : plan.chains)
      if (const std::string instances = instances_on(worker, chain, on); !instances.empty()) {
        out << "  " << chain.name << ": " << instances;
        is_idle = false;
      }
    out << (is_idle ? "  no task\n" : "\n");
  }
}

nlohmann::ordered_json workers_as_json(const job_plan& plan, const planned_workers& on) {
  using json = nlohmann::ordered_json;
  json tasks = json::array();
  if (!on.worker_of.empty())
    for (const planned_chain& chain : plan.chains)
      for (std::uint32_t i = 0; i < chain.parallelism; ++i)
        tasks.push_back({{"task", chain.first_task + i},
                         {"chain", chain.name},
                         {"instance", i},
                         {"worker", on.worker_of[chain.first_task + i] + 1}});
  json all = {{"workers", on.workers},
              {"slots_each", on.slots_each},
              {"slots_needed", on.slots_needed},
              {"tasks", tasks}};
  if (const std::string problem = too_few_slots(on); !problem.empty())
    all["problem"] = problem;
  return all;
}

std::string chain_label(const planned_chain& chain, const std::optional<planned_workers>& on) {
  std::string label = "x " + std::to_string(chain.parallelism);
  if (on && !on->worker_of.empty())
    for (std::uint32_t worker = 0; worker < on->workers; ++worker)
      if (const std::string instances = instances_on(worker, chain, *on); !instances.empty())
        label += "\nworker " + std::to_string(worker + 1) + ": " + instances;
  return label;
}

} // namespace

std::string plan_as_text(const topology_graph& graph, const job_plan& plan, const std::optional<planned_workers>& on) {
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
  if (on)
    print_workers(out, plan, *on);
  return out.str();
}

std::string plan_as_json(const topology_graph& graph, const job_plan& plan, const std::optional<planned_workers>& on) {
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
  json whole = {{"topology", graph.name},   {"tasks", plan.tasks},
                      {"key_groups", plan.key_groups}, {"operators", operators},
                      {"chains", chains},         {"channels", edges}};
  if (on)
    whole["placement"] = workers_as_json(plan, *on);
  return whole.dump(2) + "\n";
}

std::string plan_as_dot(const topology_graph& graph, const job_plan& plan, const std::optional<planned_workers>& on) {
  std::ostringstream out;
  out << "digraph " << dot_quoted(graph.name) << " {\n  rankdir=LR;\n  node [shape=box];\n";
  if (on && on->worker_of.empty())
    out << "  label=" << dot_quoted(too_few_slots(*on)) << ";\n";
  for (std::size_t c = 0; c < plan.chains.size(); ++c) {
    const planned_chain& chain = plan.chains[c];
    out << "  subgraph cluster_" << c << " {\n    label="
        << dot_quoted(chain_label(chain, on)) << ";\n";
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
