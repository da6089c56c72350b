#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <weir/actors/channel_recording.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/base/hash.hpp>
#include <weir/runtime/replay.hpp>
#include <weir/runtime/topology.hpp>
#include <weir/snapshot/redistribution.hpp>

using namespace weir;

namespace {

constexpr std::uint32_t key_groups = 16;
constexpr std::uint64_t keys = 11;

event_time at(std::int64_t ms) {
  return event_time{std::chrono::milliseconds{ms}};
}

std::uint64_t key_hash(std::uint64_t record) {
  return hash_of(record % keys);
}

/// One sender's stream: its records count upwards, and the watermark behind some says how many there have been.
struct sent_stream {
  std::uint32_t sender;
  std::vector<std::int64_t> watermarks = {-1}; // before each record; the last one is before the next record

  std::uint64_t record(std::size_t i) const { return (i << 8) + sender; }
};

/// A job that is cut again and again: its instances have processed some of what was sent, and the rest comes again at
/// another parallelism.
class rescaled_channels {
 public:
  rescaled_channels(std::uint32_t seed, std::uint32_t senders) : random_(seed), senders_(senders) {
    job_.source("numbers", generate([](std::uint64_t i) { return i; }, 1))
        .parallelism(senders)
        .key_by([](std::uint64_t i) { return i % keys; })
        .count("count")
        .parallelism(1)
        .sink("out", [](const auto&) {});
    for (std::uint32_t i = 0; i < senders; ++i)
      streams_.push_back({i});
    start(1, {});
  }

  void cut() {
    for (sent_stream& stream : streams_)
      send_some(stream);
    for (instance& one : instances_)
      process_some(one, false);
    start(1 + static_cast<std::uint32_t>(random_() % 4), checkpoint());
  }

  void finish() {
    for (instance& one : instances_)
      process_some(one, true);
    std::uint64_t records = 0;
    for (const sent_stream& stream : streams_)
      records += stream.watermarks.size() - 1;
    CHECK(processed_ == records);
  }

 private:
  struct instance {
    event_time watermark = no_watermark; // that it has acted on
    std::vector<event_time> reached;     // by channel
    std::vector<std::deque<channel_item>> channels;
  };

  const graph_edge& edge() const { return job_.graph()->edges.front(); }

  std::uint32_t owner(std::uint64_t record) const {
    return instance_of(key_group_of(key_hash(record), key_groups), static_cast<std::uint32_t>(instances_.size()),
                       key_groups);
  }

  void send_some(sent_stream& stream) {
    for (std::size_t more = random_() % 20; more != 0; --more) {
      const std::size_t i = stream.watermarks.size() - 1;
      const std::uint64_t record = stream.record(i);
      auto* const records = new batch<std::uint64_t>(1);
      (*records)[0] = record;
      records->resize(1);
      records->enable_hashes()[0] = key_hash(record);
      instances_[owner(record)].channels[stream.sender].emplace_back(batch_ptr(records));
      stream.watermarks.push_back(stream.watermarks.back());
      if (random_() % 3 != 0)
        continue;
      stream.watermarks.back() = static_cast<std::int64_t>(i);
      for (instance& one : instances_)
        one.channels[stream.sender].emplace_back(marker::watermark(at(stream.watermarks.back())));
    }
  }

  void process_some(instance& one, bool all) {
    std::size_t steps = all ? ~std::size_t{0} : random_() % 30;
    for (; steps != 0; --steps) {
      std::vector<std::uint32_t> ready;
      for (std::uint32_t i = 0; i < senders_; ++i)
        if (!one.channels[i].empty())
          ready.push_back(i);
      if (ready.empty())
        return;
      const std::uint32_t channel = ready[random_() % ready.size()];
      const channel_item item = std::move(one.channels[channel].front());
      one.channels[channel].pop_front();
      if (const auto* what = std::get_if<marker>(&item)) {
        one.reached[channel] = std::max(one.reached[channel], what->time);
        one.watermark = std::max(one.watermark, *std::min_element(one.reached.begin(), one.reached.end()));
      } else {
        process(one, static_cast<batch<std::uint64_t>&>(*std::get<batch_ptr>(item)));
      }
    }
  }

  void process(const instance& in, batch<std::uint64_t>& records) {
    for (const std::uint64_t record : records) {
      const sent_stream& from = streams_[record & 0xff];
      const std::int64_t own = from.watermarks[record >> 8];
      const event_time judged = in.watermark;
      if (senders_ == 1)
        CHECK(judged == (own < 0 ? no_watermark : at(own)));
      else
        CHECK(judged <= at(own)); // the others may be behind
      std::uint64_t& next = next_[{record & 0xff, record % keys}];
      CHECK(next <= record);
      next = record + 1;
      ++processed_;
    }
  }

  std::shared_ptr<checkpoint_contents> checkpoint() {
    auto made = std::make_shared<checkpoint_contents>();
    made->checkpoint.id = checkpoint_id{1};
    made->checkpoint.key_groups = key_groups;
    const topology_graph& graph = *job_.graph();
    for (std::uint32_t i = 0; i < instances_.size(); ++i) {
      operator_snapshot snapshot;
      snapshot.uid = graph.operators[edge().to].uid;
      snapshot.instance = i;
      snapshot.parallelism = static_cast<std::uint32_t>(instances_.size());
      snapshot.watermark = instances_[i].watermark;
      for (std::uint32_t from = 0; from < senders_; ++from)
        if (!instances_[i].channels[from].empty()) {
          channel_snapshot& channel = snapshot.channels.emplace_back();
          channel.sender = graph.operators[edge().from].uid;
          channel.instance = from;
          channel.type = edge().codec->type();
          channel.data = write_recorded(instances_[i].channels[from], *edge().codec);
        }
      made->operators.push_back(std::move(snapshot));
    }
    for (std::uint32_t i = 0; i < senders_; ++i) {
      operator_snapshot& snapshot = made->operators.emplace_back();
      snapshot.uid = graph.operators[edge().from].uid;
      snapshot.instance = i;
      snapshot.parallelism = senders_;
    }
    return made;
  }

  void start(std::uint32_t parallelism, const std::shared_ptr<checkpoint_contents>& contents) {
    const topology_graph& graph = *job_.graph();
    job_plan plan;
    plan.key_groups = key_groups;
    plan.parallelism = std::vector<std::uint32_t>(graph.operators.size(), parallelism);
    plan.parallelism[edge().from] = senders_;
    instances_.assign(parallelism, {});
    for (instance& one : instances_) {
      one.reached.assign(senders_, no_watermark);
      one.channels.resize(senders_);
    }
    if (!contents)
      return;
    const auto states = redistribute(contents, graph.operators[edge().to].uid, parallelism, true);
    for (std::uint32_t i = 0; i < parallelism; ++i)
      instances_[i].watermark = std::max(states[i].watermark, states[i].catch_up);
    const planned_edge planned{0, 0, 1, partitioning::hash};
    for (const auto& [channel, data] : deal_out_replays(graph, plan, planned, *contents))
      instances_[channel.second].channels[channel.first] = read_recorded(data, *edge().codec);
  }

  std::mt19937 random_;
  std::uint32_t senders_;
  topology job_{"replayed"};
  std::vector<sent_stream> streams_;
  std::vector<instance> instances_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> next_; // record, by sender and key
  std::uint64_t processed_ = 0;
};

} // namespace

TEST_CASE("what comes again and again at other parallelisms comes in its order, and behind the same watermarks") {
  for (const std::uint32_t senders : {1u, 3u})
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(senders);
      CAPTURE(seed);
      rescaled_channels channels(seed, senders);
      for (int cuts = 0; cuts < 8; ++cuts)
        channels.cut();
      channels.finish();
    }
}
