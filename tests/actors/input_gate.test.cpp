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
  input_gate gate(2, checkpoint_mode::exactly_once);
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  gate.push(1, some_batch());
  CHECK(all_words(gate) == "b1");
  gate.push(1, marker::barrier({first}));
  CHECK(all_words(gate) == "s1 b0");
}

TEST_CASE("in at-least-once mode no channel is held back") {
  input_gate gate(2, checkpoint_mode::at_least_once);
  gate.push(0, marker::barrier({first}));
  gate.push(0, some_batch());
  CHECK(all_words(gate) == "b0");
  gate.push(0, marker::barrier({second}));
  gate.push(1, marker::barrier({first}));
  gate.push(1, marker::barrier({second}));
  CHECK(all_words(gate) == "s1 s2");
}

TEST_CASE("an ended channel counts as one whose barrier has come") {
  input_gate gate(2, checkpoint_mode::exactly_once);
  gate.push(0, marker::barrier({first}));
  CHECK(all_words(gate) == "");
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "s1");
  gate.push(0, marker::barrier({second}));
  CHECK(all_words(gate) == "s2");
}

TEST_CASE("with all channels ended a checkpoint completes as soon as it is announced") {
  input_gate gate(2, checkpoint_mode::exactly_once);
  gate.push(0, marker::end());
  gate.push(1, marker::end());
  CHECK(all_words(gate) == "w* end");
  gate.announce({first});
  CHECK(all_words(gate) == "s1");
  gate.announce({first});
  CHECK(all_words(gate) == "");
}

TEST_CASE("a checkpoint that was announced completes with the end of the last channel") {
  input_gate gate(1, checkpoint_mode::exactly_once);
  gate.announce({first});
  CHECK(all_words(gate) == "");
  gate.push(0, marker::end());
  CHECK(all_words(gate) == "s1 w* end");
}

TEST_CASE("a complete barrier says what its checkpoint may add to, whether barriers came or all channels had ended") {
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
    input_gate gate(channels, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate gate(2, checkpoint_mode::exactly_once);
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
  input_gate one(1, checkpoint_mode::exactly_once);
  one.push(0, said);
  CHECK(all_words(one) == "p");
  input_gate two(2, checkpoint_mode::exactly_once);
  two.push(0, said);
  CHECK(all_words(two) == "");
}
