#include <weir/runtime/stream.hpp>

namespace weir::detail {

std::uint32_t add_operator(topology_graph& graph, operator_node node) {
  node.uid = node.name;
  graph.operators.push_back(std::move(node));
  return static_cast<std::uint32_t>(graph.operators.size() - 1);
}

void add_edges(topology_graph& graph, const std::vector<stream_origin>& from, std::uint32_t to,
               std::uint32_t input, partitioning how, const std::string& key_type,
               const exchange_factory& make, const batch_codec* codec) {
  for (const stream_origin& origin : from)
    graph.edges.push_back({origin.node, origin.output, to, input, how, key_type, make, codec});
}

void add_feedback(topology_graph& graph, const std::vector<stream_origin>& from, std::uint32_t to, partitioning how,
                  const exchange_factory& make, const batch_codec* codec) {
  if (how == partitioning::broadcast)
    graph.mistakes.push_back("iteration '" + graph.operators[to].name +
                             "': what is fed back is broadcast: broadcast what comes out of the iteration instead");
  const std::size_t before = graph.edges.size();
  add_edges(graph, from, to, 1, how, {}, make, codec);
  for (std::size_t i = before; i < graph.edges.size(); ++i)
    graph.edges[i].is_feedback = true;
}

} // namespace weir::detail
