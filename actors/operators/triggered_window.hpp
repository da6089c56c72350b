#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/keyed_rows.hpp>
#include <weir/actors/operator.hpp>
#include <weir/actors/operators/keyed_window.hpp>
#include <weir/actors/operators/open_window.hpp>
#include <weir/actors/trigger.hpp>
#include <weir/actors/window.hpp>

namespace weir {

/// Keyed windows of any kind that come out when a trigger says so. A window is kept until the watermark has
/// passed its end and the allowed lateness; what has been in no pane until then comes out at that time. When the
/// trigger has finished, that happens at the end of the window, and for each record after it. A record that comes
/// when all its windows are gone goes to output 1.
///
/// Time windows and the global one are a row for each key and window. The sessions of a key are one row: a
/// record is a session of its own, and those that overlap become one, their triggers too. (Akidau et al.,
/// "The Dataflow Model", 2015)
///
/// Each row has at most one timer in event time, and one in processing time, for what comes next in any of
/// its windows; one that has become too early finds nothing to do. Timers that a watermark has come to fire one
/// by one, in their order, as if it had come to each of them alone.
///
/// Cost: that of the windows that a record is in; of sessions, moving those of its key behind it when one begins or
///       two become one. A timer looks at all sessions of its key.
template <record In, class KeyOf, class Windows, class Fold, trigger<In> Trigger>
class triggered_window_operator final : public keyed_window_operator<In, KeyOf, Fold> {
  using base = keyed_window_operator<In, KeyOf, Fold>;

 public:
  using typename base::content_type;
  using typename base::key_type;
  using typename base::output_type;

  triggered_window_operator(KeyOf key_of, Fold fold, Windows windows, firing_rules<Trigger> rules)
      : base(std::move(key_of), std::move(fold)), windows_(std::move(windows)), rules_(std::move(rules)) {
    rules_.lateness = std::min(rules_.lateness, longest_time);
    if constexpr (is_aligned)
      slice_ = std::chrono::milliseconds{std::gcd(windows_.size(), windows_.slide())};
  }

  void receive(batch<In>& records) override {
    const event_time* const times = this->begin_batch(records, !is_global && !rules_.in_processing_time);
    const std::uint64_t* const hashes = records.hashes();
    trigger_moment at = moment();
    rows_.begin();
    this->for_each_record(records, [&](In& in, std::uint32_t i) {
      latest_ = times ? times[i] : no_watermark;
      if (!is_global && !rules_.in_processing_time)
        this->check_event_time(times[i]);
      at.time = times && !rules_.in_processing_time ? times[i] : at.now;
      if (!add(in, key_of_(std::as_const(in)), hashes ? hashes[i] : hash_of_all, at)) [[unlikely]]
        this->emit_late_record(std::move(in), latest_);
    });
    rows_.end();
  }

  std::optional<event_time> next_wakeup() const override {
    return rows_.next_wakeup();
  }

 private:
  using base::context;
  using base::fold_;
  using base::hash_of_all;
  using base::key_of_;
  using base::out_;
  using base::watermark;

  static constexpr bool is_global = std::is_same_v<Windows, global_windows>;
  static constexpr bool is_aligned = std::is_same_v<Windows, aligned_windows>;
  static constexpr bool merges = !is_global && !is_aligned;
  static constexpr bool collects = keeps_records<Fold>;

  using row_key = window_key<key_type>;
  using window_type = open_window<content_type, typename Trigger::state>;
  using row_type = open_windows<std::conditional_t<merges, std::vector<window_type>, std::array<window_type, 1>>>;

  /// The row of a key's sessions; the parts of their records begin at 0.
  static constexpr std::int64_t sessions_row = std::numeric_limits<std::int64_t>::min();

  static event_time to_time(std::int64_t ms) { return event_time{std::chrono::milliseconds{ms}}; }
  static std::int64_t to_ms(event_time time) { return time.time_since_epoch().count(); }

  trigger_moment moment() const {
    trigger_moment at;
    at.now = context().clock->now();
    at.watermark = rules_.in_processing_time ? at.now : watermark();
    return at;
  }

  /// When a window that ends then goes.
  event_time closing(event_time end) const { return is_global ? last_watermark : end + rules_.lateness; }

  /// Returns whether the record was in time for any window.
  bool add(const In& in, const key_type& key, std::uint64_t hash, trigger_moment& at) {
    bool is_in_time = true;
    if constexpr (is_global) {
      at.window = {no_watermark, last_watermark};
      keep_record(in, key, hash, 0);
      add_to_window(in, key, hash, 0, at);
    } else if constexpr (is_aligned) {
      is_in_time = add_to_aligned(in, key, hash, at);
    } else {
      is_in_time = add_to_session(in, key, hash, at);
    }
    deliver();
    return is_in_time;
  }

  bool add_to_aligned(const In& in, const key_type& key, std::uint64_t hash, trigger_moment& at)
    requires is_aligned
  {
    const std::chrono::milliseconds size{windows_.size()}, slide{windows_.slide()};
    const event_time newest = to_time(windows_.last_start(to_ms(at.time)));
    if (closing(newest + size) <= at.watermark)
      return false;
    keep_record(in, key, hash, windows_.floor(to_ms(at.time), slice_.count()));
    const auto before = (size - std::chrono::milliseconds{1} - (at.time - newest)) / slide;
    for (event_time start = newest - before * slide; start <= newest; start += slide) {
      at.window = {start, start + size};
      if (closing(at.window.end) > at.watermark)
        add_to_window(in, key, hash, to_ms(start), at);
    }
    return true;
  }

  void add_to_window(const In& in, const key_type& key, std::uint64_t hash, std::int64_t start,
                     const trigger_moment& at) {
    const row_key of{key, start};
    rows_.visit(hash_in_window(hash, start), of, [&] {
      const bool is_new = !open_.has_value();
      row_type& row = open_.mutable_value();
      window_type& one = row.windows[0];
      if (is_new)
        begin_window(one, at);
      take(one, in, at);
      settle(row, one, of, hash, at);
    });
  }

  bool add_to_session(const In& in, const key_type& key, std::uint64_t hash, trigger_moment& at)
    requires merges
  {
    const time_window own{at.time, at.time + std::chrono::milliseconds{windows_.gap(in)}};
    const row_key of{key, sessions_row};
    bool is_in_time = true;
    std::int64_t part = 0;
    rows_.visit(hash_in_window(hash, sessions_row), of, [&] {
      const bool is_late = closing(own.end) <= at.watermark;
      if (is_late && (!open_.has_value() || !overlaps(open_->windows, own))) {
        is_in_time = false;
        return;
      }
      row_type& row = open_.mutable_value();
      window_type& one = session_with(row.windows, own, at);
      take(one, in, at);
      if constexpr (collects) {
        if (one.content.parts.empty())
          one.content.parts.push_back(row.parts++);
        part = one.content.parts.back();
      }
      settle(row, one, of, hash, at);
    });
    if (is_in_time)
      keep_record(in, key, hash, part);
    return is_in_time;
  }

  static bool overlaps(const std::vector<window_type>& all, const time_window& own)
    requires merges
  {
    const auto first = first_from(all, own);
    return first != all.end() && first->window.start < own.end;
  }

  /// The first that is not before `own`. They are in order.
  template <class Sessions>
  static auto first_from(Sessions& all, const time_window& own) {
    return std::partition_point(all.begin(), all.end(),
                                [&](const window_type& one) { return one.window.end <= own.start; });
  }

  /// The session that `own` is a part of: a new one, or all that it overlaps as one.
  window_type& session_with(std::vector<window_type>& all, const time_window& own, trigger_moment& at)
    requires merges
  {
    const auto first = first_from(all, own);
    const auto last =
        std::find_if(first, all.end(), [&](const window_type& one) { return one.window.start >= own.end; });
    at.window = own;
    if (first == last) {
      const auto added = all.emplace(first);
      begin_window(*added, at);
      return *added;
    }
    at.window = {std::min(own.start, first->window.start), std::max(own.end, std::prev(last)->window.end)};
    // Contents are merged in the order of sessions.
    window_type& whole = *first;
    bool was_complete = whole.is_complete;
    for (auto other = std::next(first); other != last; ++other) {
      if (whole.records == 0)
        whole.content = std::move(other->content);
      else if (other->records != 0)
        fold_.merge(whole.content, other->content);
      whole.records += other->records;
      whole.fresh += other->fresh;
      whole.panes = std::max(whole.panes, other->panes);
      whole.latest = std::max(whole.latest, other->latest);
      was_complete = was_complete || other->is_complete;
      rules_.trigger.merge(whole.trigger, other->trigger, at);
    }
    whole.window = at.window;
    whole.is_complete = was_complete && at.has_passed_end(); // a longer one is complete at its new end
    all.erase(std::next(first), last);
    return whole;
  }

  void begin_window(window_type& one, const trigger_moment& at) const {
    one.window = at.window;
    one.is_complete = at.has_passed_end();
  }

  void take(window_type& one, const In& in, const trigger_moment& at) {
    fold_.add(one.content, in, one.records == 0);
    ++one.records;
    ++one.fresh;
    one.latest = std::max(one.latest, latest_);
    rules_.trigger.add(one.trigger, in, at);
  }

  /// Does what is due of a window that a record has come to.
  void settle(row_type& row, window_type& one, const row_key& of, std::uint64_t hash, const trigger_moment& at) {
    settle(one, of, hash, at);
    if (is_spent(one)) {
      end_row(row);
      return;
    }
    due_times next;
    note_next(one, at, next);
    bring_forward(row, next);
  }

  /// Does what is due of a row's windows, removes those that are over, and sets the timers for the others.
  void settle(row_type& row, const row_key& of, std::uint64_t hash, trigger_moment at) {
    const auto is_over = [&](window_type& one) {
      at.window = one.window;
      return settle(one, of, hash, at) || is_spent(one);
    };
    bool any = false;
    if constexpr (merges) {
      auto kept = row.windows.begin();
      for (auto one = kept; one != row.windows.end(); ++one) {
        if (is_over(*one))
          continue;
        if (kept != one)
          *kept = std::move(*one);
        ++kept;
      }
      row.windows.erase(kept, row.windows.end());
      any = !row.windows.empty();
    } else {
      any = !is_over(row.windows[0]);
    }
    if (!any) {
      end_row(row);
      return;
    }
    due_times next;
    for (const window_type& one : row.windows) {
      at.window = one.window;
      note_next(one, at, next);
    }
    bring_forward(row, next);
  }

  /// A global window that a trigger has emptied and that starts anew: the key may never come again.
  bool is_spent([[maybe_unused]] const window_type& one) const {
    if constexpr (is_global && std::equality_comparable<typename Trigger::state>)
      return one.records == 0 && one.trigger == typename Trigger::state{};
    else
      return false;
  }

  /// Returns whether the window is over.
  bool settle(window_type& one, const row_key& of, std::uint64_t hash, const trigger_moment& at) {
    const Trigger& trigger = rules_.trigger;
    const bool is_over = closing(one.window.end) <= at.watermark;
    const bool is_ready = trigger.is_ready(one.trigger, at);
    const bool has_left_out = !one.is_complete && context().skips_early_panes;
    const bool brings_rest =
        one.fresh != 0 &&
        (is_over || (at.has_passed_end() && (has_left_out || trigger.is_finished(one.trigger, at))));
    if (is_ready || brings_rest) {
      const bool purges = rules_.discards || (is_ready && trigger.purges(one.trigger, at));
      if (is_ready)
        trigger.fire(one.trigger, at);
      fire(one, of, hash, at, purges);
    }
    one.is_complete = at.has_passed_end();
    if constexpr (collects)
      if (is_over)
        due_.push_back({of, hash, one, {}, false, false, true});
    return is_over;
  }

  void fire(window_type& one, const row_key& of, std::uint64_t hash, const trigger_moment& at, bool purges) {
    const bool completes = at.has_passed_end() && !one.is_complete;
    const bool is_skipped = !at.has_passed_end() && !purges && context().skips_early_panes;
    const bool is_emitted = one.records != 0 && (one.fresh != 0 || completes) && !is_skipped;
    const pane_info pane{!at.has_passed_end() ? pane_timing::early
                         : completes          ? pane_timing::on_time
                                              : pane_timing::late,
                         one.panes};
    if (is_emitted) {
      ++one.panes;
      one.fresh = 0;
    }
    if constexpr (collects) {
      if (is_emitted || purges)
        due_.push_back({of, hash, one, pane, is_emitted, purges, false});
    } else if (is_emitted) {
      begin_pane(of.key, one, pane).value = fold_.value(of.key, one.content);
    }
    if (purges) {
      if (!collects || !is_shared())
        one.content = {};
      one.records = one.fresh = 0;
      if (is_global)
        one.panes = 0;
    }
  }

  output_type& begin_pane(const key_type& key, const window_type& one, const pane_info& pane) {
    // Neither the end of everything nor the clock is a time on the records' time line. What comes out there is
    // not late for those who get it.
    const bool has_end = !is_global && !rules_.in_processing_time;
    out_.set_timed(has_end || one.latest != no_watermark);
    out_.set_time(has_end ? one.window.last() : std::max(one.latest, watermark()));
    return base::begin_pane(key, one.window, pane);
  }

  struct due_times {
    event_time event = never;
    event_time processing = never;
  };

  /// When something may be due next.
  void note_next(const window_type& one, const trigger_moment& at, due_times& next) const {
    const auto note = [](event_time& first, event_time time, event_time reached) {
      if (time > reached)
        first = std::min(first, time);
    };
    due_times own;
    note(own.event, one.window.end, at.watermark);
    note(own.event, closing(one.window.end), at.watermark);
    note(own.event, rules_.trigger.next_event_time(one.trigger, at), at.watermark);
    note(own.processing, rules_.trigger.next_processing_time(one.trigger, at), at.now);
    if (rules_.in_processing_time) {
      own.processing = std::min(own.event, own.processing);
      own.event = one.window.end; // at the end of the input, in this order
    }
    next.event = std::min(next.event, own.event);
    next.processing = std::min(next.processing, own.processing);
  }

  void bring_forward(row_type& row, const due_times& next) {
    bring_forward(row.event_timer, next.event, time_domain::event);
    bring_forward(row.processing_timer, next.processing, time_domain::processing);
  }

  /// Sets a timer, if there is none that is as early. Global windows wait for the end of the input, which is never.
  void bring_forward(event_time& current, event_time wanted, time_domain domain) {
    if (current != row_type::unset && current <= wanted)
      return;
    if (wanted == never && (domain == time_domain::processing || !is_global))
      return;
    unset(current, domain);
    rows_.timers()->set({wanted, domain});
    current = wanted;
  }

  void unset(event_time& current, time_domain domain) {
    if (current != row_type::unset)
      rows_.timers()->erase({current, domain});
    current = row_type::unset;
  }

  void end_row(row_type& row) {
    unset(row.event_timer, time_domain::event);
    unset(row.processing_timer, time_domain::processing);
    open_.clear();
  }

  bool fire_timers(time_domain domain, event_time until, trigger_moment at) {
    const auto wake = [&](const timer& what, std::uint64_t row_hash, const row_key& of) {
      if (!open_.has_value())
        return;
      if (domain == time_domain::processing)
        at.now = what.time;
      if (rules_.in_processing_time)
        at.watermark = domain == time_domain::event ? last_watermark : what.time;
      else if (domain == time_domain::event)
        at.watermark = what.time;
      row_type& row = open_.mutable_value();
      (domain == time_domain::event ? row.event_timer : row.processing_timer) = row_type::unset;
      settle(row, of, row_hash ^ hash_in_window(0, of.start), at);
    };
    return rows_.fire_timers(domain, until, wake, [this] { deliver(); });
  }

  bool on_watermark(event_time time) override {
    // Windows of processing time wait for the end of the input alone.
    return (rules_.in_processing_time && time != last_watermark) || fire_timers(time_domain::event, time, moment());
  }
  bool on_wakeup(event_time now) override { return fire_timers(time_domain::processing, now, moment()); }

  void on_open(const restored_state& restored) override {
    rows_.open(context(), restored, true, [&](state_registry& states) {
      std::string name = "windows";
      if constexpr (is_aligned)
        name += " of " + windows_.text(); // what is kept of others would not fit
      open_ = states.value<row_type>(std::move(name));
      if constexpr (collects)
        records_ = states.list<In>("records");
    });
  }

  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    rows_.begin_write(made, order);
  }
  bool on_write_snapshot(operator_snapshot& made) override { return rows_.write_some(made); }

  // The records of windows that are collected lie in parts, a row each. A part of time windows is a slice,
  // which those that overlap share; sessions number theirs.

  /// What a window that is collected is due for; its row has been left.
  struct due_window {
    row_key of;
    std::uint64_t hash; ///< of the key
    window_type one;    ///< as it was
    pane_info pane;
    bool is_emitted;
    bool purges;
    bool is_over;
  };

  bool is_shared() const noexcept {
    if constexpr (is_aligned)
      return !windows_.is_tumbling();
    else
      return false;
  }

  void keep_record([[maybe_unused]] const In& in, [[maybe_unused]] const key_type& key,
                   [[maybe_unused]] std::uint64_t hash, [[maybe_unused]] std::int64_t part) {
    if constexpr (collects)
      rows_.visit(hash_in_window(hash, part), {key, part}, [&] { records_.add(in); });
  }

  void deliver() {
    if constexpr (collects)
      for (; !due_.empty(); due_.clear())
        for (const due_window& due : due_)
          deliver(due);
  }

  /// Calls use(part, index) for the parts of a window, or of those that no later window shares.
  template <class Use>
  void for_each_part(const due_window& due, bool only_own, Use&& use)
    requires collects
  {
    std::size_t n = 0;
    if constexpr (merges)
      for (const std::int64_t part : due.one.content.parts)
        use(part, n++);
    else if constexpr (is_global)
      use(std::int64_t{0}, n);
    else
      for (event_time at = due.one.window.start;
           at < (only_own ? due.one.window.start + std::chrono::milliseconds{windows_.slide()} : due.one.window.end);
           at += slice_)
        use(to_ms(at), n++);
  }

  template <class Body>
  void with_part(const due_window& due, std::int64_t part, Body&& body) {
    rows_.visit(hash_in_window(due.hash, part), {due.of.key, part}, body);
  }

  void deliver(const due_window& due)
    requires collects
  {
    const std::vector<std::uint64_t>& purged = due.one.content.purged;
    if (due.is_emitted) {
      std::vector<In>& all = begin_pane(due.of.key, due.one, due.pane).value;
      all.clear();
      all.reserve(due.one.records);
      for_each_part(due, false, [&](std::int64_t part, std::size_t n) {
        with_part(due, part, [&] {
          const auto skipped = static_cast<std::ptrdiff_t>(n < purged.size() ? purged[n] : 0);
          all.insert(all.end(), records_.begin() + skipped, records_.end());
        });
      });
    }
    if (due.purges && is_shared())
      note_purged(due);
    else if (due.purges || due.is_over)
      for_each_part(due, true, [&](std::int64_t part, std::size_t) {
        with_part(due, part, [&] { records_.clear(); });
      });
  }

  /// Other windows still need the records.
  void note_purged(const due_window& due)
    requires collects
  {
    std::vector<std::uint64_t> purged;
    for_each_part(due, false, [&](std::int64_t part, std::size_t) {
      with_part(due, part, [&] { purged.push_back(records_.size()); });
    });
    rows_.visit(hash_in_window(due.hash, due.of.start), due.of, [&] {
      if (open_.has_value())
        open_.mutable_value().windows[0].content.purged = std::move(purged);
    });
  }

  Windows windows_;
  firing_rules<Trigger> rules_;
  std::chrono::milliseconds slice_{0}; // of aligned windows
  keyed_rows<row_key> rows_;
  value_state<row_type> open_;
  list_state<In> records_;
  std::vector<due_window> due_;
  event_time latest_ = no_watermark; // event time of the current record
};

} // namespace weir
