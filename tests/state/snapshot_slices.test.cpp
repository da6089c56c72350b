#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "state/sample_state.hpp"

using namespace weir;
using namespace weir::testing;

namespace {

using stamp = std::int64_t;

/// What sample_state should hold of a key, and since when.
struct timed_row {
  std::map<std::string, std::pair<std::uint64_t, stamp>> map;
  std::vector<std::pair<std::uint64_t, stamp>> list;
  std::pair<std::string, stamp> value;

  /// Without what has expired.
  timed_row at(std::int64_t now, std::int64_t life) const {
    const auto is_alive = [&](stamp of) { return life == 0 || now - of < life; };
    timed_row left;
    for (const auto& [name, entry] : map)
      if (is_alive(entry.second))
        left.map.emplace(name, entry);
    for (const auto& element : list)
      if (is_alive(element.second))
        left.list.push_back(element);
    if (!value.first.empty() && is_alive(value.second))
      left.value = value;
    return left;
  }
  bool is_empty() const { return map.empty() && list.empty() && value.first.empty(); }
};

/// Everything that may happen to keyed state between two steps of a task, at random, with a model beside it.
class disturbed_state {
 public:
  disturbed_state(std::uint64_t seed, bool is_on_disk) : random_(seed), is_on_disk_(is_on_disk) {
    life_ = seed % 3 == 0 ? 100 : 0;
    reads_refresh_ = seed % 6 == 0;
    keys_ = seed % 4 < 2 ? 24 : 700;
    cache_ = std::array<std::uint64_t, 4>{0, 3000, 40'000, 1 << 24}[random_() % 4];
    start();
  }

  void run(std::uint64_t checkpoints) {
    for (std::uint64_t checkpoint = 1; checkpoint <= checkpoints; ++checkpoint) {
      CAPTURE(checkpoint);
      disturb(random_() % 300);
      take_snapshot(checkpoint);
      if (random_() % 3 != 0) // otherwise it failed
        complete_ = checkpoint;
      if (random_() % 8 == 0)
        check(checkpoint);
      if (complete_ != 0 && random_() % 8 == 0)
        crash();
    }
    check(checkpoints);
  }

  std::uint64_t deltas() const { return store_.deltas(); }
  std::uint64_t evictions() const { return evictions_; } ///< while a snapshot was being written
  std::uint64_t reused() const { return reused_; } ///< bytes that snapshots could be written into

 private:
  struct moment {
    std::map<std::uint64_t, timed_row> rows;
    std::int64_t now;
  };

  time_to_live life() const {
    using refresh = time_to_live::refresh;
    return {.after = std::chrono::milliseconds{life_},
            .refreshed = reads_refresh_ ? refresh::on_read_and_write : refresh::on_write};
  }
  keyed_state_setup setup() {
    keyed_state_setup made = is_on_disk_ ? on_disk(directory_, cache_) : in_memory();
    made.buffers = buffers_;
    return made;
  }
  void start() { state_ = std::make_unique<sample_state>(setup(), life()); }

  void take_snapshot(std::uint64_t checkpoint) {
    reused_ += buffers_->held();
    buffers_->next_snapshot();
    const auto shared = shared_snapshot({}, buffers_);
    operator_snapshot& made = *shared;
    state_->state().begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{complete_}}, now_);
    at_[checkpoint] = {model_, now_};
    bool is_complete = false;
    do {
      const std::size_t cached = state_->state().table().size();
      disturb(random_() % 120);
      evictions_ += state_->state().table().size() < cached;
      is_complete = state_->state().write_some(made);
    } while (!is_complete);
    disturb(random_() % 120); // before the store reads it
    store_.add(checkpoint_id{checkpoint}, made);
  }

  void crash() {
    start();
    state_->state().restore(store_.restored(checkpoint_id{complete_}));
    model_ = at_.at(complete_).rows;
    compare(*state_);
    if (!reads_refresh_)
      return;
    for (auto& [key, row] : model_) { // all have been read
      row = row.at(now_, life_);
      row.value.second = now_;
      for (auto& [element, since] : row.list)
        since = now_;
      for (auto& [name, entry] : row.map)
        entry.second = now_;
    }
  }

  /// Of a snapshot alone, in memory or on disk.
  void check(std::uint64_t checkpoint) {
    const moment& then = at_.at(checkpoint);
    const restored_state stored = store_.restored(checkpoint_id{checkpoint});
    std::map<std::uint32_t, std::uint64_t> entries;
    for (const auto& [key, row] : then.rows)
      if (!row.is_empty())
        ++entries[key_group_of(hash_of(key), groups).value];
    if (life_ == 0)
      for (std::uint32_t group = 0; group < groups; ++group) {
        const key_group_snapshot* written = store_.find(checkpoint_id{checkpoint}, key_group{group});
        CAPTURE(group);
        REQUIRE((written ? written->entries : 0) == entries[group]);
      }
    sample_state restored(random_() % 2 == 0 ? in_memory() : on_disk(directory_, 10'000), life());
    restored.state().restore(stored);
    const auto model = std::exchange(model_, then.rows);
    const std::int64_t now = std::exchange(now_, then.now + static_cast<std::int64_t>(random_() % 120));
    compare(restored);
    model_ = model;
    now_ = now;
  }

  void compare(sample_state& with) {
    for (std::uint64_t key = 0; key < keys_; ++key) {
      const timed_row expected = model_[key].at(now_, life_);
      CAPTURE(key);
      with.with_key(
          key,
          [&](auto& value, auto& list, auto& map) {
            REQUIRE(value.value_or("") == expected.value.first);
            std::vector<std::uint64_t> elements;
            for (const auto& [element, since] : expected.list)
              elements.push_back(element);
            REQUIRE(list.to_vector() == elements);
            REQUIRE(map.size() == expected.map.size());
            for (const auto& [name, entry] : expected.map)
              REQUIRE(map.value_or(name, ~std::uint64_t{0}) == entry.first);
          },
          now_);
      if (key % 16 == 0)
        with.state().settle(now_);
    }
  }

  void disturb(std::uint64_t times) {
    for (; times != 0; --times) {
      const std::uint64_t what = random_() % 32;
      if (what < 28)
        change(random_() % keys_);
      else if (what < 30)
        state_->state().settle(now_);
      else if (life_ != 0)
        now_ += static_cast<std::int64_t>(random_() % 20);
    }
  }

  void change(std::uint64_t key) {
    const std::uint64_t what = random_() % 17;
    const std::uint64_t n = random_() % 24;
    const std::string name = "entry " + std::to_string(n);
    timed_row& row = model_[key];
    row = row.at(now_, life_);
    state_->with_key(
        key,
        [&](auto& value, auto& list, auto& map) {
          if (what < 3) {
            value.update(name);
            row.value = {name, now_};
          } else if (what < 6) {
            list.add(n);
            row.list.push_back({n, now_});
          } else if (what < 10) {
            map[name] += n;
            row.map[name].first += n;
            row.map[name].second = now_;
          } else if (what < 12) {
            REQUIRE(map.erase(name) == (row.map.erase(name) == 1));
          } else if (what == 12) {
            value.clear();
            row.value = {};
          } else if (what == 13) {
            list.clear();
            row.list.clear();
          } else if (what == 14) {
            if (n % 2 == 0) {
              map.clear();
              row.map.clear();
            } else {
              value.clear();
              list.clear();
              map.clear();
              row = {};
            }
          } else if (what == 15) {
            REQUIRE(list.size() == row.list.size());
            if (reads_refresh_)
              for (auto& [element, since] : row.list)
                since = now_;
          } else {
            REQUIRE(map.size() == row.map.size());
          }
        },
        now_);
  }

  const temporary_directory directory_;
  std::mt19937_64 random_;
  bool is_on_disk_;
  std::int64_t life_ = 0; // 0: for ever
  bool reads_refresh_ = false;
  std::uint64_t keys_ = 0;
  std::uint64_t cache_ = 0;
  std::int64_t now_ = 1000;
  std::unique_ptr<sample_state> state_;
  std::map<std::uint64_t, timed_row> model_;
  std::map<std::uint64_t, moment> at_; // the barrier of a checkpoint
  std::uint64_t complete_ = 0;
  std::uint64_t evictions_ = 0;
  std::uint64_t reused_ = 0;
  std::shared_ptr<blob_buffers> buffers_ = std::make_shared<blob_buffers>();
  stored_groups store_;
};

/// A state of counts with one key group, so that it takes many slices.
class one_group_of_counts {
 public:
  explicit one_group_of_counts(const keyed_state_setup& setup) : state_(setup, static_rows<std::uint64_t>("count")) {}

  static keyed_state_setup of_one_group(keyed_state_setup setup) {
    setup.groups = 1;
    setup.range = {0, 1};
    return setup;
  }

  keyed_state<std::uint64_t, static_rows<std::uint64_t>>& state() { return state_; }
  void add(std::uint64_t key) {
    ++*std::launder(reinterpret_cast<std::uint64_t*>(state_.update(hash_of(key), key).row));
    ++counts_[key];
  }
  const std::map<std::uint64_t, std::uint64_t>& counts() const { return counts_; }

 private:
  keyed_state<std::uint64_t, static_rows<std::uint64_t>> state_;
  std::map<std::uint64_t, std::uint64_t> counts_;
};

} // namespace

TEST_CASE("a snapshot is the state at its barrier, whatever changes, expires and leaves the cache while it is written") {
  std::uint64_t deltas = 0;
  std::uint64_t evictions = 0;
  std::uint64_t reused = 0;
  for (const bool is_on_disk : {true, false})
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
      CAPTURE(is_on_disk);
      CAPTURE(seed);
      disturbed_state state(seed, is_on_disk);
      state.run(12);
      deltas += state.deltas();
      evictions += state.evictions();
      reused += state.reused();
    }
  CHECK(deltas > 1000);
  CHECK(evictions > 500);
  CHECK(reused > 1'000'000);
}

TEST_CASE("a slice ends inside a key group, also where the group grows or its rows leave meanwhile") {
  for (const bool is_on_disk : {false, true})
    for (const std::uint64_t keys : {20'000u, 60'000u}) {
      CAPTURE(is_on_disk);
      CAPTURE(keys);
      const temporary_directory directory;
      const keyed_state_setup setup =
          one_group_of_counts::of_one_group(is_on_disk ? on_disk(directory, keys * 40) : in_memory());
      one_group_of_counts counted(setup);
      for (std::uint64_t key = 0; key < keys; ++key)
        counted.add(key);
      stored_groups store;
      std::mt19937_64 random(keys);
      for (std::uint64_t checkpoint = 1; checkpoint <= 4; ++checkpoint) {
        CAPTURE(checkpoint);
        for (std::uint64_t n = 0; n < keys / 16; ++n)
          counted.add(random() % keys);
        const auto counts = counted.counts();
        operator_snapshot made;
        counted.state().begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{checkpoint - 1}}, 0);
        std::uint64_t slices = 1;
        std::uint64_t added = keys * checkpoint;
        for (; !counted.state().write_some(made); ++slices) {
          counted.add(random() % keys);
          for (std::uint64_t n = 0; n < keys / 256; ++n)
            counted.add(added++);
          counted.state().settle(0);
        }
        CHECK(slices > 2);
        store.add(checkpoint_id{checkpoint}, made);
        one_group_of_counts restored(one_group_of_counts::of_one_group(in_memory()));
        restored.state().restore(store.restored(checkpoint_id{checkpoint}));
        CHECK(store.find(checkpoint_id{checkpoint}, key_group{0})->entries == counts.size());
        CHECK(restored.state().table().size() == counts.size());
        std::size_t different = 0;
        restored.state().for_each_row([&](std::uint64_t key, const std::byte* row) {
          const auto found = counts.find(key);
          different += found == counts.end() || found->second != *reinterpret_cast<const std::uint64_t*>(row);
        });
        CHECK(different == 0);
      }
    }
}

TEST_CASE("rows that were changed once and stay in the cache are written to disk never, and into one snapshot") {
  const temporary_directory directory;
  sample_state state(on_disk(directory, 1 << 24));
  const auto change_all = [&] {
    for (std::uint64_t key = 0; key < 1000; ++key)
      state.with_key(key, [&](auto& value, auto& list, auto&) {
        value.update("changes");
        list.add(key);
      });
    state.state().settle(0);
  };
  stored_groups store;
  change_all();
  store.add(checkpoint_id{1}, state.snapshot({checkpoint_id{1}, {}}));
  CHECK(store.bytes_written() > 1000 * 32);
  for (std::uint64_t checkpoint = 2; checkpoint <= 20; ++checkpoint) {
    state.with_key(checkpoint, [&](auto&, auto& list, auto&) { list.add(1); });
    const operator_snapshot made = state.snapshot({checkpoint_id{checkpoint}, checkpoint_id{checkpoint - 1}});
    for (const key_group_snapshot& group : made.key_groups)
      CHECK(group.source == nullptr);
    store.add(checkpoint_id{checkpoint}, made);
    CHECK(store.bytes_written() < 200);
  }
}

TEST_CASE("rows that come and go through a small cache do not grow the deltas beyond what they add to") {
  const temporary_directory directory;
  keyed_state_setup setup = on_disk(directory, 20'000);
  one_group_of_counts counted(one_group_of_counts::of_one_group(setup));
  stored_groups store;
  constexpr std::uint64_t keys = 4000;
  for (std::uint64_t checkpoint = 1; checkpoint <= 12; ++checkpoint) {
    for (std::uint64_t n = 0; n < 8 * keys; ++n) {
      counted.add(checkpoint == 1 ? n % keys : n * 7 % 100);
      if (n % 64 == 0)
        counted.state().settle(0);
    }
    operator_snapshot made;
    counted.state().begin_write(made, {checkpoint_id{checkpoint}, checkpoint_id{checkpoint - 1}}, 0);
    while (!counted.state().write_some(made))
      ;
    store.add(checkpoint_id{checkpoint}, made);
    const std::size_t size = store.find(checkpoint_id{checkpoint}, key_group{0})->data.size();
    CHECK(size < keys * 17 * 5 / 2);
  }
}
