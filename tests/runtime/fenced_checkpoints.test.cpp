#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <snapshot/store_samples.hpp>
#include <support/memory_arbiter.hpp>
#include <support/temporary_directory.hpp>
#include <weir/runtime/cluster/fenced_checkpoint_store.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using ids = std::vector<std::uint64_t>;
using fault = memory_arbiter::fault;

const job_keys keys("sample");

/// A coordinator with a way to the arbiter that is its own.
struct coordinator {
  std::shared_ptr<memory_arbiter> way;
  std::shared_ptr<leadership> leads;
  std::unique_ptr<fenced_checkpoint_store> store;

  result<completed_checkpoint> complete(std::uint64_t id, epoch attempt) {
    completed_checkpoint checkpoint = sample_checkpoint(id);
    checkpoint.attempt = attempt;
    return store->store(checkpoint, sample_snapshots(id), {});
  }
};

/// Makes a new leader, whether or not there is one that believes to be it.
std::shared_ptr<leadership> elect(const std::shared_ptr<arbiter_memory>& memory, std::shared_ptr<arbiter> way,
                                  duration length = 1h) {
  expect(memory->carry_out({{}, {{keys.leader, {}, 0, true}}, {}}));
  elected_leader self{"coordinator", "", 0, 0};
  self.token = expect(memory->carry_out({{}, {{keys.leader, encode(self)}}, {keys.leader}})).at(keys.leader).created;
  return std::make_shared<leadership>(std::move(way), keys, self, std::chrono::steady_clock::now() + length);
}

/// A way to the arbiter on which something happens whenever an answer is lost.
struct overtaken_arbiter final : arbiter {
  overtaken_arbiter(std::shared_ptr<arbiter> inner, std::function<void()> loss)
      : way(std::move(inner)), on_loss(std::move(loss)) {}

  result<granted_lease> grant(duration length, time_point deadline) override { return way->grant(length, deadline); }
  result<duration> renew(arbiter_lease lease, time_point deadline) override { return way->renew(lease, deadline); }
  status revoke(arbiter_lease lease, time_point deadline) override { return way->revoke(lease, deadline); }
  result<arbiter_answer> carry_out(const arbiter_transaction& what, time_point deadline) override {
    auto answer = way->carry_out(what, deadline);
    if (!answer)
      on_loss();
    return answer;
  }

  std::shared_ptr<arbiter> way;
  std::function<void()> on_loss;
};

coordinator start_leader(const std::shared_ptr<arbiter_memory>& memory, const std::filesystem::path& directory,
                         std::uint32_t retained = 2, duration length = 1h, std::function<void()> on_loss = [] {}) {
  coordinator made;
  made.way = std::make_shared<memory_arbiter>(memory);
  made.leads = elect(memory, std::make_shared<overtaken_arbiter>(made.way, std::move(on_loss)), length);
  expect(made.leads->read_record());
  made.store = expect(fenced_checkpoint_store::open(open_sample(sample_config(directory, retained)), directory, made.leads));
  return made;
}

job_record record_in(arbiter_memory& memory) {
  return expect(decode_record(keys.record, memory.at(keys.record).value));
}

} // namespace

TEST_CASE("a checkpoint is complete when the record names it, and the next leader goes on from it") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  {
    coordinator a = start_leader(memory, directory.path());
    CHECK(expect(a.store->begin_attempt()) == epoch{1});
    for (std::uint64_t id = 1; id <= 3; ++id)
      expect(a.complete(id, epoch{1}));
    CHECK(record_in(*memory).newest == checkpoint_identity{checkpoint_id{3}, epoch{1}});
    CHECK(ids_of(*a.store) == ids{2, 3});
  }
  coordinator b = start_leader(memory, directory.path());
  CHECK(ids_of(*b.store) == ids{2, 3});
  CHECK(expect(b.store->begin_attempt()) == epoch{2});
  expect(b.complete(4, epoch{2}));
  CHECK(ids_of(*b.store) == ids{3, 4});
  CHECK(expect(b.store->load(checkpoint_id{3})).checkpoint.attempt == epoch{1});
  CHECK(has(b.store->load(checkpoint_id{2}).failure(), "it holds 3, 4"));
}

TEST_CASE("of two that believe to lead, one completes checkpoints, and what the other has stored is removed") {
  const temporary_directory of_a, of_b;
  const auto memory = std::make_shared<arbiter_memory>();
  coordinator a = start_leader(memory, of_a.path());
  CHECK(expect(a.store->begin_attempt()) == epoch{1});
  coordinator b = start_leader(memory, of_b.path());
  CHECK(expect(b.store->begin_attempt()) == epoch{2});

  const auto refused = a.complete(1, epoch{1});
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::in_use);
  CHECK(has(refused.failure(), "does not lead any more"));
  CHECK(a.leads->is_over());
  CHECK(ids_of(*a.store).empty());
  expect(b.complete(1, epoch{2}));
  CHECK(ids_of(*b.store) == ids{1});
  CHECK(record_in(*memory).newest == checkpoint_identity{checkpoint_id{1}, epoch{2}});
  CHECK(a.store->begin_attempt().failure().code == errc::in_use);
  CHECK(a.store->clear().failure().code == errc::in_use);
  CHECK(a.complete(2, epoch{1}).failure().code == errc::in_use);
  CHECK(record_in(*memory).newest == checkpoint_identity{checkpoint_id{1}, epoch{2}});
}

TEST_CASE("a leader that was replaced completes nothing, also before its successor has written anything") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  coordinator a = start_leader(memory, directory.path());
  expect(a.store->begin_attempt());
  const auto before = memory->at(keys.record).changed;
  bool is_told = false;
  a.leads->on_end([&] { is_told = true; });
  SUBCASE("by another one") { elect(memory, a.way); }
  SUBCASE("by nobody: its key is gone") { expect(memory->carry_out({{}, {{keys.leader, {}, 0, true}}, {}})); }
  CHECK(a.complete(1, epoch{1}).failure().code == errc::in_use);
  CHECK(is_told);
  CHECK(memory->at(keys.record).changed == before);
  CHECK(ids_of(*a.store).empty());
}

TEST_CASE("attempts grow across coordinators with directories of their own") {
  const temporary_directory of_a, of_b;
  const auto memory = std::make_shared<arbiter_memory>();
  for (std::uint64_t round = 0; round < 3; ++round) {
    CHECK(expect(start_leader(memory, of_a.path()).store->begin_attempt()) == epoch{2 * round + 1});
    CHECK(expect(start_leader(memory, of_b.path()).store->begin_attempt()) == epoch{2 * round + 2});
  }
  coordinator a = start_leader(memory, of_a.path());
  CHECK(expect(a.store->continue_after({})) == epoch{6});
  CHECK(expect(a.store->continue_after(epoch{20})) == epoch{20});
  CHECK(expect(start_leader(memory, of_b.path()).store->begin_attempt()) == epoch{21});
}

TEST_CASE("a write without an answer is asked about until it is known what has come of it") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  coordinator a = start_leader(memory, directory.path());
  expect(a.store->begin_attempt());
  for (const fault how : {fault::unanswered, fault::cut_off}) {
    const std::uint64_t id = how == fault::unanswered ? 1 : 2;
    a.way->disturb(how, 3);
    const auto stored = a.complete(id, epoch{1});
    CHECK(stored);
    CHECK(record_in(*memory).newest.id == checkpoint_id{id});
  }
  a.way->disturb(fault::unanswered, 1);
  CHECK(expect(a.store->begin_attempt()) == epoch{2});
  CHECK(record_in(*memory).attempts == epoch{2});
}

TEST_CASE("a checkpoint whose outcome nobody learns before the lease ends is not reported, and not removed") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  bool is_written = false;
  SUBCASE("it was written") { is_written = true; }
  SUBCASE("it was not") {}
  {
    coordinator a = start_leader(memory, directory.path(), 1, 500ms);
    expect(a.store->begin_attempt());
    expect(a.complete(1, epoch{1}));
    a.way->disturb(is_written ? fault::unanswered : fault::cut_off);
    const auto stored = a.complete(2, epoch{1});
    REQUIRE_FALSE(stored);
    CHECK(stored.failure().code == errc::io);
    CHECK(has(stored.failure(), "has not answered whether"));
    CHECK(a.leads->is_over());
  }
  // The next leader sees which it was; the one before is there, although only one is to be kept.
  coordinator b = start_leader(memory, directory.path(), 1);
  CHECK(ids_of(*b.store) == (is_written ? ids{1, 2} : ids{1}));
  CHECK_FALSE(expect(b.store->wanted()));
  expect(b.store->begin_attempt());
  expect(b.complete(is_written ? 3 : 2, epoch{2}));
}

TEST_CASE("a checkpoint that was written, and whose answer comes only when another one leads, is complete") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  coordinator a = start_leader(memory, directory.path(), 2, 1h, [&] {
    const auto other = elect(memory, std::make_shared<memory_arbiter>(memory));
    expect(other->read_record());
    job_record next = *other->record();
    next.attempts = next.attempts.next();
    expect(other->write_record(next));
  });
  expect(a.store->begin_attempt());
  a.way->disturb(fault::unanswered, 1);
  CHECK(a.complete(1, epoch{1}));
  CHECK(a.leads->is_over());
  CHECK(record_in(*memory).newest == checkpoint_identity{checkpoint_id{1}, epoch{1}});
  CHECK(record_in(*memory).attempts == epoch{2});
  CHECK(ids_of(*a.store) == ids{1});
}

TEST_CASE("what a coordinator stored in vain is not shown, and its number is used again") {
  const temporary_directory of_a, of_b;
  const auto memory = std::make_shared<arbiter_memory>();
  {
    coordinator a = start_leader(memory, of_a.path());
    expect(a.store->begin_attempt());
    expect(a.complete(1, epoch{1}));
  }
  {
    // Stored, and then killed before the record was swapped.
    const auto inner = open_sample(sample_config(of_a.path()));
    completed_checkpoint checkpoint = sample_checkpoint(2);
    checkpoint.attempt = epoch{1};
    expect(inner->store(checkpoint, sample_snapshots(2)));
  }
  coordinator a = start_leader(memory, of_a.path());
  CHECK(ids_of(*a.store) == ids{1});
  CHECK(expect(a.store->begin_attempt()) == epoch{2});
  expect(a.complete(2, epoch{2}));
  CHECK(expect(a.store->load(checkpoint_id{2})).checkpoint.attempt == epoch{2});
}

TEST_CASE("a directory without the last complete checkpoint is no place to start from, until it is brought there") {
  const temporary_directory of_a, of_b;
  const auto memory = std::make_shared<arbiter_memory>();
  {
    coordinator a = start_leader(memory, of_a.path());
    expect(a.store->begin_attempt());
    expect(a.complete(1, epoch{1}));
  }
  {
    coordinator b = start_leader(memory, of_b.path());
    CHECK(expect(b.store->wanted()) == checkpoint_identity{checkpoint_id{1}, epoch{1}});
    const auto listed = b.store->list();
    REQUIRE_FALSE(listed);
    CHECK(listed.failure().code == errc::checkpoint);
    CHECK(has(listed.failure(), "the last complete checkpoint of the job is 1 (of attempt 1)"));
    CHECK(has(listed.failure(), of_b.path().string()));
    CHECK(has(listed.failure(), "give all coordinators the same checkpoint directory"));
    CHECK(b.store->load(checkpoint_id{1}).failure().code == errc::checkpoint);
    CHECK(b.store->catch_up().failure().code == errc::checkpoint);
  }
  {
    // One of the same number and another attempt is another checkpoint.
    const auto inner = open_sample(sample_config(of_b.path()));
    completed_checkpoint checkpoint = sample_checkpoint(1);
    checkpoint.attempt = epoch{9};
    expect(inner->store(checkpoint, sample_snapshots(1)));
  }
  {
    coordinator b = start_leader(memory, of_b.path());
    CHECK(expect(b.store->wanted()) == checkpoint_identity{checkpoint_id{1}, epoch{1}});
  }
  {
    const auto inner = open_sample(sample_config(of_b.path()));
    completed_checkpoint checkpoint = sample_checkpoint(1);
    checkpoint.attempt = epoch{1};
    expect(inner->store(checkpoint, sample_snapshots(1)));
  }
  coordinator b = start_leader(memory, of_b.path());
  CHECK_FALSE(expect(b.store->wanted()));
  CHECK(ids_of(*b.store) == ids{1});
}

TEST_CASE("what others keep is fetched only if it is the last complete checkpoint") {
  // Others have what is asked for, or what they think is the newest.
  struct other_places final : checkpoint_store {
    explicit other_places(std::unique_ptr<checkpoint_store> here) : own(std::move(here)) {}
    const std::string& job() const noexcept override { return own->job(); }
    result<epoch> continue_after(epoch last) override { return own->continue_after(last); }
    result<epoch> begin_attempt() override { return own->begin_attempt(); }
    result<std::vector<completed_checkpoint>> list() override { return own->list(); }
    result<checkpoint_contents> load(checkpoint_id id) override { return own->load(id); }
    result<completed_checkpoint> store(completed_checkpoint checkpoint,
                                       const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
                                       checkpoint_id keep_from) override {
      return own->store(checkpoint, operators, keep_from);
    }
    result<bool> catch_up(std::optional<checkpoint_identity> wanted) override {
      completed_checkpoint found = sample_checkpoint(wanted ? wanted->id.value : 30);
      found.attempt = wanted ? wanted->attempt : epoch{40};
      expect(own->store(found, sample_snapshots(found.id.value)));
      return true;
    }
    status remove(checkpoint_id id) override { return own->remove(id); }
    status clear() override { return own->clear(); }
    std::unique_ptr<checkpoint_store> own;
  };
  const auto start = [](const std::shared_ptr<arbiter_memory>& memory, const temporary_directory& directory) {
    const auto leads = elect(memory, std::make_shared<memory_arbiter>(memory));
    expect(leads->read_record());
    return expect(fenced_checkpoint_store::open(
        std::make_unique<other_places>(open_sample(sample_config(directory.path()))), directory.path(), leads));
  };
  const auto memory = std::make_shared<arbiter_memory>();
  SUBCASE("the last complete one") {
    const temporary_directory of_a, of_b;
    {
      coordinator a = start_leader(memory, of_a.path());
      expect(a.store->begin_attempt());
      expect(a.complete(1, epoch{1}));
    }
    const auto b = start(memory, of_b);
    CHECK_FALSE(b->list());
    CHECK(expect(b->catch_up()));
    CHECK(ids_of(*b) == ids{1});
  }
  SUBCASE("none is complete") {
    const temporary_directory of_a, of_b;
    expect(start_leader(memory, of_a.path()).store->begin_attempt());
    const auto b = start(memory, of_b);
    CHECK_FALSE(expect(b->catch_up()));
    CHECK(ids_of(*b).empty());
  }
  SUBCASE("the arbiter knows nothing of the job, and others do") {
    const temporary_directory of_b;
    const auto b = start(memory, of_b);
    CHECK(expect(b->catch_up()));
    CHECK(ids_of(*b) == ids{30});
    expect(b->begin_attempt());
    CHECK(record_in(*memory).newest == checkpoint_identity{checkpoint_id{30}, epoch{40}});
    CHECK(ids_of(*b) == ids{30});
  }
}

TEST_CASE("a job that has run without an arbiter goes on from its directory") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  {
    const auto inner = open_sample(sample_config(directory.path()));
    expect(inner->begin_attempt());
    expect(inner->begin_attempt());
    for (std::uint64_t id = 1; id <= 2; ++id)
      expect(store_sample(*inner, id));
  }
  {
    coordinator a = start_leader(memory, directory.path());
    CHECK(ids_of(*a.store) == ids{1, 2});
    CHECK(expect(a.store->begin_attempt()) == epoch{3});
  }
  // And without one again.
  CHECK(expect(open_sample(sample_config(directory.path()))->begin_attempt()) == epoch{4});
}

TEST_CASE("all checkpoints are deleted for all coordinators, and one only where it is") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  coordinator a = start_leader(memory, directory.path(), 3);
  expect(a.store->begin_attempt());
  for (std::uint64_t id = 1; id <= 3; ++id)
    expect(a.complete(id, epoch{1}));
  expect(a.store->remove(checkpoint_id{2}));
  CHECK(ids_of(*a.store) == ids{1, 3});
  expect(a.store->remove(checkpoint_id{3}));
  CHECK(ids_of(*a.store) == ids{1});
  CHECK(record_in(*memory).newest.id == checkpoint_id{1});
  expect(a.store->clear());
  CHECK(ids_of(*a.store).empty());
  CHECK(record_in(*memory).newest.id == checkpoint_id{});
  CHECK(record_in(*memory).attempts == epoch{1});
}

TEST_CASE("a record that somebody else has changed is not overwritten") {
  const temporary_directory directory;
  const auto memory = std::make_shared<arbiter_memory>();
  coordinator a = start_leader(memory, directory.path());
  expect(a.store->begin_attempt());
  expect(memory->carry_out({{}, {{keys.record, "something else"}}, {}}));
  const auto stored = a.complete(1, epoch{1});
  REQUIRE_FALSE(stored);
  CHECK(stored.failure().code == errc::corrupt);
  CHECK(has(stored.failure(), keys.record));
  CHECK(memory->at(keys.record).value == "something else");
  const auto leads = elect(memory, std::make_shared<memory_arbiter>(memory));
  const status read = leads->read_record();
  REQUIRE_FALSE(read);
  CHECK(has(read.failure(), "etcdctl del /weir/sample/checkpoint"));
}

TEST_CASE("a record says of which attempts checkpoints are complete, and is read as it was written") {
  job_record record;
  const auto checkpoint = [](std::uint64_t id, std::uint64_t attempt) {
    completed_checkpoint one = sample_checkpoint(id);
    one.attempt = epoch{attempt};
    return one;
  };
  for (const auto& [id, attempt] : {std::pair{1, 1}, {2, 1}, {4, 1}, {5, 3}, {6, 3}})
    record.add(checkpoint(id, attempt));
  CHECK(record.complete.size() == 2);
  CHECK(record.holds(checkpoint(2, 1)));
  CHECK(record.holds(checkpoint(6, 3)));
  CHECK_FALSE(record.holds(checkpoint(5, 1)));
  CHECK_FALSE(record.holds(checkpoint(5, 2)));
  CHECK_FALSE(record.holds(checkpoint(7, 3)));
  completed_checkpoint damaged;
  damaged.id = checkpoint_id{5};
  CHECK(record.holds(damaged));
  CHECK(expect(decode_record("key", encode(record))) == record);
  for (std::uint64_t attempt = 4; attempt < 300; ++attempt)
    record.add(checkpoint(attempt + 10, attempt));
  CHECK(record.complete.size() == 100);
  CHECK(expect(decode_record("key", encode(record))) == record);
  for (const char* text : {"", "{}", "[1]", "{\"checkpoint\": -1}", "\xff", "{\"checkpoint\":1,\"attempt\":1,\"last\":1}"})
    CHECK(decode_record("key", text).failure().code == errc::corrupt);
}
