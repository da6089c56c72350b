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

} // namespace weir::detail
