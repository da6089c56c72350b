#include <weir/snapshot/redistribution.hpp>

#include <algorithm>
#include <map>
#include <memory>

#include <weir/base/hash.hpp>

namespace weir {

namespace {

using stored_instances = std::vector<std::shared_ptr<const operator_snapshot>>;

stored_instances instances_of(const std::shared_ptr<const checkpoint_contents>& contents,
                              const std::string& uid) {
  stored_instances found;
  for (const operator_snapshot& snapshot : contents->operators)
    if (snapshot.uid == uid)
      found.emplace_back(contents, &snapshot);
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a->instance < b->instance; });
  return found;
}

void give_key_groups(const stored_instances& stored, std::uint32_t groups,
                     std::vector<restored_state>& shares) {
  const auto parallelism = static_cast<std::uint32_t>(shares.size());
  for (std::uint32_t instance = 0; instance < parallelism; ++instance) {
    const key_group_range own = groups_of(instance, parallelism, groups);
    for (const auto& snapshot : stored) {
      restored_groups part{snapshot, {}};
      for (const key_group_snapshot& group : snapshot->key_groups)
        if (own.contains(group.group))
          part.groups.push_back(&group);
      if (!part.groups.empty())
        shares[instance].keyed.push_back(std::move(part));
    }
  }
}

struct watermark_range {
  event_time smallest = last_watermark;
  event_time largest = no_watermark; // but for the last of all
};

watermark_range watermarks_of(const stored_instances& stored) {
  watermark_range all;
  for (const auto& snapshot : stored) {
    all.smallest = std::min(all.smallest, snapshot->watermark);
    if (snapshot->watermark != last_watermark)
      all.largest = std::max(all.largest, snapshot->watermark);
  }
  return all;
}

/// Of a number that all instances made together.
std::uint64_t even_share(std::uint64_t total, std::uint32_t instance, std::uint32_t parallelism) {
  return total / parallelism + (instance < total % parallelism ? 1 : 0);
}

void give_counts(const stored_instances& stored, std::vector<restored_state>& shares) {
  const auto parallelism = static_cast<std::uint32_t>(shares.size());
  record_counts total;
  for (const auto& snapshot : stored)
    total += snapshot->counts;
  for (std::uint32_t i = 0; i < parallelism; ++i)
    if (stored.size() == shares.size())
      shares[i].counts = stored[i]->counts;
    else
      shares[i].counts = {even_share(total.in, i, parallelism), even_share(total.late, i, parallelism),
                          even_share(total.dropped, i, parallelism)};
}

void add_item(restored_state& share, const list_snapshot& list, const bytes& item) {
  restored_list& into = share.lists[list.name];
  into.type = list.type;
  into.items.push_back(item);
}

void give_list_items(const stored_instances& stored, std::vector<restored_state>& shares) {
  const bool same_parallelism = stored.size() == shares.size();
  std::map<std::string, std::size_t> turn;
  for (std::size_t i = 0; i < stored.size(); ++i)
    for (const list_snapshot& list : stored[i]->lists)
      for (const bytes& item : list.items) {
        if (list.mode == redistribution::full_union) {
          for (restored_state& share : shares)
            add_item(share, list, item);
        } else {
          const std::size_t to = same_parallelism ? i : turn[list.name]++ % shares.size();
          add_item(shares[to], list, item);
        }
      }
}

} // namespace

std::vector<restored_state>
redistribute(const std::shared_ptr<const checkpoint_contents>& contents, const std::string& uid,
             std::uint32_t parallelism, bool is_keyed) {
  std::vector<restored_state> shares(parallelism);
  const stored_instances stored = instances_of(contents, uid);
  for (restored_state& share : shares)
    share.from = contents->checkpoint.id;
  if (stored.empty())
    return shares;

  const bool same_parallelism = stored.size() == parallelism;
  const auto drained = static_cast<std::size_t>(std::count_if(
      stored.begin(), stored.end(), [](const auto& snapshot) { return snapshot->drained; }));
  const watermark_range watermarks = watermarks_of(stored);
  const bool is_anything_under_way = std::any_of(stored.begin(), stored.end(),
                                                 [](const auto& snapshot) { return !snapshot->channels.empty(); });
  for (std::uint32_t i = 0; i < parallelism; ++i) {
    shares[i].watermark = same_parallelism ? stored[i]->watermark : watermarks.smallest;
    if (is_keyed && !same_parallelism && !is_anything_under_way)
      shares[i].catch_up = watermarks.largest;
    shares[i].drained = same_parallelism ? stored[i]->drained : drained == stored.size();
  }
  give_counts(stored, shares);
  give_key_groups(stored, contents->checkpoint.key_groups, shares);
  give_list_items(stored, shares);
  return shares;
}

std::vector<restored_state> deal_out(const std::string& name, const std::vector<bytes>& items,
                                     std::uint32_t parallelism) {
  std::vector<restored_state> shares(parallelism);
  for (std::size_t i = 0; i < items.size(); ++i)
    shares[i % parallelism].lists[name].items.push_back(items[i]);
  return shares;
}

} // namespace weir
