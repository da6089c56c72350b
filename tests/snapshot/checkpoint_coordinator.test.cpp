#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include <weir/snapshot/checkpoint_coordinator.hpp>

using namespace weir;
using namespace std::chrono_literals;

namespace {

checkpoint_config every_second() {
  checkpoint_config config;
  config.interval = 1s;
  config.timeout = 5s;
  config.tolerated_failures = 1;
  config.incremental = false;
  return config;
}

checkpoint_config incremental(std::uint32_t retained = 2, std::uint32_t concurrent = 1) {
  checkpoint_config config = every_second();
  config.incremental = true;
  config.retained = retained;
  config.maximum_concurrent = concurrent;
  return config;
}

time_point at(duration since_start) {
  return time_point{} + 1h + since_start;
}

std::string number(char sign, checkpoint_id id) {
  return id == checkpoint_id{} ? "" : sign + to_string(id);
}

/// What was decided, one word each: "t1" trigger ("T1" of one that overtakes), "o1" overtake, "d1" durable storing, "c1" complete, "a1" abort,
/// "FAIL". A trigger with a base is "t2+1"; storing that keeps what is from 1 on is "d2>1".
std::string words(checkpoint_coordinator& coordinator) {
  std::string text;
  for (const checkpoint_decision& decision : coordinator.take_decisions()) {
    if (!text.empty())
      text += ' ';
    if (const auto* trigger = std::get_if<trigger_decision>(&decision))
      text += (trigger->order.overtakes ? "T" : "t") + to_string(trigger->order.checkpoint) + number('+', trigger->order.base);
    else if (const auto* store = std::get_if<store_decision>(&decision))
      text += "d" + to_string(store->checkpoint) + number('>', store->keep_from);
    else if (const auto* complete = std::get_if<complete_decision>(&decision))
      text += "c" + to_string(complete->checkpoint);
    else if (const auto* overtake = std::get_if<overtake_decision>(&decision))
      text += "o" + to_string(overtake->checkpoint);
    else if (const auto* abort = std::get_if<abort_decision>(&decision))
      text += "a" + to_string(abort->checkpoint);
    else
      text += "FAIL";
  }
  return text;
}

constexpr task_id a{0};
constexpr task_id b{1};

} // namespace

TEST_CASE("a checkpoint is triggered every interval, stored when all have acknowledged, then complete") {
  checkpoint_coordinator coordinator(every_second(), 2, checkpoint_id{7});
  coordinator.start(at(0s));
  CHECK(coordinator.next_wakeup() == at(1s));
  coordinator.wake(at(999ms));
  CHECK(words(coordinator) == "");
  coordinator.wake(at(1s));
  CHECK(words(coordinator) == "t8");
  coordinator.acknowledged(at(1100ms), checkpoint_id{8}, a);
  coordinator.acknowledged(at(1100ms), checkpoint_id{8}, a);
  CHECK(words(coordinator) == "");
  coordinator.acknowledged(at(1200ms), checkpoint_id{8}, b);
  CHECK(words(coordinator) == "d8");
  coordinator.stored(at(1300ms), checkpoint_id{8});
  CHECK(words(coordinator) == "c8");
  CHECK(coordinator.next_wakeup() == at(2s));
}

TEST_CASE("no second checkpoint begins while as many as allowed are pending") {
  checkpoint_coordinator coordinator(every_second(), 1, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  CHECK(words(coordinator) == "t1");
  coordinator.wake(at(3s));
  CHECK(words(coordinator) == "");
  coordinator.acknowledged(at(3s), checkpoint_id{1}, a);
  coordinator.stored(at(3s), checkpoint_id{1});
  CHECK(words(coordinator) == "d1 c1 t2");
}

TEST_CASE("two checkpoints overlap where two are allowed, and the newer one takes the older with it") {
  checkpoint_config config = every_second();
  config.maximum_concurrent = 2;
  checkpoint_coordinator coordinator(config, 2, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.wake(at(2s));
  coordinator.wake(at(3s));
  CHECK(words(coordinator) == "t1 t2");
  coordinator.acknowledged(at(3s), checkpoint_id{2}, a);
  coordinator.acknowledged(at(3s), checkpoint_id{2}, b);
  coordinator.stored(at(3s), checkpoint_id{2});
  CHECK(words(coordinator) == "d2 a1 c2 t3");
  coordinator.acknowledged(at(3s), checkpoint_id{1}, a);
  CHECK(words(coordinator) == "");
}

TEST_CASE("between the end of a checkpoint and the next one lies the minimum pause") {
  checkpoint_config config = every_second();
  config.minimum_pause = 2s;
  checkpoint_coordinator coordinator(config, 1, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.acknowledged(at(1500ms), checkpoint_id{1}, a);
  coordinator.stored(at(1500ms), checkpoint_id{1});
  CHECK(words(coordinator) == "t1 d1 c1");
  CHECK(coordinator.next_wakeup() == at(3500ms));
}

TEST_CASE("a checkpoint that takes longer than the timeout is aborted, and late answers are ignored") {
  checkpoint_coordinator coordinator(every_second(), 2, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.acknowledged(at(2s), checkpoint_id{1}, a);
  CHECK(coordinator.next_wakeup() == at(6s));
  coordinator.wake(at(6s));
  CHECK(words(coordinator) == "t1 a1 t2");
  coordinator.acknowledged(at(6s), checkpoint_id{1}, b);
  CHECK(words(coordinator) == "");
}

TEST_CASE("more failures in a row than are tolerated fail the job, and a success starts the count over") {
  checkpoint_coordinator coordinator(every_second(), 1, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.acknowledged(at(1s), checkpoint_id{1}, a);
  coordinator.store_failed(at(1s), checkpoint_id{1}, {errc::capacity, "disk full"});
  CHECK(words(coordinator) == "t1 d1 a1");
  coordinator.wake(at(2s));
  coordinator.acknowledged(at(2s), checkpoint_id{2}, a);
  coordinator.stored(at(2s), checkpoint_id{2});
  CHECK(words(coordinator) == "t2 d2 c2");
  coordinator.wake(at(3s));
  coordinator.wake(at(8s));
  CHECK(words(coordinator) == "t3 a3 t4");
  coordinator.wake(at(13s));
  CHECK(words(coordinator) == "a4 FAIL t5");
}

TEST_CASE("the last checkpoint begins at once, nothing follows it, and its failure fails the job") {
  checkpoint_coordinator coordinator(every_second(), 1, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.request_last(at(1100ms), false);
  coordinator.request_last(at(1100ms), false);
  CHECK(words(coordinator) == "t1 t2");
  coordinator.acknowledged(at(2s), checkpoint_id{2}, a);
  coordinator.stored(at(2s), checkpoint_id{2});
  CHECK(words(coordinator) == "d2 a1 c2");
  coordinator.wake(at(10s));
  CHECK(words(coordinator) == "");
  CHECK(!coordinator.next_wakeup());

  checkpoint_coordinator other(every_second(), 1, {});
  other.start(at(0s));
  other.request_last(at(1s), true);
  other.wake(at(6s));
  CHECK(words(other) == "t1 a1 FAIL");
}

TEST_CASE("with an interval of zero only the last checkpoint is taken") {
  checkpoint_config config = every_second();
  config.interval = 0s;
  checkpoint_coordinator coordinator(config, 1, {});
  coordinator.start(at(0s));
  CHECK(!coordinator.next_wakeup());
  coordinator.request_last(at(1s), false);
  CHECK(words(coordinator) == "t1");
}

TEST_CASE("a checkpoint adds to the last one that was complete when it began, first to the one restored") {
  checkpoint_coordinator coordinator(incremental(1), 1, checkpoint_id{9}, checkpoint_id{4});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.acknowledged(at(1s), checkpoint_id{10}, a);
  coordinator.stored(at(1s), checkpoint_id{10});
  coordinator.wake(at(2s));
  coordinator.acknowledged(at(2s), checkpoint_id{11}, a);
  coordinator.stored(at(2s), checkpoint_id{11});
  coordinator.request_last(at(2500ms), true);
  CHECK(words(coordinator) == "t10+4 d10 c10 t11+10 d11 c11 t12+11");
}

TEST_CASE("without a restored checkpoint the first one is whole; without the setting all are") {
  checkpoint_coordinator coordinator(incremental(1), 1, {});
  checkpoint_coordinator whole(every_second(), 1, checkpoint_id{1}, checkpoint_id{1});
  for (checkpoint_coordinator* one : {&coordinator, &whole}) {
    one->start(at(0s));
    one->wake(at(1s));
  }
  CHECK(words(coordinator) == "t1");
  whole.acknowledged(at(1s), checkpoint_id{2}, a);
  whole.stored(at(1s), checkpoint_id{2});
  whole.wake(at(2s));
  CHECK(words(whole) == "t2 d2 c2 t3");
}

TEST_CASE("a checkpoint that fails leaves the base as it is") {
  checkpoint_config config = incremental(1);
  config.tolerated_failures = 9;
  checkpoint_coordinator coordinator(config, 1, checkpoint_id{1}, checkpoint_id{1});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.wake(at(6s)); // timed out
  CHECK(words(coordinator) == "t2+1 a2 t3+1");
  coordinator.acknowledged(at(6s), checkpoint_id{3}, a);
  coordinator.store_failed(at(6s), checkpoint_id{3}, {errc::capacity, "disk full"});
  coordinator.wake(at(7s));
  CHECK(words(coordinator) == "d3 a3 t4+1");
  coordinator.acknowledged(at(7s), checkpoint_id{4}, a);
  coordinator.stored(at(7s), checkpoint_id{4});
  coordinator.wake(at(8s));
  CHECK(words(coordinator) == "d4 c4 t5+4");
}

TEST_CASE("after a base that the store cannot add to, the next checkpoint is whole") {
  checkpoint_coordinator coordinator(incremental(1), 1, checkpoint_id{1}, checkpoint_id{1});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.acknowledged(at(1s), checkpoint_id{2}, a);
  coordinator.store_failed(at(1s), checkpoint_id{2}, {errc::corrupt, "checkpoint 1 is damaged"});
  const auto decisions = coordinator.take_decisions();
  REQUIRE(decisions.size() == 3);
  const std::string reason = std::get<abort_decision>(decisions[2]).reason;
  CHECK(reason == "checkpoint 1 is damaged; the next checkpoint will not add to checkpoint 1, but hold everything");
  coordinator.wake(at(2s));
  CHECK(words(coordinator) == "t3");
}

TEST_CASE("with several under way, what the others add to is kept") {
  checkpoint_coordinator coordinator(incremental(1, 3), 1, checkpoint_id{1}, checkpoint_id{1});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  coordinator.wake(at(2s));
  CHECK(words(coordinator) == "t2+1 t3+1");
  coordinator.acknowledged(at(2s), checkpoint_id{2}, a);
  coordinator.wake(at(3s)); // while 2 is being stored
  CHECK(words(coordinator) == "d2>1 t4+1");
  coordinator.stored(at(3s), checkpoint_id{2});
  coordinator.wake(at(4s));
  coordinator.acknowledged(at(4s), checkpoint_id{4}, a);
  CHECK(words(coordinator) == "c2 t5+2 d4>1");
  coordinator.stored(at(4s), checkpoint_id{4});
  coordinator.acknowledged(at(4s), checkpoint_id{5}, a);
  CHECK(words(coordinator) == "a3 c4 d5>4");
}

TEST_CASE("the last checkpoint adds to the base only if what is being stored leaves it") {
  for (const std::uint32_t retained : {1u, 2u}) {
    checkpoint_coordinator coordinator(incremental(retained), 1, checkpoint_id{1}, checkpoint_id{1});
    coordinator.start(at(0s));
    coordinator.wake(at(1s));
    coordinator.acknowledged(at(1s), checkpoint_id{2}, a);
    coordinator.request_last(at(1s), false);
    CHECK(words(coordinator) == (retained == 1 ? "t2+1 d2 t3" : "t2+1 d2>1 t3+1"));
  }
}

TEST_CASE("the barriers of unaligned checkpoints overtake from the start") {
  checkpoint_config config = every_second();
  config.mode = checkpoint_mode::unaligned;
  config.alignment_timeout = 100ms;
  checkpoint_coordinator coordinator(config, 2, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  CHECK(words(coordinator) == "T1");
  CHECK(coordinator.next_wakeup() == at(6s));
}

TEST_CASE("with an alignment timeout the barriers of a checkpoint overtake once it is over") {
  checkpoint_config config = every_second();
  config.alignment_timeout = 100ms;
  checkpoint_coordinator coordinator(config, 2, {});
  coordinator.start(at(0s));
  coordinator.wake(at(1s));
  CHECK(words(coordinator) == "t1");
  CHECK(coordinator.next_wakeup() == at(1100ms));
  coordinator.wake(at(1099ms));
  CHECK(words(coordinator) == "");
  coordinator.wake(at(1100ms));
  CHECK(words(coordinator) == "o1");
  CHECK(coordinator.next_wakeup() == at(6s));
  coordinator.wake(at(2s));
  CHECK(words(coordinator) == "");
  coordinator.acknowledged(at(2s), checkpoint_id{1}, a);
  coordinator.acknowledged(at(2s), checkpoint_id{1}, b);
  CHECK(words(coordinator) == "d1");
  coordinator.stored(at(2s), checkpoint_id{1});
  CHECK(words(coordinator) == "c1 t2");
}
