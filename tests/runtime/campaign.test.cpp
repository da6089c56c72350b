#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include <snapshot/store_samples.hpp>
#include <support/memory_arbiter.hpp>
#include <weir/runtime/cluster/campaign.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using fault = memory_arbiter::fault;

const job_keys keys("sample");

struct contender {
  contender(const std::shared_ptr<arbiter_memory>& memory, const std::string& name, duration lease = 1s)
      : way(std::make_shared<memory_arbiter>(memory)), campaign{{way, "sample", name, {.lease = lease, .look = 20ms}}} {}

  /// Whether it leads within a time that is long.
  std::shared_ptr<leadership> await() {
    auto led = std::async(std::launch::async, [this] { return campaign.await(); });
    if (led.wait_for(20s) != std::future_status::ready) {
      campaign.stop();
      FAIL("it does not lead");
    }
    return led.get();
  }

  std::shared_ptr<memory_arbiter> way;
  weir::campaign campaign;
};

template <class Condition>
bool comes_true(Condition holds) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

} // namespace

TEST_CASE("of two coordinators one leads, and the other one does when that is cut off") {
  const auto memory = std::make_shared<arbiter_memory>();
  contender a(memory, "a", 2s);
  const auto first = a.await();
  REQUIRE(first);
  CHECK_FALSE(a.campaign.takes_over());
  expect(first->announce("10.0.0.1:7000"));
  CHECK(decode_leader(memory->at(keys.leader)).address == "10.0.0.1:7000");
  contender b(memory, "b", 2s);
  std::this_thread::sleep_for(2500ms); // for longer than a lease
  CHECK_FALSE(first->is_over());
  CHECK(decode_leader(memory->at(keys.leader)).name == "a");

  std::atomic<bool> is_told = false;
  first->on_end([&] { is_told = true; });
  a.way->disturb(fault::cut_off);
  const auto second = b.await();
  REQUIRE(second);
  CHECK(first->is_over()); // by its own clock, before the other one can lead
  CHECK(b.campaign.takes_over());
  CHECK(second->token() > first->token());
  CHECK(comes_true([&] { return is_told.load(); }));
  CHECK(first->announce("10.0.0.1:7000").failure().code == errc::in_use);
  CHECK(first->write_record({}).failure().code == errc::in_use);

  // It comes back, and leads again when the other one leaves.
  a.way->heal();
  b.campaign.stop();
  const auto third = a.await();
  REQUIRE(third);
  CHECK(second->is_over());
  CHECK(a.campaign.takes_over());
  CHECK(third->token() > second->token());
}

TEST_CASE("a leader that is cut off for less than its lease stays the leader") {
  const auto memory = std::make_shared<arbiter_memory>();
  contender a(memory, "a", 3s);
  contender b(memory, "b", 3s);
  const auto first = (comes_true([&] { return memory->at(keys.leader).exists(); }), memory->at(keys.leader));
  contender& leader = decode_leader(first).name == "a" ? a : b;
  const auto leads = leader.await();
  REQUIRE(leads);
  for (int i = 0; i < 3; ++i) {
    leader.way->disturb(fault::cut_off);
    std::this_thread::sleep_for(1s);
    leader.way->heal();
    std::this_thread::sleep_for(600ms);
  }
  CHECK_FALSE(leads->is_over());
  CHECK(memory->at(keys.leader).created == first.created);
}

TEST_CASE("a leader that is told so stops to lead, and may lead again") {
  const auto memory = std::make_shared<arbiter_memory>();
  contender a(memory, "a");
  const auto first = a.await();
  REQUIRE(first);
  std::atomic<int> told = 0;
  first->on_end([&] { ++told; });
  SUBCASE("by the one who writes for it") { first->end("a write was refused"); }
  SUBCASE("by the key that somebody has removed") { expect(memory->carry_out({{}, {{keys.leader, {}, 0, true}}, {}})); }
  CHECK(comes_true([&] { return told == 1; }));
  const auto second = a.await();
  REQUIRE(second);
  CHECK(second->token() > first->token());
  CHECK(told == 1);
}

TEST_CASE("whoever stands by hears how the job has ended, and workers hear where the leader is") {
  const auto memory = std::make_shared<arbiter_memory>();
  leader_lookup lookup{std::make_shared<memory_arbiter>(memory), "sample", {}};
  const auto soon = [] { return std::chrono::steady_clock::now() + 1s; };
  CHECK(expect(lookup.look(soon())).address.empty());
  contender a(memory, "a");
  const auto leads = a.await();
  REQUIRE(leads);
  CHECK(expect(lookup.look(soon())).address.empty());
  expect(leads->announce("here:1"));
  CHECK(expect(lookup.look(soon())).address == "here:1");
  contender b(memory, "b");
  CHECK(comes_true([&] { return decode_leader(memory->at(keys.leader)).name == "a"; }));
  std::this_thread::sleep_for(100ms); // in which it has looked
  expect(leads->note_end({"finished", ""}));
  CHECK_FALSE(b.await());
  REQUIRE(b.campaign.end());
  CHECK(b.campaign.end()->outcome == "finished");
  CHECK(leads->is_over());
  CHECK(expect(lookup.look(soon())).has_ended);
  a.campaign.stop();

  // One that is started afterwards leads, and a new worker sees no end.
  contender c(memory, "c");
  CHECK(c.await());
  leader_lookup late{std::make_shared<memory_arbiter>(memory), "sample", {}};
  CHECK_FALSE(expect(late.look(soon())).has_ended);
}

TEST_CASE("an answer to a claim that was lost is found out about") {
  const auto memory = std::make_shared<arbiter_memory>();
  const auto way = std::make_shared<memory_arbiter>(memory);
  way->disturb(fault::unanswered, 3); // the look, or the grant, or the claim
  campaign one({way, "sample", "one", {.lease = 1s, .look = 20ms}});
  CHECK(one.await());
}

TEST_CASE("a campaign that is told to stop stops while nobody answers") {
  const auto memory = std::make_shared<arbiter_memory>();
  const auto way = std::make_shared<memory_arbiter>(memory);
  way->disturb(fault::cut_off);
  campaign one({way, "sample", "one", {.lease = 1s, .look = 20ms}});
  std::thread stops([&] { one.stop(); });
  CHECK_FALSE(one.await());
  CHECK_FALSE(one.end());
  stops.join();
}
