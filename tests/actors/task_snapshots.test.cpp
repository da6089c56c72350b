#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <utility>

#include "actors/recorded_environment.hpp"

#include <weir/actors/operators/keyed_fold.hpp>
#include <weir/actors/task.hpp>
#include <weir/state/keyed_snapshot.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

struct key_of {
  const std::uint64_t& operator()(const std::uint64_t& record) const { return record; }
};

/// A task that counts 64-bit numbers, with one key group.
class counting_task {
 public:
  counting_task() {
    using operator_type = keyed_fold_operator<std::uint64_t, key_of, count_fold>;
    task_blueprint blueprint;
    operator_context context;
    context.uid = context.name = "count";
    blueprint.operators.push_back(
        {[] { return std::make_unique<operator_type>(key_of{}, count_fold{}, emit::at_end); }, context, {}});
    blueprint.inputs.resize(1);
    task_.emplace(std::move(blueprint), task_config{}, checkpoint_mode{}, 1, environment);
    task_->open();
    task_->run();
  }

  void count(std::uint64_t keys) {
    for (std::uint64_t key = 0; key < keys;) {
      auto some = std::make_unique<batch<std::uint64_t>>(1024);
      some->resize(static_cast<std::uint32_t>(std::min<std::uint64_t>(1024, keys - key)));
      std::uint64_t* const hashes = some->enable_hashes();
      for (std::uint32_t i = 0; i < some->size(); ++i, ++key) {
        (*some)[i] = key;
        hashes[i] = hash_of(key);
      }
      task_->receive(0, batch_ptr(some.release()));
      run();
    }
  }

  /// Of everything. Returns the data of the key group.
  const bytes& snapshot(std::uint64_t checkpoint) {
    task_->receive(0, marker::barrier({checkpoint_id{checkpoint}}));
    run();
    return environment.snapshots.at(checkpoint_id{checkpoint}).front()->key_groups.front().data;
  }
  void let_go(std::uint64_t checkpoint) { environment.snapshots.erase(checkpoint_id{checkpoint}); }

  recorded_environment environment;

 private:
  void run() {
    for (; environment.turns != 0; --environment.turns)
      task_->take_turn();
  }

  std::optional<task> task_;
};

/// Whether so many keys were counted so many times.
bool holds(const bytes& data, std::uint64_t keys, std::uint64_t times) {
  keyed_table<std::uint64_t, static_rows<std::uint64_t>> table({0, 1}, 1, static_rows<std::uint64_t>("count"));
  operator_snapshot stored;
  stored.keyed_states = {table.rows().columns().front().schema};
  key_group_snapshot group;
  group.entries = keys;
  group.data = data;
  read_group(table, stored, group);
  std::uint64_t right = 0;
  table.for_each(key_group{0}, [&](std::uint64_t key, const std::byte* row) {
    right += key < keys && *std::launder(reinterpret_cast<const std::uint64_t*>(row)) == times;
  });
  return table.size() == keys && right == keys;
}

} // namespace

TEST_CASE("a task writes its snapshots into the memory of those that nobody holds any more") {
  constexpr std::uint64_t keys = 10'000;
  counting_task counted;
  std::set<const void*> places;
  for (std::uint64_t checkpoint = 1; checkpoint <= 6; ++checkpoint) {
    counted.count(keys);
    const bytes& made = counted.snapshot(checkpoint);
    CHECK(holds(made, keys, checkpoint));
    places.insert(made.data());
    if (checkpoint > 1) // so that two take turns
      counted.let_go(checkpoint - 1);
  }
  CHECK(places.size() == 2);
}

TEST_CASE("a snapshot that is held is not written over by later ones") {
  constexpr std::uint64_t keys = 10'000;
  counting_task counted;
  counted.count(keys);
  const bytes& first = counted.snapshot(1);
  for (std::uint64_t checkpoint = 2; checkpoint <= 5; ++checkpoint) {
    counted.count(keys);
    CHECK(holds(counted.snapshot(checkpoint), keys, checkpoint));
    counted.let_go(checkpoint);
  }
  CHECK(holds(first, keys, 1));
}
