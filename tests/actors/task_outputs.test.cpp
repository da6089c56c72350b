#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/recorded_environment.hpp"

#include <weir/actors/operators/map.hpp>
#include <weir/actors/operators/source.hpp>
#include <weir/actors/task.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using sent_batches = std::vector<recorded_environment::sent_batch>;

/// Emits what the test says, and ends its turns as the test says.
struct scripted {
  using output = std::uint64_t;
  using split = std::uint64_t;

  struct turn {
    std::vector<std::uint64_t> records;
    source_turn::outcome outcome;
  };

  result<std::vector<split>> splits(std::uint32_t) const { return std::vector<split>{}; }
  void open(const operator_context&, const std::vector<split>&) {}
  source_turn poll(emitter<std::uint64_t>& out) {
    for (const std::uint64_t one : next->records)
      out(one);
    return {next->outcome, 1ms};
  }
  std::vector<split> snapshot() const { return {}; }

  std::shared_ptr<turn> next = std::make_shared<turn>();
};

constexpr std::uint32_t groups = 128;

struct key_of {
  const std::uint64_t& operator()(const std::uint64_t& record) const { return record; }
};

exchange_factory keyed_edge() {
  return [](exchange_setup setup) -> std::unique_ptr<exchange_base> {
    return std::make_unique<hash_exchange<std::uint64_t, key_of>>(key_of{}, std::move(setup.channels),
                                                                   setup.batch_size, setup.key_groups);
  };
}

/// A source task with a keyed edge to so many receivers. A record goes to the receiver that place() says.
class running_task {
 public:
  running_task(std::uint32_t receivers, const task_config& config) : receivers_(receivers) {
    task_blueprint blueprint;
    blueprint.is_source = true;
    blueprint.operators.push_back(
        {[source = source_] { return std::make_unique<source_operator<scripted>>(source); }, {}, {}});
    blueprint.outputs.push_back({0, 0, keyed_edge(), partitioning::hash, receivers});
    task_.emplace(std::move(blueprint), config, checkpoint_mode{}, groups, environment);
    task_->open();
    task_->run();
  }

  /// The source's next turn: one record for each of these receivers.
  void turn(const std::vector<std::uint32_t>& to, source_turn::outcome outcome) {
    source_.next->records.clear();
    for (const std::uint32_t receiver : to)
      source_.next->records.push_back(record_for(receiver));
    source_.next->outcome = outcome;
    task_->take_turn();
  }

  sent_batches sent() { return std::exchange(environment.sent, {}); }
  void give_back(std::uint32_t channel) { task_->credit_returned(channel, {}); }

  recorded_environment environment;

 private:
  std::uint64_t record_for(std::uint32_t receiver) const {
    for (std::uint64_t record = 0;; ++record)
      if (instance_of(key_group_of(hash_of(record), groups), receivers_, groups) == receiver)
        return record;
  }

  std::uint32_t receivers_;
  scripted source_;
  std::optional<task> task_;
};

/// A task that passes on what comes in, over a keyed edge to one receiver.
class relay_task {
 public:
  relay_task(std::uint32_t inputs, const task_config& config) {
    task_blueprint blueprint;
    const auto same = [](std::uint64_t record) { return record; };
    blueprint.operators.push_back(
        {[same] { return std::make_unique<map_operator<std::uint64_t, decltype(same)>>(same); }, {}, {}});
    blueprint.outputs.push_back({0, 0, keyed_edge(), partitioning::hash, 1});
    blueprint.inputs.resize(inputs);
    task_.emplace(std::move(blueprint), config, checkpoint_mode{}, groups, environment);
    task_->open();
  }

  void run() { task_->run(); }
  void receive(std::uint32_t records, std::uint32_t channel = 0) {
    auto made = std::make_unique<batch<std::uint64_t>>(1024);
    made->resize(records);
    std::fill_n(made->records(), records, 1);
    task_->receive(channel, batch_ptr(made.release()));
  }
  void receive(const marker& what, std::uint32_t channel = 0) { task_->receive(channel, what); }
  void give_back() { task_->credit_returned(0, {}); }

  /// Runs until there is nothing to do, and the receiver has given everything back.
  std::uint64_t finish() {
    for (std::size_t given_back = 0; environment.turns != 0 || given_back < environment.sent.size();)
      if (environment.turns != 0) {
        --environment.turns;
        task_->take_turn();
      } else {
        ++given_back;
        give_back();
      }
    std::uint64_t all = 0;
    for (const auto& [channel, size] : environment.sent)
      all += size;
    return all;
  }

  recorded_environment environment;

 private:
  std::optional<task> task_;
};

constexpr auto more = source_turn::outcome::more;
constexpr auto idle = source_turn::outcome::idle;

} // namespace

TEST_CASE("a task with nothing else to do sends a batch that is not full to a receiver that has none") {
  running_task one(2, {});
  one.turn({0, 0, 1}, idle);
  CHECK(one.sent() == sent_batches{{0, 2}, {1, 1}});
}

TEST_CASE("what comes while the receiver has a batch gathers, and goes when that comes back") {
  running_task one(2, {});
  one.turn({0, 0}, idle);
  CHECK(one.sent() == sent_batches{{0, 2}});
  one.turn({0, 0, 0}, idle);
  one.turn({0, 1}, idle);
  CHECK(one.sent() == sent_batches{{1, 1}});
  one.give_back(0);
  CHECK(one.sent() == sent_batches{{0, 4}});
  one.give_back(0);
  CHECK(one.sent().empty());
}

TEST_CASE("a busy task lets batches that are not full wait until the batch timeout has passed") {
  task_config config;
  config.batch_timeout = 10ms;
  running_task one(2, config);
  one.turn({0, 0}, more);
  CHECK(one.sent().empty());
  one.environment.time += 9ms;
  one.turn({1}, more);
  CHECK(one.sent().empty());
  one.environment.time += 1ms;
  one.turn({0}, more);
  CHECK(one.sent() == sent_batches{{0, 3}, {1, 1}});

  one.turn({0, 1}, more);
  one.environment.time += 10ms;
  one.turn({}, more);
  CHECK(one.sent().empty()); // both receivers have a batch
  one.give_back(1);
  CHECK(one.sent() == sent_batches{{1, 1}});
  one.give_back(0);
  CHECK(one.sent() == sent_batches{{0, 1}});
}

TEST_CASE("a batch that fills while another is wanted needs no more asking") {
  task_config config;
  config.batch_size = 4;
  running_task one(1, config);
  one.turn({0}, idle);
  one.turn({0}, idle); // wanted as soon as the first is back
  CHECK(one.sent() == sent_batches{{0, 1}});
  one.turn({0, 0, 0, 0}, more);
  CHECK(one.sent() == sent_batches{{0, 4}});
  one.give_back(0);
  one.give_back(0);
  CHECK(one.sent().empty());
  one.turn({}, idle);
  CHECK(one.sent() == sent_batches{{0, 1}});
}

TEST_CASE("a batch that waited for a credit does not stand for the records that came after it") {
  task_config config;
  config.credits = 2;
  relay_task one(1, config);
  one.run();
  for (const std::uint32_t records : {1024, 1024, 500, 1000})
    one.receive(records);
  CHECK(one.finish() == 3548);
}

TEST_CASE("records do not wait behind a marker that others must follow") {
  relay_task one(2, {});
  for (const std::uint32_t records : {1024, 1024, 1000, 34})
    one.receive(records);
  one.receive(marker::watermark(event_time{std::chrono::milliseconds{5}}));
  one.run();
  CHECK(one.finish() == 3082);
}

TEST_CASE("a rebalanced edge passes a busy receiver over") {
  std::vector<std::unique_ptr<output_channel>> channels;
  std::vector<output_channel*> all;
  recorded_environment end;
  for (std::uint32_t i = 0; i < 4; ++i)
    all.push_back(channels.emplace_back(std::make_unique<output_channel>(i, 16, end)).get());
  plain_exchange<std::uint64_t> exchange(partitioning::rebalance, all, 1024);
  batch<std::uint64_t> records(1024);
  std::vector<std::uint64_t> received(4);
  for (int i = 0; i < 200; ++i) {
    records.resize(1);
    records[0] = 1;
    exchange.receive(records);
    exchange.flush_idle();
    for (const auto& [channel, size] : std::exchange(end.sent, {})) {
      received[channel] += size;
      if (channel != 0) // which never gives anything back
        all[channel]->credit_returned({});
    }
  }
  CHECK(received[0] == 1);
  for (std::size_t i = 1; i < 4; ++i)
    CHECK(received[i] >= 60);
}

TEST_CASE("a keyed edge to many receivers has smaller batches and fewer credits, to a quarter") {
  const auto largest_and_credits = [](std::uint32_t receivers) {
    running_task one(receivers, {});
    std::vector<std::uint32_t> to(3000, 0);
    for (int i = 0; i < 20 && one.environment.sent.size() < 20; ++i)
      one.turn(to, more);
    const sent_batches sent = one.sent();
    return std::pair{sent.front().size, static_cast<std::uint32_t>(sent.size())};
  };
  CHECK(largest_and_credits(8) == std::pair{1024U, 16U});
  CHECK(largest_and_credits(16) == std::pair{512U, 8U});
  CHECK(largest_and_credits(32) == std::pair{256U, 4U});
  CHECK(largest_and_credits(100) == std::pair{256U, 4U});
}
