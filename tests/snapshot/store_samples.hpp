#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weir/snapshot/checkpoint_store.hpp>

namespace weir::testing {

inline constexpr std::uint32_t sample_groups = 16;

/// A configuration for tests: a small map, and `retained` checkpoints.
inline checkpoint_config sample_config(const std::filesystem::path& directory,
                                       std::uint32_t retained = 2) {
  checkpoint_config config;
  config.directory = directory;
  config.map_size = std::uint64_t{64} << 20;
  config.retained = retained;
  return config;
}

inline bytes sample_bytes(std::uint64_t seed, std::size_t size) {
  std::minstd_rand random{static_cast<std::uint32_t>(seed % 2147483646 + 1)};
  bytes data(size, '\0');
  for (char& c : data)
    c = static_cast<char>(random() >> 8);
  return data;
}

using operator_snapshots = std::vector<std::shared_ptr<const operator_snapshot>>;

/// What the samples have in a key group is made of parts: one for checkpoint 1, 5, 9, ..., and one for each of
/// the up to three checkpoints after it.
inline std::uint64_t first_part_of(std::uint64_t id) {
  return id == 0 ? 0 : id - (id + 3) % 4;
}

inline bytes sample_part(std::uint64_t id, std::uint32_t group, std::size_t scale) {
  const std::size_t size = (id * 31 + group * 977) % 8192 * scale;
  if (first_part_of(id) == id)
    return sample_bytes(id * 100 + group, size);
  return sample_bytes(id * 100 + group, (id + group) % 5 == 0 ? 0 : size / 8);
}

/// The snapshots of checkpoint `id`: what is in them is a function of `id` and `scale` alone. Blobs from
/// empty to `scale` times 8 KiB, so that some lie in leaf pages and some in pages of their own. With a
/// `base`, which must hold what these are for `id` - 1, key groups are deltas.
inline operator_snapshots sample_snapshots(std::uint64_t id, std::size_t scale = 1, std::uint64_t base = 0) {
  operator_snapshots all;
  for (std::uint32_t instance = 0; instance < 2; ++instance) {
    auto source = std::make_shared<operator_snapshot>();
    source->uid = "lines";
    source->instance = instance;
    source->parallelism = 2;
    source->drained = instance == 1;
    source->counts = {id * 1000 + instance, id * 10, id + instance};
    source->watermark = event_time{std::chrono::milliseconds{static_cast<std::int64_t>(id) * 10}};
    source->lists.push_back({"positions", redistribution::even_split, "raw", {}});
    for (std::uint64_t i = 0; i < id % 5; ++i)
      source->lists[0].items.push_back(sample_bytes(id + i, 20 * i));
    source->lists.push_back({"splits", redistribution::full_union, "{string, u64}", {sample_bytes(id, 5000)}});
    all.push_back(std::move(source));

    auto count = std::make_shared<operator_snapshot>();
    count->uid = "count";
    count->instance = instance;
    count->parallelism = 2;
    count->base = checkpoint_id{base};
    count->key_type = "string";
    count->keyed_states = {{"count", "aggregating", "u64", false}, {"last", "value", "string", true}};
    for (std::uint32_t i = 0; i < sample_groups / 2; ++i) {
      key_group_snapshot& group = count->key_groups.emplace_back();
      group.group = key_group{instance * sample_groups / 2 + i};
      group.entries = id + group.group.value + 1;
      group.is_delta = base != 0;
      for (std::uint64_t part = group.is_delta ? id : first_part_of(id); part <= id; ++part)
        group.data += sample_part(part, group.group.value, scale);
    }
    all.push_back(std::move(count));
  }
  return all;
}

inline completed_checkpoint sample_checkpoint(std::uint64_t id) {
  completed_checkpoint checkpoint;
  checkpoint.id = checkpoint_id{id};
  checkpoint.attempt = epoch{id / 10};
  checkpoint.completed_at_ms = static_cast<std::int64_t>(1700000000000 + id);
  checkpoint.key_groups = sample_groups;
  checkpoint.last = id % 7 == 0;
  return checkpoint;
}

/// How many bytes the store counts for checkpoint `id`.
inline std::uint64_t sample_size(std::uint64_t id, std::size_t scale = 1) {
  std::uint64_t size = 0;
  for (const auto& snapshot : sample_snapshots(id, scale)) {
    for (const auto& group : snapshot->key_groups)
      size += group.data.size();
    for (const auto& list : snapshot->lists) {
      size += 8;
      for (const auto& item : list.items)
        size += 8 + item.size();
    }
  }
  return size;
}

/// Stores the sample `id`: as deltas where the one before it is there and of the same scale.
inline result<completed_checkpoint> store_sample(checkpoint_store& store, std::uint64_t id,
                                                 std::size_t scale = 1) {
  std::uint64_t base = 0;
  if (const auto known = store.list(); known && first_part_of(id) != id)
    for (const completed_checkpoint& one : *known)
      if (one.id.value + 1 == id && one.bytes == sample_size(id - 1, scale))
        base = one.id.value;
  return store.store(sample_checkpoint(id), sample_snapshots(id, scale, base));
}

/// The key group itself, of one that is only read when it is asked for.
inline key_group_snapshot read_now(const key_group_snapshot& group) {
  if (!group.source)
    return group;
  auto read = group.source->read(group.group);
  if (!read)
    FAIL(read.failure().message);
  return std::move(*read);
}

inline bool equal(const operator_snapshot& a, const operator_snapshot& b) {
  const auto same_group = [](const key_group_snapshot& x, const key_group_snapshot& y) {
    return x.group == y.group && x.entries == y.entries && read_now(x).data == read_now(y).data;
  };
  const auto same_list = [](const list_snapshot& x, const list_snapshot& y) {
    return x.name == y.name && x.mode == y.mode && x.type == y.type && x.items == y.items;
  };
  return a.uid == b.uid && a.instance == b.instance && a.parallelism == b.parallelism &&
         a.drained == b.drained && a.counts == b.counts && a.watermark == b.watermark && a.key_type == b.key_type &&
         a.keyed_states == b.keyed_states &&
         std::equal(a.key_groups.begin(), a.key_groups.end(), b.key_groups.begin(),
                    b.key_groups.end(), same_group) &&
         std::equal(a.lists.begin(), a.lists.end(), b.lists.begin(), b.lists.end(), same_list);
}

/// Whether `contents` is exactly what store_sample() stored as `id`.
inline bool is_sample(const checkpoint_contents& contents, std::uint64_t id,
                      std::size_t scale = 1) {
  const completed_checkpoint expected = sample_checkpoint(id);
  const completed_checkpoint& found = contents.checkpoint;
  const operator_snapshots snapshots = sample_snapshots(id, scale);
  return found.id == expected.id && found.attempt == expected.attempt &&
         found.completed_at_ms == expected.completed_at_ms &&
         found.key_groups == expected.key_groups && found.last == expected.last &&
         std::equal(snapshots.begin(), snapshots.end(), contents.operators.begin(),
                    contents.operators.end(),
                    [](const auto& a, const auto& b) { return equal(*a, b); });
}

/// The value, or a test failure with the message of the error.
template <class T>
T expect(result<T> outcome) {
  if (!outcome)
    FAIL(outcome.failure().message);
  return std::move(*outcome);
}
inline void expect(const status& outcome) {
  if (!outcome)
    FAIL(outcome.failure().message);
}

inline std::unique_ptr<checkpoint_store> open_sample(const checkpoint_config& config) {
  return expect(checkpoint_store::open("sample", config));
}

inline std::vector<std::uint64_t> ids_of(checkpoint_store& store) {
  std::vector<std::uint64_t> ids;
  for (const completed_checkpoint& checkpoint : expect(store.list()))
    ids.push_back(checkpoint.id.value);
  return ids;
}

inline bool has(const error& problem, std::string_view text) {
  return problem.message.find(text) != std::string::npos;
}

} // namespace weir::testing
