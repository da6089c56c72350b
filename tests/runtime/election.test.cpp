#include <doctest/doctest.h>

#include <chrono>

#include <weir/runtime/cluster/election.hpp>

using namespace weir;
using namespace std::chrono_literals;

namespace {

using phase = election::phase;
using request = election::request;

constexpr arbiter_lease own_lease = 7;
constexpr arbiter_lease other_lease = 8;

/// The rule, with a clock that is set.
struct election_at {
  election rule{{.lease = 3s, .look = 250ms}};
  time_point now{std::chrono::hours{1}};

  request next() { return rule.next(now); }
  void see(std::optional<elected_leader> leader, arbiter_revision revision = 10,
           std::optional<arbiter_revision> ended = {}) {
    REQUIRE(next() == request::look);
    rule.looked(now, {revision, std::move(leader), ended});
  }
  /// Nobody leads, and this one is granted a lease of 3 s.
  void get_lease() {
    see({});
    REQUIRE(next() == request::grant);
    rule.granted(now, {own_lease, 3s});
    REQUIRE(next() == request::claim);
  }
  void lead() {
    get_lease();
    rule.claimed(now, {"self", "", own_lease, 11});
    REQUIRE(rule.now_in() == phase::leading);
  }
};

const elected_leader other{"other", "10.0.0.2:7000", other_lease, 9};

} // namespace

TEST_CASE("a coordinator that finds no leader gets a lease, claims and leads") {
  election_at e;
  CHECK(e.rule.now_in() == phase::looking);
  e.lead();
  CHECK(e.rule.leader()->token == 11);
  CHECK(e.rule.leads_until() == e.now + 3s);
  CHECK_FALSE(e.rule.takes_over());
  CHECK(e.next() == request::none);
}

TEST_CASE("a coordinator that finds a leader stands by, and looks again and again until there is none") {
  election_at e;
  e.see(other);
  CHECK(e.rule.now_in() == phase::standing_by);
  CHECK(e.next() == request::none);
  e.now += 249ms;
  CHECK(e.next() == request::none);
  e.now += 1ms;
  e.see(other);
  e.now += 250ms;
  CHECK(e.rule.wakeup() == e.now);
  e.lead();
  CHECK(e.rule.takes_over());
}

TEST_CASE("of two that claim, the one that was too late gives its lease back and stands by") {
  election_at e;
  e.get_lease();
  e.rule.claimed(e.now, other);
  CHECK(e.rule.now_in() == phase::looking);
  CHECK(e.next() == request::revoke);
  CHECK(e.rule.lease() == own_lease);
  e.rule.revoked(e.now);
  e.see(other);
  CHECK(e.rule.now_in() == phase::standing_by);
  CHECK(e.rule.lease() == 0);
}

TEST_CASE("a leader renews its lease three times in its length, and leads by the moment it asked") {
  election_at e;
  e.lead();
  e.now += 999ms;
  CHECK(e.next() == request::none);
  e.now += 1ms;
  REQUIRE(e.next() == request::renew);
  const time_point asked = e.now;
  e.now += 400ms; // for which the answer was under way
  e.rule.renewed(e.now, asked, 3s);
  CHECK(e.rule.leads_until() == asked + 3s);
  CHECK(e.rule.wakeup() == asked + 1s);
}

TEST_CASE("a leader whose renewals are not answered leads until the lease may have expired, and not longer") {
  election_at e;
  e.lead();
  const time_point end = e.rule.leads_until();
  e.now += 1s;
  int renewals = 0;
  while (e.next() == request::renew) {
    ++renewals;
    e.rule.unanswered(e.now);
    CHECK(e.rule.wakeup() <= end);
    e.now = e.rule.wakeup();
  }
  CHECK(renewals == 8); // every quarter of a second
  CHECK(e.now == end);
  CHECK(e.rule.now_in() == phase::looking);
  // Its key may still be there, and nobody leads as long as it is.
  CHECK(e.next() == request::revoke);
  e.rule.unanswered(e.now);
  CHECK(e.next() == request::none);
  e.now += 250ms;
  CHECK(e.next() == request::revoke);
  e.rule.revoked(e.now);
  e.see(other, 20);
  CHECK(e.rule.now_in() == phase::standing_by);
}

TEST_CASE("a leader that stood still for longer than its lease does not lead when it goes on") {
  election_at e;
  e.lead();
  e.now += 1h;
  CHECK(e.next() == request::revoke);
  CHECK(e.rule.now_in() == phase::looking);
  e.rule.revoked(e.now);
  e.see({}, 30);
  CHECK(e.rule.takes_over());
}

TEST_CASE("a leader whose lease is gone does not lead any more") {
  election_at e;
  e.lead();
  e.now += 1s;
  SUBCASE("as the arbiter answers") {
    REQUIRE(e.next() == request::renew);
    e.rule.renewed(e.now, e.now, 0s);
  }
  SUBCASE("as somebody else has found") { e.rule.deposed(e.now); }
  CHECK(e.rule.now_in() == phase::looking);
  CHECK_FALSE(e.rule.leader());
  CHECK(e.next() == request::revoke);
}

TEST_CASE("a leader that resigns leaves time for others to claim") {
  election_at e;
  e.lead();
  e.rule.resigned(e.now, 1s);
  CHECK(e.next() == request::revoke);
  e.rule.revoked(e.now);
  for (int i = 0; i < 4; ++i) {
    e.see({});
    CHECK(e.rule.now_in() == phase::looking);
    e.now += 250ms;
  }
  SUBCASE("and leads again if nobody does") {
    e.lead();
    CHECK(e.rule.takes_over());
  }
  SUBCASE("and stands by if another one does") {
    e.see(other);
    CHECK(e.rule.now_in() == phase::standing_by);
  }
}

TEST_CASE("a claim that is not answered is made again, as long as the lease may hold") {
  election_at e;
  e.get_lease();
  e.rule.unanswered(e.now);
  CHECK(e.next() == request::none);
  e.now += 250ms;
  REQUIRE(e.next() == request::claim);
  SUBCASE("and was heard the first time") {
    e.rule.claimed(e.now, {"self", "", own_lease, 11});
    CHECK(e.rule.now_in() == phase::leading);
    CHECK(e.rule.leads_until() == e.now - 250ms + 3s);
  }
  SUBCASE("and the lease is gone") {
    e.now += 3s;
    CHECK(e.next() == request::revoke);
    CHECK(e.rule.now_in() == phase::looking);
  }
}

TEST_CASE("whoever stands by ends when the job does, and one that is started afterwards does not") {
  SUBCASE("by an end that was there when it began to look") {
    election_at e;
    e.see(other, 10, 10);
    CHECK(e.rule.now_in() == phase::standing_by);
    e.now += 250ms;
    e.see({}, 12, 10);
    CHECK(e.rule.now_in() == phase::claiming);
  }
  SUBCASE("by one that came since") {
    election_at e;
    e.see(other, 10, 4);
    e.now += 250ms;
    e.see({}, 12, 12);
    CHECK(e.rule.now_in() == phase::ended);
    e.now += 1h;
    CHECK(e.next() == request::none);
  }
  SUBCASE("by one that came while it had lost its lead") {
    election_at e;
    e.lead();
    e.now += 1h;
    REQUIRE(e.next() == request::revoke);
    e.rule.revoked(e.now);
    e.see({}, 40, 39);
    CHECK(e.rule.now_in() == phase::ended);
  }
}
