#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operators/keyed_window.hpp>
#include <weir/actors/operators/slice_stack.hpp>
#include <weir/actors/window.hpp>
#include <weir/state/keyed_state.hpp>

namespace weir {

/// What an aligned_window_operator keeps for a key in one slice.
template <class Acc>
struct window_row {
  Acc content{};
  bool has_content = false;
  std::uint32_t panes = 0; ///< that came out of the window that ends with this slice

  bool is_empty() const noexcept { return !has_content && panes == 0; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(content, has_content, panes);
  }
};

/// Keyed windows of fixed size that come out when the watermark passes their end, and again for each
/// record that is late, within the allowed lateness. A record that is later goes to output 1.
///
/// Time is cut into slices that all windows consist of: tumbling windows are slices, sliding ones share
/// them. A record changes one row, that of its key in its slice, whatever the number of windows that it is
/// in; a window is put together from its slices when it comes out. (Li et al., "No pane, no gain", 2005)
///
/// The rows are keyed state. Beside them each slice has a list of the hashes of its rows, so that a window
/// finds them without timers, and for sliding windows each key has a slice_stack, so that the next window costs
/// a few merges and not one for each of its slices; that takes about as much memory again as the rows. With state
/// on disk there is a total for each key while a window comes out, and nothing else. Lists and stacks are built
/// anew from the rows after a restore. What has come out follows from the watermark.
///
/// Sliding windows need a fold that merges.
template <record In, class KeyOf, class Fold>
class aligned_window_operator final : public keyed_window_operator<In, KeyOf, Fold> {
  using base = keyed_window_operator<In, KeyOf, Fold>;

 public:
  using typename base::content_type;
  using typename base::key_type;

  aligned_window_operator(KeyOf key_of, Fold fold, aligned_windows windows,
                          std::chrono::milliseconds lateness)
      : base(std::move(key_of), std::move(fold)), windows_(windows),
        lateness_(std::min(lateness, longest_time).count()), slice_size_(std::gcd(windows.size(), windows.slide())) {}

  void receive(batch<In>& records) override {
    const event_time* const times = this->begin_batch(records, true);
    out_.set_timed(true);
    const std::uint64_t* const hashes = records.hashes();
    const std::uint32_t size = records.size();
    this->for_each_record(records, [&](In& in, std::uint32_t i) {
      if (i % records_ahead == 0)
        find_places(times, hashes, i, std::min(size, i + records_ahead));
      const destination& to = places_[i % records_ahead];
      if (to.expected) [[likely]] {
        const auto& key = key_of_(std::as_const(in));
        const auto is_it = [&](const row_key& found) { return found.key == key && found.start == to.start; };
        if (std::byte* const place = state_->update_expected(to.expected, to.hash, is_it)) [[likely]] {
          if (row_type& row = row_at(place); row.has_content) [[likely]] {
            fold_.add(row.content, std::as_const(in), false);
            return;
          }
        }
      }
      add(in, times[i], i % records_ahead);
    });
    state_->settle(0);
  }

 private:
  using base::fold_;
  using base::hash_of_all;
  using base::key_of_;
  using base::out_;

  using row_key = window_key<key_type>;
  using row_type = window_row<content_type>;
  using state_type = keyed_state<row_key, static_rows<row_type>>;
  using table_type = typename state_type::table_type;
  using stacks_type = keyed_table<key_type, static_rows<slice_stack<Fold>>>;

  struct slice {
    std::int64_t start = 0;
    std::vector<std::uint64_t> rows; ///< hashes in this slice
    bool is_out = false;             ///< a window with it has come out
  };

  static constexpr std::uint32_t rows_per_step = 1024;

  static row_type& row_at(std::byte* place) { return *std::launder(reinterpret_cast<row_type*>(place)); }

  std::int64_t watermark_ms() const { return this->watermark().time_since_epoch().count(); }

  /// Whether nothing is kept any more of what ends then.
  bool is_over(std::int64_t end, std::int64_t watermark) const noexcept {
    return watermark != no_watermark.time_since_epoch().count() && end <= watermark - lateness_;
  }

  /// How many records are looked at before the first of them is added.
  static constexpr std::uint32_t records_ahead = 64;

  /// Where a record goes.
  struct destination {
    std::uint64_t hash;
    std::int64_t start;  ///< of the slice
    std::byte* expected; ///< the slot of the row; null: unknown, or there is more to do than to add
    slice* into;         ///< null: the record is late
  };

  struct recent_slice {
    std::int64_t start;
    std::uint64_t mixed; ///< into the hashes of its rows
    slice* into;         ///< null: all its windows are over
    bool only_adds;      ///< nothing of it has come out
  };

  /// Where the window that starts last of those with this slice ends.
  std::int64_t last_end(std::int64_t slice_start) const noexcept {
    return windows_.last_start(slice_start) + windows_.size();
  }

  /// Modulo 2^64: any two times may be given.
  static std::uint64_t distance(std::int64_t from, std::int64_t to) noexcept {
    return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  }

  /// Finds where the records from `first` to before `last` go, and begins to load their rows into the cache.
  void find_places(const event_time* times, const std::uint64_t* hashes, std::uint32_t first, std::uint32_t last) {
    const typename table_type::expectations expected(state_->table());
    layout_ = state_->table().layout();
    const auto size = static_cast<std::uint64_t>(slice_size_);
    // Records of one batch are of few slices: the last two are remembered.
    if (first == 0)
      recent_.fill(find_recent(times[0].time_since_epoch().count()));
    std::array<recent_slice, 2> recent = recent_;
    destination* to = places_.data();
    for (std::uint32_t i = first; i < last; ++i, ++to) {
      const std::int64_t time = times[i].time_since_epoch().count();
      // Which of the two it is follows no pattern: no branch.
      bool is_second = distance(recent[1].start, time) < size;
      if (!is_second && distance(recent[0].start, time) >= size) [[unlikely]] {
        is_second = recent[1].start < recent[0].start;
        recent[is_second] = find_recent(time);
      }
      const recent_slice& found = recent[is_second];
      const std::uint64_t hash = (hashes ? hashes[i] : hash_of_all) ^ found.mixed;
      std::byte* const slot = expected(hash);
      *to = {hash, found.start, found.only_adds ? slot : nullptr, found.into};
    }
    recent_ = recent;
  }

  [[gnu::noinline]] recent_slice find_recent(std::int64_t time) {
    if (!is_event_time(event_time{std::chrono::milliseconds{time}}))
      return {time, 0, nullptr, false}; // add() will say so
    const std::int64_t start = windows_.floor(time, slice_size_);
    slice* const into = is_over(last_end(start), watermark_ms()) ? nullptr : &slice_at(start);
    return {start, hash_in_window(0, start), into, into && !into->is_out};
  }

  slice& slice_at(std::int64_t start) {
    const auto [found, inserted] = slices_.try_emplace(start);
    if (inserted) {
      const std::int64_t out_until = phase_ == phase::idle ? watermark_ms() : end_;
      found->second.start = start;
      found->second.is_out = first_end(start) <= out_until;
    }
    return found->second;
  }

  /// Where the first window ends of those with this slice.
  std::int64_t first_end(std::int64_t slice_start) const noexcept {
    const std::int64_t start = slice_start - windows_.size() + slice_size_;
    const std::int64_t before = windows_.last_start(start);
    return (before == start ? start : before + windows_.slide()) + windows_.size();
  }

  /// A record that is the first of its row, or late, or whose row is elsewhere.
  [[gnu::noinline]] void add(In& in, event_time time, std::uint32_t index) {
    const destination to = places_[index];
    this->check_event_time(time);
    if (!to.into) {
      this->emit_late_record(std::move(in), time);
      return;
    }
    const auto [place, created] = state_->update(to.hash, row_key{key_of_(std::as_const(in)), to.start});
    row_type& row = row_at(place);
    if (row.is_empty())
      to.into->rows.push_back(to.hash);
    fold_.add(row.content, in, !row.has_content);
    row.has_content = true;
    if (to.start < stacked_until_)
      add_to_stack(to.hash ^ hash_in_window(0, to.start), key_of_(std::as_const(in)), to.start, in);
    if (to.into->is_out)
      emit_late(in, to.hash ^ hash_in_window(0, to.start), time.time_since_epoch().count());
    if (state_->table().layout() != layout_)
      for (destination& later : places_)
        later.expected = nullptr;
  }

  /// The windows of a late record that have come out and are not over come out again.
  void emit_late(const In& in, std::uint64_t hash, std::int64_t time) {
    const key_type key = key_of_(in);
    const std::int64_t newest = windows_.last_start(time);
    std::int64_t start = newest - (windows_.size() - 1 - (time - newest)) / windows_.slide() * windows_.slide();
    while (is_over(start + windows_.size(), watermark_ms()))
      start += windows_.slide();
    // Each slice is read once, however many windows it is in.
    slice_stack<Fold> stack;
    auto next = slices_.lower_bound(start);
    for (; start <= newest && start + windows_.size() <= watermark_ms(); start += windows_.slide()) {
      const std::int64_t end = start + windows_.size();
      for (; next != slices_.end() && next->first < end; ++next)
        read_slice(stack, key, hash, next->first);
      stack.drop_before(fold_, start);
      emit(key, hash, end, stack.total(fold_), pane_timing::late);
    }
  }

  void read_slice(slice_stack<Fold>& into, const key_type& key, std::uint64_t hash, std::int64_t start) {
    const row_key of{key, start};
    const std::uint64_t row_hash = hash_in_window(hash, start);
    if (!state_->is_on_disk() && !state_->table().find(row_hash, of))
      return;
    const auto [place, created] = state_->find_or_create(row_hash, of);
    if (const row_type& row = row_at(place); row.has_content)
      into.push(fold_, start, row.content);
    else if (created)
      state_->erase(row_hash, of, true);
  }

  void emit_on_time(const key_type& key, std::uint64_t hash, const content_type& content) {
    if (!group_out_until_.empty() && end_ <= group_out_until_[index_of_group(hash)]) [[unlikely]]
      return;
    emit(key, hash, end_, content, pane_timing::on_time);
  }

  std::uint32_t index_of_group(std::uint64_t hash) const {
    return key_group_of(hash, this->context().key_groups).value - stacks_->range().first;
  }

  void emit(const key_type& key, std::uint64_t hash, std::int64_t end, const content_type& content,
            pane_timing timing) {
    std::uint32_t index = 0;
    if (lateness_ != 0) {
      // The row of the window's last slice counts its panes.
      const std::int64_t at = end - slice_size_;
      const std::uint64_t row_hash = hash_in_window(hash, at);
      row_type& row = row_at(state_->update(row_hash, {key, at}).row);
      if (row.is_empty())
        slice_at(at).rows.push_back(row_hash);
      index = row.panes++;
    }
    const time_window window{event_time{std::chrono::milliseconds{end - windows_.size()}},
                             event_time{std::chrono::milliseconds{end}}};
    out_.set_time(window.last());
    this->begin_pane(key, window, {timing, index}).value = fold_.value(key, content);
  }

  // A step of what a watermark brings: windows come out one after the other, in the order of their ends.
  bool on_watermark(event_time time) override {
    const std::int64_t watermark = time.time_since_epoch().count();
    std::uint32_t budget = rows_per_step;
    out_.set_timed(true);
    while (budget != 0) {
      if (phase_ == phase::idle && !begin_window(watermark))
        break;
      if (phase_ == phase::collecting)
        collect(budget);
      if (phase_ == phase::emitting)
        emit_collected(budget);
    }
    const bool is_done = phase_ == phase::idle && budget != 0 && erase_over(watermark, budget);
    if (is_done)
      group_out_until_.clear(); // the first watermark after a restore is one of all groups
    state_->settle(0);
    return is_done;
  }

  /// Finds the next window that is to come out, if any.
  bool begin_window(std::int64_t watermark) {
    const std::int64_t done = std::max(out_until_, watermark_ms());
    // Slices that are kept for late records alone are passed over.
    const bool none_is_out = done < no_watermark.time_since_epoch().count() + windows_.size();
    auto at = none_is_out ? slices_.begin() : slices_.upper_bound(done - windows_.size());
    for (; at != slices_.end(); ++at) {
      // The first window with this slice that has not come out.
      std::int64_t end = first_end(at->first);
      if (end <= done)
        end += (done - end) / windows_.slide() * windows_.slide() + windows_.slide();
      if (end > last_end(at->first))
        continue;
      if (end > watermark)
        return false;
      end_ = end;
      next_slice_ = std::max(end - windows_.size(), stacked_until_);
      next_row_ = 0;
      phase_ = phase::collecting;
      return true;
    }
    return false;
  }

  /// A tumbling window is its slice, and comes out at once. The slices of sliding ones that are new go to the
  /// stacks of their keys.
  void collect(std::uint32_t& budget) {
    const auto& table = state_->table();
    for (auto at = slices_.lower_bound(next_slice_); at != slices_.end() && at->first < end_;
         at = slices_.lower_bound(next_slice_)) {
      next_slice_ = at->first;
      slice& from = at->second;
      from.is_out = true;
      for (; next_row_ < from.rows.size(); ++next_row_) {
        if (budget == 0)
          return;
        --budget;
        if (next_row_ + prefetch_distance < from.rows.size()) {
          const std::uint64_t ahead = from.rows[next_row_ + prefetch_distance];
          table.prefetch(ahead);
          if (!windows_.is_tumbling())
            stacks_->prefetch(ahead ^ hash_in_window(0, from.start));
        }
        collect_row(from.rows[next_row_], from.start);
      }
      next_row_ = 0;
      ++next_slice_;
      collided_.clear();
    }
    if (!windows_.is_tumbling())
      stacked_until_ = end_;
    phase_ = phase::emitting;
    next_stack_ = 0;
  }

  void collect_row(std::uint64_t hash, std::int64_t start) {
    found_.clear();
    int keys = 0;
    state_->for_each_of(hash, [&](const row_key& key, std::byte* place) {
      if (key.start != start || hash_of(key) != hash)
        return;
      ++keys;
      if (row_at(place).has_content)
        found_.push_back({key.key, &row_at(place)});
    });
    if (keys > 1) [[unlikely]] { // each of them is in the list, and the first time brought all
      if (std::find(collided_.begin(), collided_.end(), hash) != collided_.end())
        return;
      collided_.push_back(hash);
    }
    for (const auto& [key, row] : found_) {
      const std::uint64_t key_hash = hash ^ hash_in_window(0, start);
      if (windows_.is_tumbling())
        emit_on_time(key_type(key), key_hash, row->content);
      else if (state_->is_on_disk())
        stack_of(key_hash, key).push_total(fold_, start, row->content);
      else
        stack_of(key_hash, key).push(fold_, start, row->content);
    }
  }

  slice_stack<Fold>& stack_at(std::byte* place) { return *std::launder(reinterpret_cast<slice_stack<Fold>*>(place)); }

  slice_stack<Fold>& stack_of(std::uint64_t hash, const key_type& key) {
    const auto [place, created] = stacks_->find_or_create(hash, key);
    if (created) {
      int keys = 0; // with this hash
      stacks_->for_each_of(hash, [&](const key_type& other, std::byte*) { keys += hash_of(other) == hash; });
      if (keys == 1)
        stacked_.push_back(hash);
    }
    return stack_at(place);
  }

  void add_to_stack(std::uint64_t hash, const key_type& key, std::int64_t start, const In& in) {
    if (start + windows_.size() > out_until_) // otherwise no window with it is to come
      stack_of(hash, key).add(fold_, start, in);
  }

  void emit_collected(std::uint32_t& budget) {
    while (next_stack_ < stacked_.size()) {
      if (budget == 0)
        return;
      --budget;
      if (next_stack_ + prefetch_distance < stacked_.size())
        stacks_->prefetch(stacked_[next_stack_ + prefetch_distance]);
      if (emit_stacks(stacked_[next_stack_])) {
        ++next_stack_;
      } else {
        stacked_[next_stack_] = stacked_.back();
        stacked_.pop_back();
      }
    }
    if (state_->is_on_disk())
      clear_stacks(); // what is in memory of state that may be larger is no more than one window's
    out_until_ = end_;
    phase_ = phase::idle;
  }

  /// Lets the window of the keys with this hash come out. Returns whether any key has slices left.
  bool emit_stacks(std::uint64_t hash) {
    bool any = false;
    emptied_.clear();
    stacks_->for_each_of(hash, [&](const key_type& key, std::byte* place) {
      if (hash_of(key) != hash)
        return;
      slice_stack<Fold>& stack = stack_at(place);
      stack.drop_before(fold_, end_ - windows_.size());
      if (stack.is_empty()) {
        emptied_.push_back(key);
      } else {
        any = true;
        emit_on_time(key, hash, stack.total(fold_));
      }
    });
    for (const key_type& key : emptied_)
      stacks_->erase(hash, key);
    return any;
  }

  void clear_stacks() {
    if (stacked_.empty())
      return;
    const key_group_range range = stacks_->range();
    for (std::uint32_t group = range.first; group < range.last; ++group)
      stacks_->clear(key_group{group});
    stacked_.clear();
    stacked_until_ = no_slices;
  }

  /// Removes the rows of slices all of whose windows are over. Returns whether those were all.
  bool erase_over(std::int64_t watermark, std::uint32_t& budget) {
    while (!slices_.empty() && is_over(last_end(slices_.begin()->first), watermark)) {
      slice& oldest = slices_.begin()->second;
      while (!oldest.rows.empty()) {
        if (budget == 0)
          return false;
        --budget;
        if (oldest.rows.size() > prefetch_distance) // by now they are in no cache
          state_->table().prefetch(oldest.rows[oldest.rows.size() - 1 - prefetch_distance]);
        erase_row(oldest.rows.back(), oldest.start);
        oldest.rows.pop_back();
      }
      slices_.erase(slices_.begin());
    }
    return true;
  }

  void erase_row(std::uint64_t hash, std::int64_t start) {
    erased_.clear();
    state_->for_each_of(hash, [&](const row_key& key, std::byte* place) {
      if (key.start != start || hash_of(key) != hash)
        return;
      row_at(place) = row_type{};
      state_->set_changed(hash, place);
      erased_.push_back(key);
    });
    for (const row_key& key : erased_)
      state_->erase(hash, key, false);
  }

  void on_open(const restored_state& restored) override {
    state_ = std::make_unique<state_type>(keyed_setup(this->context()),
                                          static_rows<row_type>("windows of " + windows_.text()));
    state_->restore(restored);
    stacks_ = std::make_unique<stacks_type>(state_->table().range(), state_->table().groups());
    state_->for_each_row([&](const row_key& key, const std::byte*) {
      slice_at(key.start).rows.push_back(hash_of(key));
    });
    out_until_ = watermark_ms();
    note_groups_ahead(restored);
  }

  /// What has come out of some key groups, where this instance gets them from others that were ahead.
  void note_groups_ahead(const restored_state& restored) {
    const key_group_range range = stacks_->range();
    for (const restored_groups& part : restored.keyed) {
      if (part.stored->watermark <= this->watermark())
        continue;
      group_out_until_.resize(range.last - range.first, out_until_);
      for (const key_group_snapshot* group : part.groups)
        group_out_until_[group->group.value - range.first] = part.stored->watermark.time_since_epoch().count();
    }
  }

  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    if (this->context().is_stored)
      state_->begin_write(made, order, 0); // nothing here has a time to live
  }
  bool on_write_snapshot(operator_snapshot& made) override { return state_->write_some(made); }

  aligned_windows windows_;
  std::int64_t lateness_;
  std::int64_t slice_size_;
  std::unique_ptr<state_type> state_;
  std::map<std::int64_t, slice> slices_; // by start
  std::array<recent_slice, 2> recent_;   // of a batch
  std::array<destination, records_ahead> places_; // of the next records
  std::uint64_t layout_ = 0;                      // of the table, as places_ have it

  // The window that is coming out:
  enum class phase : std::uint8_t { idle, collecting, emitting };
  phase phase_ = phase::idle;
  std::int64_t end_ = 0;
  std::int64_t out_until_ = 0;  // all windows that end until then are out
  std::int64_t next_slice_ = 0; // of the window
  std::size_t next_row_ = 0;    // of the slice
  std::size_t next_stack_ = 0;  // in stacked_
  std::vector<std::int64_t> group_out_until_; // of each key group, until they have caught up with each other

  // Sliding: what is in memory of each key's slices for the windows to come, built anew after a restore.
  static constexpr std::int64_t no_slices = std::numeric_limits<std::int64_t>::min();
  std::unique_ptr<stacks_type> stacks_;
  std::vector<std::uint64_t> stacked_;      // hashes of the keys that have any
  std::int64_t stacked_until_ = no_slices;  // slices that start before are there
  std::vector<key_type> emptied_;

  struct found_row {
    const key_type& key;
    row_type* row;
  };
  std::vector<found_row> found_;
  std::vector<std::uint64_t> collided_; // hashes that several keys of the slice have
  std::vector<row_key> erased_;
};

} // namespace weir
