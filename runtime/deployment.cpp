#include <weir/runtime/deployment.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>

#include <weir/actors/operators/source.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/replay.hpp>
#include <weir/snapshot/redistribution.hpp>

namespace weir {

namespace {

bool has_state(const operator_snapshot& snapshot) {
  return !snapshot.key_groups.empty() ||
         std::any_of(snapshot.lists.begin(), snapshot.lists.end(),
                     [](const list_snapshot& list) { return !list.items.empty(); });
}

bool has_splits(const operator_snapshot& snapshot) {
  return std::any_of(snapshot.lists.begin(), snapshot.lists.end(),
                     [](const list_snapshot& list) { return list.name == splits_state; });
}

const operator_node* node_of(const topology_graph& graph, const std::string& uid) {
  const auto found = std::find_if(graph.operators.begin(), graph.operators.end(),
                                  [&](const operator_node& node) { return node.uid == uid; });
  return found == graph.operators.end() ? nullptr : &*found;
}

std::uint32_t keyed_instances(const topology_graph& graph, const job_plan& plan) {
  std::uint32_t instances = 0;
  for (std::uint32_t i = 0; i < graph.operators.size(); ++i)
    if (graph.operators[i].is_keyed)
      instances += plan.parallelism[i];
  return instances;
}

/// Whether what was under way on a channel can come again.
void check_channel(const topology_graph& graph, const std::string& receiver, const channel_snapshot& channel,
                   bool may_drop, std::set<std::string>& problems) {
  const std::string what = "it holds records that were under way from '" + channel.sender + "' to '" + receiver + "'";
  const std::string advice = ": before the topology is changed take a checkpoint that holds none (checkpoint.mode "
                             "exactly-once), or set checkpoint.allow-dropped-state";
  const graph_edge* const edge = edge_of(graph, receiver, channel);
  if (!edge) {
    if (!may_drop)
      problems.insert(what + ", which are not connected like that now" + advice);
    else
      log_warning("records that were under way are dropped, as checkpoint.allow-dropped-state says",
                  {{"from", channel.sender}, {"to", receiver}, {"records", channel.records}});
    return;
  }
  if (edge->how == partitioning::broadcast)
    problems.insert(what + ", which is a broadcast now" + advice);
  const std::string type = edge->codec ? edge->codec->type() : "of a type that cannot be stored";
  if (type != channel.type)
    problems.insert(what + ", which were " + channel.type + " and are " + type + " now" + advice);
}

operator_context context_of(const topology_graph& graph, const job_plan& plan, std::uint32_t node,
                            const job_config& config, const state_config& state,
                            std::uint32_t instance, const std::string& run) {
  operator_context context;
  context.job = graph.name;
  context.name = graph.operators[node].name;
  context.uid = graph.operators[node].uid;
  context.instance = instance;
  context.parallelism = plan.parallelism[node];
  context.key_groups = plan.key_groups;
  context.run = run;
  context.state = state;
  context.is_stored = !config.checkpoint.directory.empty();
  context.incremental = config.checkpoint.incremental;
  context.skips_early_panes = config.mode == execution_mode::batch;
  context.allow_dropped_state = config.checkpoint.allow_dropped_state;
  context.clock = config.clock;
  return context;
}

} // namespace

std::filesystem::path working_directory(const job_config& config) {
  if (!config.state.directory.empty())
    return config.state.directory;
  if (!config.checkpoint.directory.empty())
    return config.checkpoint.directory / "working";
  std::error_code ignored; // what cannot be used is said when it is
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(ignored);
  return ignored ? std::filesystem::path("/tmp") : temporary;
}

status check_restorable(const topology_graph& graph, const job_plan& plan,
                        const checkpoint_contents& contents, bool allow_dropped_state) {
  std::set<std::string> problems;
  for (const operator_snapshot& snapshot : contents.operators) {
    const operator_node* node = node_of(graph, snapshot.uid);
    if (!node) {
      if (has_state(snapshot) && !allow_dropped_state)
        problems.insert("it holds state of an operator with uid '" + snapshot.uid +
                        "', which the topology does not have: give the operator that uid, or set "
                        "checkpoint.allow-dropped-state");
      continue;
    }
    if (has_splits(snapshot) != (node->kind == "source"))
      problems.insert("operator '" + node->name + "' (uid '" + node->uid + "') is a " + node->kind +
                      " now and was " + (has_splits(snapshot) ? "a source" : "no source") +
                      ": give it a new uid");
    if (!snapshot.key_groups.empty() && !node->is_keyed && !allow_dropped_state)
      problems.insert("operator '" + node->name + "' (uid '" + node->uid +
                      "') had keyed state and is not on a keyed stream now: give it a new uid");
  }
  for (const operator_snapshot& snapshot : contents.operators)
    for (const channel_snapshot& channel : snapshot.channels)
      check_channel(graph, snapshot.uid, channel, allow_dropped_state, problems);
  if (contents.checkpoint.key_groups != plan.key_groups)
    problems.insert("it was taken with " + std::to_string(contents.checkpoint.key_groups) +
                    " key groups, and key-groups is " + std::to_string(plan.key_groups) +
                    " now: the number is fixed by a job's first checkpoint");
  if (problems.empty())
    return {};
  std::string text = "checkpoint " + to_string(contents.checkpoint.id) +
                     " does not fit the topology '" + graph.name + "':";
  for (const std::string& problem : problems)
    text += "\n  - " + problem;
  return error{errc::state_mismatch, text};
}

starting_states deal_out_states(const topology_graph& graph, const job_plan& plan,
                                const std::shared_ptr<const checkpoint_contents>& contents,
                                const std::vector<std::vector<bytes>>& first_splits) {
  starting_states states;
  std::set<std::string> known;
  if (contents)
    for (const operator_snapshot& snapshot : contents->operators)
      known.insert(snapshot.uid);
  for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
    const operator_node& node = graph.operators[i];
    if (!known.contains(node.uid)) {
      states.push_back(deal_out(splits_state, first_splits[i], plan.parallelism[i]));
      if (contents)
        for (restored_state& share : states.back())
          share.from = contents->checkpoint.id;
      continue;
    }
    states.push_back(redistribute(contents, node.uid, plan.parallelism[i], node.is_keyed));
  }
  return states;
}

std::string make_run_name(epoch attempt) {
  std::random_device random;
  const std::uint64_t number = (std::uint64_t{random()} << 32) | random();
  std::string name;
  for (const std::uint64_t part : {attempt.value, number})
    for (int shift = 60; shift >= 0; shift -= 4)
      name += "0123456789abcdef"[(part >> shift) & 15];
  return name;
}

deployment make_deployment(const topology_graph& graph, const job_plan& plan, const job_config& config,
                           const std::string& run, starting_states states,
                           const std::shared_ptr<const checkpoint_contents>& contents) {
  deployment made;
  state_config state = config.state; // of each instance
  state.directory = working_directory(config);
  state.cache_size /= std::max(1u, keyed_instances(graph, plan));
  std::map<std::uint32_t, std::uint32_t> place; // of an operator in its chain
  for (const planned_chain& chain : plan.chains) {
    for (std::uint32_t i = 0; i < chain.operators.size(); ++i)
      place[chain.operators[i]] = i;
    for (std::uint32_t instance = 0; instance < chain.parallelism; ++instance) {
      task_blueprint task;
      task.name = chain.name + " [" + std::to_string(instance) + "]";
      task.is_source = chain.is_source;
      task.blocks = chain.blocks;
      task.loop = chain.operators.front();
      for (const std::uint32_t node : chain.operators)
        task.operators.push_back({graph.operators[node].make,
                                  context_of(graph, plan, node, config, state, instance, run),
                                  std::move(states[node][instance])});
      for (const graph_edge& edge : graph.edges)
        if (!edge.is_feedback && plan.chain_of[edge.from] == plan.chain_of[edge.to] &&
            plan.chain_of[edge.from] == plan.chain_of[chain.operators.front()])
          task.links.push_back({place[edge.from], edge.output, place[edge.to]});
      made.tasks.push_back(std::move(task));
    }
  }
  std::vector<std::uint32_t> next_output(plan.tasks);
  for (const planned_edge& edge : plan.edges) {
    const graph_edge& declared = graph.edges[edge.edge];
    const planned_chain& from = plan.chains[edge.from_chain];
    const planned_chain& to = plan.chains[edge.to_chain];
    const bool one_to_one = edge.how == partitioning::forward;
    edge_replays replays = contents ? deal_out_replays(graph, plan, edge, *contents) : edge_replays{};
    for (std::uint32_t sender = 0; sender < from.parallelism; ++sender) {
      const std::uint32_t from_task = from.first_task + sender;
      const std::uint32_t receivers = one_to_one ? 1 : to.parallelism;
      made.tasks[from_task].outputs.push_back({place[declared.from], declared.output,
                                               declared.make_exchange, edge.how, receivers,
                                               declared.is_feedback});
      for (std::uint32_t i = 0; i < receivers; ++i) {
        const std::uint32_t receiver = one_to_one ? sender : i;
        const std::uint32_t to_task = to.first_task + receiver;
        std::vector<task_input>& inputs = made.tasks[to_task].inputs;
        made.channels.push_back({from_task, next_output[from_task]++, to_task,
                                 static_cast<std::uint32_t>(inputs.size()), declared.codec});
        // Receivers of a broadcast may be restored with what one of them had seen: none may be ahead.
        const bool is_recorded = edge.how != partitioning::broadcast;
        task_input& input = inputs.emplace_back();
        input.port = declared.input;
        input.is_feedback = declared.is_feedback;
        input.codec = is_recorded ? declared.codec : nullptr;
        input.origin.sender = graph.operators[declared.from].uid;
        input.origin.instance = sender;
        input.origin.output = static_cast<std::uint16_t>(declared.output);
        input.origin.input = static_cast<std::uint16_t>(declared.input);
        input.origin.data = std::move(replays[{sender, receiver}]);
      }
    }
  }
  return made;
}

} // namespace weir
