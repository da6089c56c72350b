#pragma once

#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace weir {

/// The newest slices of time of one key, and all of them put together: what a sliding window holds. `Fold` says
/// how, see keyed_fold.hpp; without a merge there may be one slice at a time.
///
/// The older slices are kept each with all that come behind them, the others as they are and together. When there
/// is nothing left of the older ones the others become so. (Two stacks: Tangwongsan, Hirzel, Schneider, "Low-latency
/// sliding-window aggregation in worst-case constant time", 2017)
///
/// Cost: three merges for each slice in all, however many slices there are at a time.
template <class Fold>
class slice_stack {
 public:
  using content_type = typename Fold::row;

  bool is_empty() const noexcept { return older_.empty() && newer_.empty(); }

  /// Adds a slice that starts after all that are here.
  void push(Fold& fold, std::int64_t start, const content_type& content) {
    if (newer_.empty())
      newer_total_ = content;
    else
      merge(fold, newer_total_, content);
    newer_.push_back({start, content});
  }

  /// The same where all that is wanted is total(), once: keeps no slices.
  void push_total(Fold& fold, std::int64_t start, const content_type& content) {
    if (newer_.empty()) {
      newer_.push_back({start, {}});
      newer_total_ = content;
    } else {
      merge(fold, newer_total_, content);
    }
  }

  /// Adds a record to a slice, whether that is here or not.
  template <class In>
  void add(Fold& fold, std::int64_t start, const In& in) {
    if (!newer_.empty() && (older_.empty() || start > older_.front().start)) {
      auto at = newer_.begin();
      while (at != newer_.end() && at->start < start)
        ++at;
      const bool is_new = at == newer_.end() || at->start != start;
      if (is_new)
        at = newer_.insert(at, {start, {}});
      fold.add(at->content, in, is_new);
      fold.add(newer_total_, in, false);
      return;
    }
    // It is behind the older ones that start before it.
    auto at = older_.begin();
    while (at != older_.end() && at->start > start)
      ++at;
    if (at == older_.end() || at->start != start) {
      const bool is_first = at == older_.begin();
      at = older_.insert(at, {start, is_first ? content_type{} : std::prev(at)->content});
      fold.add(at->content, in, is_first);
      ++at;
    }
    for (; at != older_.end(); ++at)
      fold.add(at->content, in, false);
  }

  /// Drops the slices that start before `start`.
  void drop_before(Fold& fold, std::int64_t start) {
    while (!older_.empty() && older_.back().start < start)
      older_.pop_back();
    if (!older_.empty() || newer_.empty() || newer_.front().start >= start)
      return;
    for (; !newer_.empty() && newer_.back().start >= start; newer_.pop_back()) {
      slice& next = newer_.back();
      if (!older_.empty())
        merge(fold, next.content, older_.back().content);
      older_.push_back(std::move(next));
    }
    newer_.clear();
  }

  /// All slices together. Needs one.
  content_type total(Fold& fold) const {
    if (older_.empty())
      return newer_total_;
    content_type whole = older_.back().content;
    if (!newer_.empty())
      merge(fold, whole, newer_total_);
    return whole;
  }

 private:
  static void merge([[maybe_unused]] Fold& fold, [[maybe_unused]] content_type& into,
                    [[maybe_unused]] const content_type& from) {
    if constexpr (Fold::merges)
      fold.merge(into, from);
  }

  struct slice {
    std::int64_t start;
    content_type content;
  };

  std::vector<slice> older_; // the newest first, each with those before it here
  std::vector<slice> newer_; // the oldest first
  content_type newer_total_{};
};

} // namespace weir
