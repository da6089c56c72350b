#include <weir/runtime/replay.hpp>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <vector>

#include <weir/actors/channel_recording.hpp>
#include <weir/base/hash.hpp>

namespace weir {

namespace {

/// Puts together what was on several channels, for one. Of one sender, batches come before the watermark that followed
/// them. Channels may have lost their first watermarks, which were acted upon already, so that it goes by their values.
/// Of several senders each was somewhere else: then watermarks are left out, and new ones come.
class merged_items {
 public:
  explicit merged_items(bool keeps_watermarks) : keeps_watermarks_(keeps_watermarks) {}

  void add(std::deque<channel_item> items) {
    std::vector<batch_ptr> since;
    event_time latest = no_watermark;
    for (channel_item& item : items)
      if (auto* records = std::get_if<batch_ptr>(&item)) {
        since.push_back(std::move(*records));
      } else if (const marker& what = std::get<marker>(item); what.what == marker::kind::watermark) {
        latest = std::max(latest, what.time); // one that says less says nothing
        if (keeps_watermarks_)
          append(by_watermark_[latest], since);
      } else if (what.what == marker::kind::partition) {
        has_partitions_ = true;
      }
    append(last_, since);
  }

  /// `reached`: the watermark that the first of those who had these channels have acted upon, unless that is none. Of
  /// one sender it is among the items, or all of them come behind it; of several it comes behind all of them.
  std::deque<channel_item> take(event_time reached) {
    const bool has_reached = !by_watermark_.empty() && by_watermark_.rbegin()->first >= reached;
    std::deque<channel_item> all;
    if (has_partitions_)
      all.emplace_back(marker::of_partition({partition_change::kind::replayed, 0}));
    if (keeps_watermarks_ && !has_reached && reached != no_watermark)
      all.emplace_back(marker::watermark(reached));
    for (auto& [time, batches] : by_watermark_) {
      std::move(batches.begin(), batches.end(), std::back_inserter(all));
      all.emplace_back(marker::watermark(time));
    }
    std::move(last_.begin(), last_.end(), std::back_inserter(all));
    if (!keeps_watermarks_ && reached != no_watermark)
      all.emplace_back(marker::watermark(reached));
    return all;
  }

 private:
  static void append(std::vector<batch_ptr>& to, std::vector<batch_ptr>& from) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
    from.clear();
  }

  bool keeps_watermarks_;
  bool has_partitions_ = false;
  std::map<event_time, std::vector<batch_ptr>> by_watermark_;
  std::vector<batch_ptr> last_; // no watermark has followed them yet
};

bool has_hashes(const std::deque<channel_item>& items) {
  return std::all_of(items.begin(), items.end(), [](const channel_item& item) {
    const auto* const records = std::get_if<batch_ptr>(&item);
    return !records || (*records)->hashes();
  });
}

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

/// Whether something was under way on this edge, or one just like it.
bool is_of(const topology_graph& graph, const graph_edge& edge, const std::string& receiver,
           const channel_snapshot& channel) {
  return graph.operators[edge.to].uid == receiver && edge.input == channel.input &&
         graph.operators[edge.from].uid == channel.sender && edge.output == channel.output;
}

/// How many edges before this one are just like it, as of the union of a stream with itself.
std::size_t twin_of(const topology_graph& graph, std::uint32_t edge) {
  const graph_edge& one = graph.edges[edge];
  return static_cast<std::size_t>(std::count_if(graph.edges.begin(), graph.edges.begin() + edge, [&](const auto& other) {
    return other.from == one.from && other.output == one.output && other.to == one.to && other.input == one.input;
  }));
}

/// The watermark that the first instances of a keyed operator have reached: the others will catch up with it.
event_time reached_by(const checkpoint_contents& contents, const std::string& uid) {
  event_time reached = no_watermark;
  for (const operator_snapshot& snapshot : contents.operators)
    if (snapshot.uid == uid && snapshot.watermark != last_watermark)
      reached = std::max(reached, snapshot.watermark);
  return reached;
}

bool has_channels(const checkpoint_contents& contents, const std::string& uid) {
  return std::any_of(contents.operators.begin(), contents.operators.end(), [&](const operator_snapshot& snapshot) {
    return snapshot.uid == uid && !snapshot.channels.empty();
  });
}

} // namespace

const graph_edge* edge_of(const topology_graph& graph, const std::string& receiver, const channel_snapshot& channel) {
  const auto found = std::find_if(graph.edges.begin(), graph.edges.end(), [&](const graph_edge& edge) {
    return is_of(graph, edge, receiver, channel);
  });
  return found == graph.edges.end() ? nullptr : &*found;
}

std::set<std::uint32_t> edges_to_replay(const topology_graph& graph, const checkpoint_contents& contents) {
  std::set<std::uint32_t> edges;
  for (const operator_snapshot& snapshot : contents.operators)
    for (const channel_snapshot& channel : snapshot.channels)
      for (std::uint32_t i = 0; i < graph.edges.size(); ++i)
        if (is_of(graph, graph.edges[i], snapshot.uid, channel))
          edges.insert(i);
  return edges;
}

edge_replays deal_out_replays(const topology_graph& graph, const job_plan& plan, const planned_edge& edge,
                              const checkpoint_contents& contents) {
  const graph_edge& declared = graph.edges[edge.edge];
  const operator_node& receiver = graph.operators[declared.to];
  const std::uint32_t senders = plan.parallelism[declared.from];
  const std::uint32_t receivers = plan.parallelism[declared.to];
  const std::uint32_t old_senders = parallelism_in(contents, graph.operators[declared.from].uid);
  const bool same_receivers = parallelism_in(contents, receiver.uid) == receivers;
  const bool same_senders = old_senders == senders;
  const std::size_t twin = twin_of(graph, edge.edge);
  edge_replays replays;
  std::map<std::pair<std::uint32_t, std::uint32_t>, merged_items> merged;
  const auto merge = [&](std::uint32_t from, std::uint32_t to, std::deque<channel_item> items) {
    merged.try_emplace({from, to}, merged_items(same_senders)).first->second.add(std::move(items));
  };
  if (!same_receivers && receiver.is_keyed && has_channels(contents, receiver.uid))
    for (std::uint32_t from = 0; from < senders; ++from)
      for (std::uint32_t to = 0; to < receivers; ++to)
        merge(from, to, {}); // all channels have something to catch up with
  for (const operator_snapshot& snapshot : contents.operators) {
    std::map<std::uint32_t, std::size_t> twins; // by instance of the sender
    for (const channel_snapshot& channel : snapshot.channels) {
      if (!is_of(graph, declared, snapshot.uid, channel) || twins[channel.instance]++ != twin)
        continue;
      const bool is_there = edge.how != partitioning::forward || channel.instance == snapshot.instance;
      const bool is_as_it_was = same_senders && same_receivers && is_there;
      if (is_as_it_was && edge.how != partitioning::hash) {
        replays[{channel.instance, snapshot.instance}] += channel.data;
        continue;
      }
      std::deque<channel_item> items = read_recorded(channel.data, *declared.codec);
      if (edge.how == partitioning::hash && !has_hashes(items))
        throw std::runtime_error("what was under way from '" + channel.sender + "' to '" + snapshot.uid +
                                 "' was not divided by key then, and is now: take a checkpoint without records under "
                                 "way (checkpoint.mode exactly-once) before the topology is changed");
      if (is_as_it_was) {
        replays[{channel.instance, snapshot.instance}] += channel.data;
      } else if (edge.how == partitioning::hash) {
        auto parts = divide(std::move(items), *declared.codec, receivers, plan.key_groups);
        for (std::uint32_t i = 0; i < receivers; ++i)
          merge(channel.instance % senders, i, std::move(parts[i]));
      } else {
        const std::uint32_t to = snapshot.instance % receivers;
        merge(edge.how == partitioning::forward ? to : channel.instance % senders, to, std::move(items));
      }
    }
  }
  const event_time reached =
      same_receivers || !receiver.is_keyed ? no_watermark : reached_by(contents, receiver.uid);
  for (auto& [channel, items] : merged)
    replays[channel] += write_recorded(items.take(reached), *declared.codec);
  return replays;
}

} // namespace weir
