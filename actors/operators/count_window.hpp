#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/types/vector.hpp>

#include <weir/actors/operators/keyed_window.hpp>
#include <weir/actors/operators/open_window.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/actors/trigger.hpp>
#include <weir/actors/window.hpp>
#include <weir/state/state_registry.hpp>

namespace weir {

/// So many records of a key, one after the other.
template <class Content>
struct count_slice {
  Content content{};
  std::uint64_t records = 0;
  event_time first = never; ///< of their event times, where they have any
  event_time latest = no_watermark;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(content, records, first, latest);
  }
};

/// What has come for a key, as far as windows still need it.
template <class Content>
struct count_row {
  std::vector<count_slice<Content>> slices;
  std::uint64_t since_pane = 0; ///< records

  template <class Archive>
  void serialize(Archive& archive) {
    archive(slices, since_pane);
  }
};

/// Windows of so many records of a key, which come out when they are full, and what is left at the end of the
/// input. Windows that overlap share slices of as many records as size and slide have in common.
///
/// A pane's window is the time from the first event time in it to behind the last; its own time is the last, or the
/// watermark. Where records have none, it is empty, at the Unix epoch.
///
/// Cost: a record changes one slice, a window is put together from size / gcd(size, slide) of them. Collected
///       windows that overlap are written anew with each pane.
template <record In, class Key, class Fold>
class count_window_function {
 public:
  using content_type = typename Fold::row;
  using value_type = window_value_t<Fold, Key>;
  using output = windowed<Key, value_type>;

  count_window_function(count_windows windows, Fold fold)
      : windows_(windows), fold_(std::move(fold)), slice_size_(std::gcd(windows.size(), windows.slide())) {}

  void open(state_registry& states) {
    row_ = states.value<count_row<content_type>>("windows");
    if constexpr (keeps_records<Fold>)
      records_ = states.list<In>("records");
  }

  void process(const In& in, keyed_context<Key>& context, emitter<output>& out) {
    if (!row_.has_value())
      context.set_timer(last_watermark); // for what is left
    count_row<content_type>& row = row_.mutable_value();
    if (row.slices.empty() || row.slices.back().records >= slice_size_)
      row.slices.emplace_back();
    count_slice<content_type>& slice = row.slices.back();
    fold_.add(slice.content, in, slice.records == 0);
    ++slice.records;
    if (const auto time = context.time()) {
      slice.first = std::min(slice.first, *time);
      slice.latest = std::max(slice.latest, *time);
    }
    if constexpr (keeps_records<Fold>)
      records_.add(in);
    if (++row.since_pane < windows_.slide())
      return;
    emit(context.key(), row, context.watermark(), out);
    if (windows_.is_tumbling()) {
      clear();
      context.delete_timer(last_watermark);
    } else {
      slide(row);
    }
  }

  void on_timer(const timer&, keyed_context<Key>& context, emitter<output>& out) {
    if (row_.has_value() && row_->since_pane != 0)
      emit(context.key(), *row_, no_watermark, out);
    clear();
  }

 private:
  /// What comes out is not late for those who get it, who know of `watermark`.
  void emit(const Key& key, const count_row<content_type>& row, event_time watermark, emitter<output>& out) {
    count_slice<content_type> whole = row.slices.front();
    for (std::size_t i = 1; i < row.slices.size(); ++i) {
      const count_slice<content_type>& next = row.slices[i];
      if constexpr (Fold::merges)
        fold_.merge(whole.content, next.content);
      whole.first = std::min(whole.first, next.first);
      whole.latest = std::max(whole.latest, next.latest);
    }
    const bool is_timed = whole.latest != no_watermark;
    out.set_timed(is_timed);
    out.set_time(std::max(whole.latest, watermark));
    output& pane = out.append();
    pane.key = key;
    pane.window = is_timed ? time_window{whole.first, whole.latest + std::chrono::milliseconds{1}} : time_window{};
    pane.pane = {};
    if constexpr (keeps_records<Fold>)
      pane.value.assign(records_.begin(), records_.end());
    else
      pane.value = fold_.value(key, whole.content);
  }

  /// Drops what no later window holds.
  void slide(count_row<content_type>& row) {
    row.since_pane = 0;
    const std::uint64_t kept = windows_.size() - windows_.slide();
    const auto drop_front = [](auto& all, std::uint64_t most) {
      if (all.size() > most)
        all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(most));
    };
    drop_front(row.slices, kept / slice_size_);
    if constexpr (keeps_records<Fold>) {
      std::vector<In> all = records_.to_vector();
      drop_front(all, kept);
      records_.update(std::move(all));
    }
  }

  void clear() {
    row_.clear();
    if constexpr (keeps_records<Fold>)
      records_.clear();
  }

  count_windows windows_;
  Fold fold_;
  std::uint64_t slice_size_;
  value_state<count_row<content_type>> row_;
  list_state<In> records_;
};

} // namespace weir
