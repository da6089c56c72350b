#include <weir/runtime/replay.hpp>

#include <algorithm>
#include <iterator>
#include <vector>

#include <weir/actors/channel_recording.hpp>
#include <weir/base/hash.hpp>

namespace weir {

namespace {

/// The batches of several channels from one sender, each before the watermark that followed it. Channels may have
/// lost their first watermarks, which were acted upon already, so that they are put together by value.
class merged_batches {
 public:
  void add(std::deque<channel_item> items) {
    std::vector<batch_ptr> since;
    for (channel_item& item : items)
      if (auto* records = std::get_if<batch_ptr>(&item)) {
        since.push_back(std::move(*records));
      } else if (const marker& what = std::get<marker>(item); what.what == marker::kind::watermark) {
        append(by_watermark_[what.time], since);
      }
    append(last_, since);
  }

  std::deque<channel_item> take() {
    std::deque<channel_item> all;
    for (auto& [time, batches] : by_watermark_) {
      std::move(batches.begin(), batches.end(), std::back_inserter(all));
      all.emplace_back(marker::watermark(time));
    }
    std::move(last_.begin(), last_.end(), std::back_inserter(all));
    return all;
  }

 private:
  static void append(std::vector<batch_ptr>& to, std::vector<batch_ptr>& from) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
    from.clear();
  }

  std::map<event_time, std::vector<batch_ptr>> by_watermark_;
  std::vector<batch_ptr> last_; // no watermark has followed them yet
};

/// Divides keyed items by the instance that owns each key: a batch goes to some, a watermark to all.
std::vector<std::deque<channel_item>> divide(std::deque<channel_item> items, const batch_codec& codec,
                                             std::uint32_t instances, std::uint32_t groups) {
  std::vector<std::deque<channel_item>> parts(instances);
  for (channel_item& item : items) {
    auto* const records = std::get_if<batch_ptr>(&item);
    if (!records) {
      for (std::deque<channel_item>& part : parts)
        part.push_back(item);
      continue;
    }
    const std::uint64_t* const hashes = (*records)->hashes();
    if (!hashes)
      throw malformed_bytes("records without key hashes");
    std::vector<std::uint32_t> to;
    for (std::uint32_t i = 0; i < (*records)->size(); ++i)
      to.push_back(instance_of(key_group_of(hashes[i], groups), instances, groups));
    std::vector<batch_ptr> divided = codec.divide(**records, to, instances);
    for (std::uint32_t i = 0; i < instances; ++i)
      if (divided[i])
        parts[i].emplace_back(std::move(divided[i]));
  }
  return parts;
}

std::uint32_t parallelism_in(const checkpoint_contents& contents, const std::string& uid) {
  for (const operator_snapshot& snapshot : contents.operators)
    if (snapshot.uid == uid)
      return snapshot.parallelism;
  return 0;
}

} // namespace

const graph_edge* edge_of(const topology_graph& graph, const std::string& receiver, const channel_snapshot& channel) {
  const auto found = std::find_if(graph.edges.begin(), graph.edges.end(), [&](const graph_edge& edge) {
    return graph.operators[edge.to].uid == receiver && edge.input == channel.input &&
           graph.operators[edge.from].uid == channel.sender && edge.output == channel.output;
  });
  return found == graph.edges.end() ? nullptr : &*found;
}

std::set<std::uint32_t> edges_to_replay(const topology_graph& graph, const checkpoint_contents& contents) {
  std::set<std::uint32_t> edges;
  for (const operator_snapshot& snapshot : contents.operators)
    for (const channel_snapshot& channel : snapshot.channels)
      if (const graph_edge* edge = edge_of(graph, snapshot.uid, channel))
        edges.insert(static_cast<std::uint32_t>(edge - graph.edges.data()));
  return edges;
}

edge_replays deal_out_replays(const topology_graph& graph, const job_plan& plan, const planned_edge& edge,
                              const checkpoint_contents& contents) {
  const graph_edge& declared = graph.edges[edge.edge];
  const std::string& receiver = graph.operators[declared.to].uid;
  const std::uint32_t senders = plan.parallelism[declared.from];
  const std::uint32_t receivers = plan.parallelism[declared.to];
  const bool same_parallelism =
      parallelism_in(contents, graph.operators[declared.from].uid) == senders &&
      parallelism_in(contents, receiver) == receivers;
  edge_replays replays;
  std::map<std::pair<std::uint32_t, std::uint32_t>, merged_batches> merged;
  for (const operator_snapshot& snapshot : contents.operators)
    for (const channel_snapshot& channel : snapshot.channels) {
      if (snapshot.uid != receiver || edge_of(graph, receiver, channel) != &declared)
        continue;
      if (same_parallelism) {
        replays[{channel.instance, snapshot.instance}] += channel.data; // edges may be alike
        continue;
      }
      std::deque<channel_item> items = read_recorded(channel.data, *declared.codec);
      if (edge.how == partitioning::hash) {
        auto parts = divide(std::move(items), *declared.codec, receivers, plan.key_groups);
        for (std::uint32_t i = 0; i < receivers; ++i)
          merged[{channel.instance % senders, i}].add(std::move(parts[i]));
      } else {
        const std::uint32_t to = snapshot.instance % receivers;
        const std::uint32_t from = edge.how == partitioning::forward ? to : channel.instance % senders;
        merged[{from, to}].add(std::move(items));
      }
    }
  for (auto& [channel, batches] : merged)
    replays[channel] = write_recorded(batches.take(), *declared.codec);
  return replays;
}

} // namespace weir
