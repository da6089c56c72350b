#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include <weir/actors/input_gate.hpp>

using namespace weir;

namespace {

batch_ptr some_batch() {
  return batch_ptr(new batch<int>(1));
}

/// What the gate offers, one word per event: "b0" a batch of channel 0, "w5" a watermark, "s3" a
/// complete barrier, "i" that all are idle, "p" something about a partition, "end".
std::string next_word(input_gate& gate) {
  const std::optional<gate_event> event = gate.next();
  if (!event)
    return "";
  if (const auto* ready = std::get_if<batch_ready>(&*event))
    return "b" + std::to_string(ready->channel);
  if (const auto* advanced = std::get_if<watermark_advanced>(&*event))
    return advanced->time == last_watermark
               ? "w*"
               : "w" + std::to_string(advanced->time.time_since_epoch().count());
  if (std::holds_alternative<channels_idle>(*event))
    return "i";
  if (std::holds_alternative<partition_changed>(*event))
    return "p";
  if (const auto* complete = std::get_if<barrier_complete>(&*event))
    return "s" + to_string(complete->order.checkpoint);
  if (std::holds_alternative<entry_ended>(*event))
    return "entry ended";
  if (std::holds_alternative<probe_due>(*event))
    return "probe due";
  if (const auto* probe = std::get_if<probe_complete>(&*event))
    return !probe->has_returned ? "probe" : probe->was_quiet ? "quiet" : "not quiet";
  return "end";
}

std::string all_words(input_gate& gate) {
  std::string words;
  for (std::string word = next_word(gate); !word.empty(); word = next_word(gate))
    words += (words.empty() ? "" : " ") + word;
  return words;
}

event_time at(int milliseconds) {
  return event_time{std::chrono::milliseconds{milliseconds}};
}

constexpr checkpoint_id first{1};
constexpr checkpoint_id second{2};

} // namespace

TEST_CASE("a channel whose barrier has come is held back until all others have it") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1");
  gate.push(1, marker::barrier({first}));
  CHECK(all_words(gate) == "s1 b0");
}

TEST_CASE("in at-least-once mode no channel is held back") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::at_least_once);
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  CHECK(all_words(gate) == "b0");
  gate.push(0, marker::barrier({second}));
  gate.push(1, marker::barrier({first}));
  gate.push(1, marker::barrier({second}));
  CHECK(all_words(gate) == "s1 s2");
}

TEST_CASE("an ended channel counts as one whose barrier has come") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::barrier({first}));
  CHECK(all_words(gate) == "");
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "s1");
  gate.push(0, marker::barrier({second}));
  CHECK(all_words(gate) == "s2");
}

TEST_CASE("with all channels ended a checkpoint completes as soon as it is announced") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::end());
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "w* end");
  gate.announce({first});
  CHECK(all_words(gate) == "s1");
  gate.announce({first});
  CHECK(all_words(gate) == "");
}

TEST_CASE("a checkpoint that was announced completes with the end of the last channel") {
  input_gate gate(std::vector<gate_channel>(1), checkpoint_mode::exactly_once);
  gate.announce({first});
  CHECK(all_words(gate) == "");
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "s1 w* end");
}

TEST_CASE("a complete barrier says what its checkpoint may add to, whether barriers came or all channels had ended") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  const auto base_of_next = [&] {
    const std::optional<gate_event> event = gate.next();
    REQUIRE(event);
    return std::get<barrier_complete>(*event).order.base;
  };
  gate.push(0, marker::barrier({checkpoint_id{4}, checkpoint_id{3}}));
  gate.push(1, marker::barrier({checkpoint_id{4}, checkpoint_id{3}}));
  CHECK(base_of_next() == checkpoint_id{3});
  gate.announce({checkpoint_id{5}, checkpoint_id{4}});
  gate.push(0, marker::barrier({checkpoint_id{5}, checkpoint_id{4}}));
  gate.push(1, marker::end());
  CHECK(base_of_next() == checkpoint_id{4});
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "w* end");
  gate.announce({checkpoint_id{6}, checkpoint_id{5}});
  CHECK(base_of_next() == checkpoint_id{5});
}

TEST_CASE("an aborted checkpoint lets its held channels go and ignores its late barriers") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  CHECK(all_words(gate) == "");
  gate.abort(first);
  CHECK(all_words(gate) == "b0");
  gate.push(1, marker::barrier({first}));
  gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1");
  gate.push(0, marker::barrier({second}));
  gate.push(1, marker::barrier({second}));
  CHECK(all_words(gate) == "s2");
}

TEST_CASE("aborting an announced checkpoint does not release the channels held for another") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.announce({first});
  gate.announce({second});
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  CHECK(all_words(gate) == "");
  gate.abort(second);
  CHECK(all_words(gate) == "");
  gate.push(1, marker::barrier({first}));
  CHECK(all_words(gate) == "s1 b0");
}

TEST_CASE("the watermark is the smallest of all channels and never goes back") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::watermark(at(10)));
  CHECK(all_words(gate) == "");
  gate.push(1, marker::watermark(at(5)));
  CHECK(all_words(gate) == "w5");
  gate.push(1, marker::watermark(at(3)));
  CHECK(all_words(gate) == "");
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "w10");
}

TEST_CASE("channels take turns") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  for (int i = 0; i < 3; ++i)
    gate.push(0, some_batch());
  for (int i = 0; i < 3; ++i)
    gate.push(1, some_batch());
  CHECK(all_words(gate) == "b0 b1 b0 b1 b0 b1");
}

TEST_CASE("in any interleaving, every batch before a barrier comes before its snapshot") {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::uint32_t channels = 1 + random() % 4;
    input_gate gate(std::vector<gate_channel>(channels), checkpoint_mode::exactly_once);
    std::vector<std::uint32_t> barriers(channels), sent(channels), seen(channels), at_barrier(channels);
    std::vector<std::vector<std::uint32_t>> before(channels, std::vector<std::uint32_t>{0});
    std::uint32_t snapshots = 0;
    const auto drain = [&] {
      while (auto event = gate.next()) {
        if (const auto* ready = std::get_if<batch_ready>(&*event)) {
          ++seen[ready->channel];
        } else if (const auto* complete = std::get_if<barrier_complete>(&*event)) {
          REQUIRE(complete->order.checkpoint.value == ++snapshots);
          for (std::uint32_t c = 0; c < channels; ++c)
            REQUIRE(seen[c] == before[c].at(snapshots));
        }
      }
    };
    for (int step = 0; step < 300; ++step) {
      const std::uint32_t c = random() % channels;
      if (random() % 4 == 0 && barriers[c] < 20) {
        before[c].push_back(sent[c]);
        gate.push(c, marker::barrier({checkpoint_id{++barriers[c]}}));
      } else {
        ++sent[c];
        gate.push(c, some_batch());
      }
      if (random() % 2 == 0)
        drain();
    }
    for (std::uint32_t c = 0; c < channels; ++c)
      while (barriers[c] < 20) {
        before[c].push_back(sent[c]);
        gate.push(c, marker::barrier({checkpoint_id{++barriers[c]}}));
      }
    drain();
    CHECK(snapshots == 20);
    CHECK(seen == sent);
  }
}

TEST_CASE("an idle channel does not hold the watermark back, and comes back without moving it backwards") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::watermark(at(10)));
  gate.push(1, marker::watermark(at(5)));
  CHECK(all_words(gate) == "w5");
  gate.push(1, marker::idle());
  CHECK(all_words(gate) == "w10");
  gate.push(0, marker::watermark(at(20)));
  CHECK(all_words(gate) == "w20");
  gate.push(1, some_batch()); // it is late, and from now on waited for
  gate.push(0, marker::watermark(at(30)));
  CHECK(all_words(gate) == "b1");
  gate.push(1, marker::watermark(at(25)));
  CHECK(all_words(gate) == "w25");
  gate.push(1, marker::watermark(at(40)));
  CHECK(all_words(gate) == "w30");
}

TEST_CASE("a gate that goes on after a restart says that its task is not idle any more, and does not go back") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.restore(at(290));
  gate.push(0, marker::watermark(at(110)));
  gate.push(1, marker::watermark(at(100)));
  CHECK(all_words(gate) == "");
  gate.push(0, marker::idle());
  gate.push(1, marker::idle());
  CHECK(all_words(gate) == "i");
  gate.push(1, marker::watermark(at(120)));
  CHECK(all_words(gate) == "w290");
  gate.push(1, marker::watermark(at(300)));
  CHECK(all_words(gate) == "w300");
}

TEST_CASE("when all channels are idle that is said once, and the next watermark ends it") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::watermark(at(10)));
  gate.push(0, marker::idle());
  gate.push(1, marker::idle());
  gate.push(0, marker::idle());
  CHECK(all_words(gate) == "w10 i");
  gate.push(0, marker::watermark(at(10)));
  CHECK(all_words(gate) == "w10");
  gate.push(0, marker::idle());
  CHECK(all_words(gate) == "i");
  gate.push(0, marker::watermark(at(10)));
  CHECK(all_words(gate) == "w10"); // the same again: to be waited for
  gate.push(0, marker::idle());
  gate.push(0, marker::end());
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "i w* end");
}

TEST_CASE("the last watermark comes when all channels have it, though others be idle") {
  input_gate gate(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  gate.push(0, marker::watermark(at(10)));
  gate.push(1, marker::watermark(at(5)));
  gate.push(1, marker::idle());
  CHECK(all_words(gate) == "w5 w10");
  gate.push(0, marker::watermark(last_watermark));
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "i"); // nothing is over: the idle one may come back
  gate.push(1, some_batch());
  gate.push(1, marker::watermark(at(20)));
  CHECK(all_words(gate) == "b1 w20");
  gate.push(1, marker::watermark(last_watermark));
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "w* end");
}

TEST_CASE("what is said of partitions passes only where records of one instance come") {
  const marker said = marker::of_partition({partition_change::kind::opened, 7});
  input_gate one(std::vector<gate_channel>(1), checkpoint_mode::exactly_once);
  one.push(0, said);
  CHECK(all_words(one) == "p");
  input_gate two(std::vector<gate_channel>(2), checkpoint_mode::exactly_once);
  two.push(0, said);
  CHECK(all_words(two) == "");
}

namespace {

constexpr snapshot_order overtaking(checkpoint_id id) {
  return {id, {}, true};
}

const std::vector<gate_channel> two_recorded(2, {batch_codec_of<int>()});

/// How many items the checkpoint has recorded of each of two channels.
std::string recorded(input_gate& gate, checkpoint_id id) {
  channel_recording* const recording = gate.recording_of(id);
  if (!recording)
    return "none";
  if (!recording->is_complete())
    while (recording->has_unwritten())
      recording->write_some();
  if (!recording->is_complete())
    return "incomplete";
  std::size_t items[2] = {0, 0};
  for (const recorded_channel& one : recording->take())
    items[one.channel] = read_recorded(one.data, *batch_codec_of<int>()).size();
  return std::to_string(items[0]) + " and " + std::to_string(items[1]);
}

} // namespace

TEST_CASE("a barrier that overtakes is acted upon when it comes; what is before it on any channel is recorded") {
  input_gate gate(two_recorded, checkpoint_mode::unaligned);
  gate.push(0, some_batch());
  gate.push(0, marker::watermark(at(3)));
  gate.push(1, some_batch());
  CHECK(!gate.is_overtaking());
  gate.push(0, marker::barrier(overtaking(first)));
  gate.push(0, some_batch()); // belongs to the next checkpoint
  REQUIRE(gate.is_overtaking());
  CHECK(gate.take_overtaking().checkpoint == first);
  CHECK(!gate.is_overtaking());
  CHECK(recorded(gate, first) == "incomplete");
  CHECK(all_words(gate) == "b0 b1 b0"); // nobody waits for the other barrier
  gate.push(1, some_batch());
  gate.push(1, marker::barrier(overtaking(first)));
  gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1 b1");
  CHECK(recorded(gate, first) == "2 and 2");
}

TEST_CASE("barriers are aligned until they are told to overtake: held channels are let go") {
  input_gate gate(two_recorded, checkpoint_mode::exactly_once);
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1");
  CHECK(!gate.is_overtaking());
  gate.overtake(first);
  REQUIRE(gate.is_overtaking());
  gate.take_overtaking();
  CHECK(all_words(gate) == "b0");
  gate.push(1, some_batch());
  gate.push(1, marker::barrier({first}));
  CHECK(recorded(gate, first) == "0 and 1");
}

TEST_CASE("a barrier that is told to overtake does so wherever it is, and when it comes later") {
  input_gate queued(two_recorded, checkpoint_mode::exactly_once);
  queued.push(0, some_batch());
  queued.push(0, marker::barrier({first}));
  queued.overtake(first);
  CHECK(queued.is_overtaking());

  input_gate later(two_recorded, checkpoint_mode::exactly_once);
  later.overtake(first);
  CHECK(!later.is_overtaking());
  later.push(0, marker::barrier({second}));
  CHECK(!later.is_overtaking());
  later.push(1, marker::barrier({first}));
  CHECK(later.is_overtaking());
}

TEST_CASE("where a channel cannot be recorded barriers that overtake are aligned") {
  input_gate gate({{batch_codec_of<int>()}, {nullptr}}, checkpoint_mode::unaligned);
  gate.push(0, marker::barrier(overtaking(first)));
  gate.push(0, some_batch());
  gate.push(1, some_batch());
  CHECK(!gate.is_overtaking());
  CHECK(all_words(gate) == "b1");
  gate.push(1, marker::barrier(overtaking(first)));
  CHECK(all_words(gate) == "s1 b0");
  CHECK(recorded(gate, first) == "none");
}

TEST_CASE("a channel that ends closes its recording, and one that has ended has none") {
  input_gate gate(two_recorded, checkpoint_mode::unaligned);
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "");
  gate.push(1, some_batch());
  gate.push(1, marker::barrier(overtaking(first)));
  gate.take_overtaking();
  CHECK(recorded(gate, first) == "0 and 1");

  input_gate ending(two_recorded, checkpoint_mode::unaligned);
  ending.push(0, some_batch());
  ending.push(1, marker::barrier(overtaking(first)));
  ending.take_overtaking();
  ending.push(0, marker::end());
  CHECK(recorded(ending, first) == "1 and 0");
}

TEST_CASE("a checkpoint that is aborted is neither taken nor recorded any more") {
  input_gate gate(two_recorded, checkpoint_mode::unaligned);
  gate.push(0, marker::barrier(overtaking(first)));
  gate.abort(first);
  CHECK(!gate.is_overtaking());
  gate.push(0, marker::barrier(overtaking(second)));
  REQUIRE(gate.is_overtaking());
  gate.take_overtaking();
  gate.abort(second);
  CHECK(recorded(gate, second) == "none");
}

TEST_CASE("an overtaking barrier waits for what has been decided before it") {
  input_gate gate(two_recorded, checkpoint_mode::exactly_once);
  gate.push(0, marker::watermark(at(10)));
  gate.push(1, marker::watermark(at(5)));
  CHECK(all_words(gate) == "w5");
  gate.push(0, marker::barrier({first}));
  gate.push(1, marker::end());
  CHECK(next_word(gate) == "s1"); // the end of the other channel has decided two things
  gate.push(0, marker::barrier(overtaking(second)));
  CHECK(!gate.is_overtaking());
  CHECK(next_word(gate) == "w10");
  CHECK(gate.is_overtaking());
}

TEST_CASE("what is replayed comes first, owes no credit, and is recorded again while it waits") {
  input_gate gate(two_recorded, checkpoint_mode::unaligned);
  gate.replay(0, {some_batch(), marker::watermark(at(7)), some_batch()});
  gate.push(0, some_batch());
  gate.push(0, marker::barrier(overtaking(first)));
  gate.take_overtaking();
  const auto replayed = [&] { return !std::get<batch_ready>(*gate.next()).returns_credit; };
  CHECK(replayed());
  CHECK(replayed());
  CHECK(!replayed());
  gate.push(1, marker::barrier(overtaking(first)));
  CHECK(recorded(gate, first) == "4 and 0");
}

TEST_CASE("a batch comes in parts where a turn is to be short, and gives its credit back with the last of them") {
  input_gate gate(two_recorded, checkpoint_mode::unaligned);
  auto* made = new batch<int>(5);
  batch_ptr records(made);
  for (int i = 0; i < 5; ++i) {
    (*made)[i] = i;
    made->enable_times(true)[i] = at(10 * i);
    made->enable_hashes()[i] = 100u + i;
  }
  made->resize(5);
  gate.push(0, std::move(records));
  const auto take = [&](std::uint32_t most) {
    const auto event = gate.next(most);
    REQUIRE(event);
    const auto& ready = std::get<batch_ready>(*event);
    std::string text = ready.returns_credit ? "credit" : "";
    auto& part = static_cast<batch<int>&>(*ready.records);
    for (std::uint32_t i = 0; i < part.size(); ++i)
      text += " " + std::to_string(part[i]) + ":" + std::to_string(part.times()[i].time_since_epoch().count()) + ":" +
              std::to_string(part.hashes()[i]);
    return text;
  };
  CHECK(take(2) == " 0:0:100 1:10:101");
  CHECK(take(1) == " 2:20:102");
  gate.push(0, marker::barrier(overtaking(first)));
  gate.take_overtaking(); // the rest becomes part of the checkpoint
  CHECK(take(1) == " 3:30:103");
  CHECK(take(1) == "credit 4:40:104");
  gate.push(1, marker::barrier(overtaking(first)));
  CHECK(recorded(gate, first) == "1 and 0"); // the two that were left, as one batch
}

TEST_CASE("a batch that others own, too, is taken as a whole") {
  input_gate gate(two_recorded, checkpoint_mode::exactly_once);
  auto* made = new batch<int>(3);
  const batch_ptr records(made);
  made->resize(3);
  gate.push(0, records);
  CHECK(std::get<batch_ready>(*gate.next(1)).returns_credit);
  CHECK(made->size() == 3);
}

namespace {

/// Channel 0 comes in, channel 1 is feedback.
std::vector<gate_channel> loop_channels() {
  return {{batch_codec_of<int>(), false}, {batch_codec_of<int>(), true}};
}

} // namespace

TEST_CASE("nobody waits for a barrier to go round; what comes back before it is recorded") {
  for (const checkpoint_mode mode :
       {checkpoint_mode::exactly_once, checkpoint_mode::at_least_once, checkpoint_mode::unaligned}) {
    CAPTURE(static_cast<int>(mode));
    input_gate gate(loop_channels(), mode);
    gate.push(1, some_batch()); // comes back, and waits
    gate.push(0, marker::barrier({first, {}, mode == checkpoint_mode::unaligned}));
    if (mode == checkpoint_mode::unaligned) {
      REQUIRE(gate.is_overtaking());
      gate.take_overtaking();
      CHECK(all_words(gate) == "b1");
      gate.push(1, some_batch());
      gate.push(1, marker::barrier({first}));
      CHECK(all_words(gate) == "b1");
      CHECK(recorded(gate, first) == "0 and 2");
      continue;
    }
    const std::string words = all_words(gate);
    CHECK((words == "b1 s1" || words == "s1 b1"));
    gate.push(1, some_batch());
    CHECK(recorded(gate, first) == "incomplete");
    gate.push(1, marker::barrier({first}));
    gate.push(1, some_batch());
    CHECK(all_words(gate) == "b1 b1");
    CHECK(recorded(gate, first) == (words == "s1 b1" ? "0 and 2" : "0 and 1"));
  }
}

TEST_CASE("when a loop is full, nothing new is let in") {
  input_gate gate(loop_channels(), checkpoint_mode::exactly_once, 7, 2);
  for (int i = 0; i < 3; ++i)
    gate.push(0, some_batch());
  for (int i = 0; i < 4; ++i)
    gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1 b1 b1 b0 b1 b0 b0");
}

TEST_CASE("the watermark of a loop is that of what comes in; the last one waits for the loop") {
  input_gate gate(loop_channels(), checkpoint_mode::exactly_once);
  gate.push(0, marker::watermark(at(7)));
  CHECK(all_words(gate) == "w7");
  gate.push(1, marker::watermark(at(3)));
  gate.push(0, marker::watermark(last_watermark));
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "entry ended");
  gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1");
  gate.let_last_watermark_pass();
  CHECK(all_words(gate) == "w*");
  gate.close_loop();
  CHECK(all_words(gate) == "end");
}

TEST_CASE("a probe comes back when it has on every channel of feedback, and tells whether anything else has") {
  std::vector<gate_channel> channels = loop_channels();
  channels.push_back(channels.back());
  input_gate gate(channels, checkpoint_mode::exactly_once, 7);
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "entry ended");
  const auto round = [&](std::uint32_t number, auto&& meanwhile) {
    gate.send_probe({7, number});
    CHECK(next_word(gate) == "probe due");
    gate.probe_sent({7, number});
    gate.push(1, marker::of_loop({7, number}));
    meanwhile();
    gate.push(2, marker::of_loop({7, number}));
    return all_words(gate);
  };
  CHECK(round(1, [] {}) == "quiet");
  CHECK(round(2, [&] { gate.push(2, some_batch()); }) == "b2 not quiet");
  gate.push(1, some_batch());
  CHECK(round(3, [] {}) == "b1 not quiet"); // it waited when the probe was sent
  CHECK(round(4, [] {}) == "quiet");
}

TEST_CASE("a probe that comes back from another task before the own one is sent counts; one of another loop does not") {
  std::vector<gate_channel> channels = loop_channels();
  channels.push_back(channels.back());
  input_gate gate(channels, checkpoint_mode::exactly_once, 7);
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "entry ended");
  gate.push(1, marker::of_loop({7, 1}));
  gate.push(1, marker::of_loop({3, 1}));
  gate.push(2, marker::of_loop({3, 1}));
  CHECK(all_words(gate) == "");
  gate.send_probe({7, 1});
  CHECK(next_word(gate) == "probe due");
  gate.probe_sent({7, 1});
  CHECK(all_words(gate) == "");
  gate.push(2, marker::of_loop({7, 1}));
  CHECK(all_words(gate) == "quiet");
}

TEST_CASE("a barrier that comes back before the one that comes in holds its channel, and nothing is recorded of it") {
  input_gate gate(loop_channels(), checkpoint_mode::exactly_once);
  gate.push(1, some_batch());
  gate.push(1, marker::barrier({first}));
  gate.push(1, some_batch()); // belongs to the next checkpoint
  gate.push(0, some_batch());
  CHECK(all_words(gate) == "b1 b0");
  gate.push(0, marker::barrier({first}));
  CHECK(all_words(gate) == "s1 b1");
  CHECK(recorded(gate, first) == "0 and 0");
}

TEST_CASE("a full loop lets in what comes before a barrier") {
  input_gate gate(loop_channels(), checkpoint_mode::exactly_once, 7, 1);
  for (int i = 0; i < 3; ++i) {
    gate.push(0, some_batch());
    gate.push(1, some_batch());
  }
  gate.push(0, marker::barrier({first}));
  gate.announce({first});
  CHECK(all_words(gate) == "b0 b1 b0 b1 b0 b1 s1");
  CHECK(recorded(gate, first) == "incomplete");
}

TEST_CASE("a checkpoint that overtakes is not left out for a later one") {
  input_gate gate(two_recorded, checkpoint_mode::unaligned);
  gate.push(0, marker::barrier(overtaking(first)));
  gate.push(0, marker::barrier(overtaking(second)));
  REQUIRE(gate.is_overtaking());
  CHECK(gate.take_overtaking().checkpoint == first);
  REQUIRE(gate.is_overtaking());
  CHECK(gate.take_overtaking().checkpoint == second);
  CHECK(!gate.is_overtaking());
}

TEST_CASE("what is recorded of a channel begins with the partitions that are open") {
  input_gate gate({{batch_codec_of<int>()}}, checkpoint_mode::unaligned);
  const auto said = [](partition_change::kind what, std::uint64_t number) {
    return marker::of_partition({what, number});
  };
  gate.push(0, said(partition_change::kind::opened, 3));
  gate.push(0, said(partition_change::kind::current, 4));
  gate.push(0, said(partition_change::kind::ended, 3));
  gate.push(0, said(partition_change::kind::opened, 5));
  CHECK(all_words(gate) == "p p p p");
  gate.push(0, some_batch());
  gate.push(0, marker::barrier(overtaking(first)));
  gate.take_overtaking();
  channel_recording& recording = *gate.recording_of(first);
  while (recording.has_unwritten())
    recording.write_some();
  const auto items = read_recorded(recording.take().at(0).data, *batch_codec_of<int>());
  REQUIRE(items.size() == 4);
  CHECK(std::get<marker>(items[0]).partition == partition_change{partition_change::kind::opened, 4});
  CHECK(std::get<marker>(items[1]).partition == partition_change{partition_change::kind::opened, 5});
  CHECK(std::get<marker>(items[2]).partition == partition_change{partition_change::kind::current, 4});
  CHECK(std::holds_alternative<batch_ptr>(items[3]));
}

TEST_CASE("a probe is passed on when it has come on every channel that has not ended") {
  input_gate gate(std::vector<gate_channel>(3), checkpoint_mode::exactly_once);
  gate.push(0, marker::of_loop({7, 1}));
  gate.push(1, marker::of_loop({7, 1}));
  CHECK(all_words(gate) == "");
  gate.push(2, some_batch());
  gate.push(2, marker::end()); // from outside of the loop
  CHECK(all_words(gate) == "b2 probe");
}
