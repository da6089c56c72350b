#include <support/window_oracle.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

namespace weir::testing {

namespace {

using ids = std::vector<std::uint32_t>;
using span = std::pair<std::int64_t, std::int64_t>;
using shape = window_kind::shape;

bool holds(const ids& all, std::uint32_t one) {
  return std::binary_search(all.begin(), all.end(), one);
}

bool holds_all(const ids& all, const ids& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

ids sorted(ids all) {
  std::sort(all.begin(), all.end());
  return all;
}

std::string text(const ids& all) {
  std::string text = "{";
  for (const std::uint32_t one : all)
    text += (text.size() == 1 ? "" : " ") + std::to_string(one);
  return text + "}";
}

std::string text(std::uint64_t key, span window) {
  return "key " + std::to_string(key) + " [" + std::to_string(window.first) + ", " + std::to_string(window.second) +
         ")";
}

bool overlap(span a, span b) {
  return a.first < b.second && b.first < a.second;
}

/// Gathers what is wrong about one kind.
class examination {
 public:
  examination(const window_kind& kind, const sent_records& sent, const std::vector<seen_pane>& panes, const ids& late)
      : kind_(kind), sent_(sent), late_(sorted(late)) {
    for (const seen_pane& one : panes)
      by_key_[one.key].push_back(one);
    // The ids of each pane in order: sets are compared, but for what keeps_order is about.
    for (auto& [key, all] : by_key_)
      for (seen_pane& one : all) {
        in_order_[key].push_back(one.ids);
        one.ids = sorted(std::move(one.ids));
        if (std::adjacent_find(one.ids.begin(), one.ids.end()) != one.ids.end())
          complain(text(key, {one.start, one.end}) + ": a record twice in one pane: " + text(one.ids));
        if (!one.ids.empty() && one.ids.back() >= sent_.all.size())
          complain("a record that nobody sent");
      }
  }

  std::vector<std::string> run() {
    if (!found_.empty())
      return found_;
    find_lost();
    check_late();
    for (const auto& [key, all] : by_key_) {
      if (kind_.what != shape::counted)
        check_pane_order(key, all);
      if (!kind_.only_counts)
        check_belonging(key, all);
    }
    switch (kind_.what) {
    case shape::aligned: check_aligned(); break;
    case shape::session: check_sessions(); break;
    case shape::global: check_global(); break;
    case shape::counted: check_counted(); break;
    case shape::by_clock: check_by_clock(); break;
    }
    return std::move(found_);
  }

 private:
  void complain(std::string what) {
    if (found_.size() < 20)
      found_.push_back(kind_.name + ": " + std::move(what));
  }

  std::uint64_t key_of(const sighting& one) const { return kind_.is_keyed ? one.key : 0; }

  /// When the windows of a record are all over.
  std::int64_t last_end(const sighting& one) const {
    return kind_.what == shape::session ? own_session(one).second : windows_of(one.time).back().second;
  }

  span own_session(const sighting& one) const { return {one.time, one.time + (kind_.gap != 0 ? kind_.gap : one.gap)}; }

  /// The aligned windows that hold a time, in order.
  std::vector<span> windows_of(std::int64_t time) const {
    std::vector<span> all;
    for (std::int64_t start = time - kind_.size + 1; start <= time; ++start)
      if ((start - kind_.offset) % kind_.slide == 0)
        all.emplace_back(start, start + kind_.size);
    return all;
  }

  bool is_late(std::uint32_t id) const { return holds(late_, id); }

  /// Where nobody reads what is late, it is what is in no pane.
  void find_lost() {
    if (kind_.reads_late || kind_.only_counts)
      return;
    std::vector<bool> is_there(sent_.all.size(), false);
    for (const auto& [key, all] : by_key_)
      for (const seen_pane& one : all)
        for (const std::uint32_t id : one.ids)
          is_there[id] = true;
    for (const sighting& one : sent_.all)
      if (!is_there[one.id])
        late_.push_back(one.id);
  }

  void check_late() {
    if (std::adjacent_find(late_.begin(), late_.end()) != late_.end())
      complain("a record was late twice");
    if (!late_.empty() && (sent_.none_is_late || kind_.what == shape::global || kind_.what == shape::counted ||
                           kind_.what == shape::by_clock))
      complain("late, but cannot be: " + text(late_));
    else if (sent_.stamps_bound)
      for (const std::uint32_t id : late_)
        if (const sighting& one = sent_.all[id]; last_end(one) + kind_.lateness > one.stamp)
          complain("record " + std::to_string(id) + " of time " + std::to_string(one.time) +
                   " was late, but the watermark was not beyond " + std::to_string(one.stamp));
  }

  /// Indices from 0, and timings in their order.
  void check_pane_order(std::uint64_t key, const std::vector<seen_pane>& all) {
    std::map<span, const seen_pane*> last;
    std::int64_t last_end = std::numeric_limits<std::int64_t>::min();
    for (const seen_pane& one : all) {
      const span window{one.start, one.end};
      const seen_pane*& before = last[window];
      const std::string where = text(key, window) + " pane " + std::to_string(one.pane.index);
      if (before && (before->pane.timing > one.pane.timing ||
                     (before->pane.timing == pane_timing::on_time && one.pane.timing == pane_timing::on_time)))
        complain(where + ": comes too late in the order of early, on time, late");
      if (kind_.what == shape::session)
        check_session_index(where, one, all, before);
      else if (const bool is_anew = kind_.what == shape::global && kind_.discards; // once emptied
               one.pane.index != (before && !is_anew ? before->pane.index + 1 : 0))
        complain(where + " comes after " + (before ? std::to_string(before->pane.index) : "none"));
      if (one.pane.timing == pane_timing::on_time && kind_.fires_at_end) {
        if (one.end < last_end)
          complain(where + ": on time after one that ends at " + std::to_string(last_end));
        last_end = one.end;
      }
      before = &one;
    }
  }

  /// A session counts on from those that became part of it.
  void check_session_index(const std::string& where, const seen_pane& one, const std::vector<seen_pane>& all,
                           const seen_pane* before) {
    if (kind_.discards || kind_.only_counts) {
      if (before && before->pane.index >= one.pane.index)
        complain(where + " comes after " + std::to_string(before->pane.index));
      return;
    }
    std::uint32_t wanted = 0;
    for (const seen_pane* part = all.data(); part != &one; ++part)
      if (holds_all(one.ids, part->ids))
        wanted = std::max(wanted, part->pane.index + 1);
    if (one.pane.index != wanted)
      complain(where + ": expected index " + std::to_string(wanted));
  }

  /// What is in a pane is of its key and its time, and was not late.
  void check_belonging(std::uint64_t key, const std::vector<seen_pane>& all) {
    const bool has_end = kind_.what == shape::aligned || kind_.what == shape::session;
    for (const seen_pane& one : all)
      for (const std::uint32_t id : one.ids) {
        const sighting& in = sent_.all[id];
        const bool came_late = in.stamp >= one.end;
        if (has_end && kind_.fires_at_end && sent_.is_one_sequence &&
            (one.pane.timing == pane_timing::late ? kind_.discards && !came_late && kind_.what == shape::aligned
                                                  : came_late))
          complain("record " + std::to_string(id) + " came at " + std::to_string(in.stamp) + " and is in a pane of " +
                   text(key, {one.start, one.end}) + " that is " +
                   (one.pane.timing == pane_timing::late ? "late" : "early or on time"));
        if (key_of(in) != key || (kind_.what != shape::by_clock && (in.time < one.start || in.time >= one.end)))
          complain("record " + std::to_string(id) + " of time " + std::to_string(in.time) + " is in " +
                   text(key, {one.start, one.end}));
        if (is_late(id))
          complain("record " + std::to_string(id) + " was late and is in " + text(key, {one.start, one.end}));
      }
  }

  /// The windows of each key with what they hold in the end.
  struct content {
    std::uint64_t count = 0;
    ids all;
  };
  std::map<std::pair<std::uint64_t, span>, content> contents() {
    std::map<std::pair<std::uint64_t, span>, content> of;
    for (const auto& [key, all] : by_key_) {
      std::map<span, ids> in_order;
      for (std::size_t i = 0; i < all.size(); ++i) {
        const seen_pane& one = all[i];
        const span window{one.start, one.end};
        content& so_far = of[{key, window}];
        if (!kind_.discards) {
          if (!holds_all(one.ids, so_far.all) || one.count < so_far.count)
            complain(text(key, window) + ": has lost records since the last pane");
          so_far = {};
          in_order[window].clear();
        }
        so_far.count += one.count;
        so_far.all.insert(so_far.all.end(), one.ids.begin(), one.ids.end());
        std::sort(so_far.all.begin(), so_far.all.end());
        if (std::adjacent_find(so_far.all.begin(), so_far.all.end()) != so_far.all.end())
          complain(text(key, window) + ": a record in two panes that discard");
        ids& order = in_order[window];
        order.insert(order.end(), in_order_[key][i].begin(), in_order_[key][i].end());
      }
      // Ids are given in the order of sending.
      if (kind_.keeps_order && sent_.is_one_sequence)
        for (const auto& [window, order] : in_order)
          if (!std::is_sorted(order.begin(), order.end()))
            complain(text(key, window) + ": not in the order in which they came: " + text(order));
    }
    return of;
  }

  struct expectation {
    ids must; ///< are in it
    ids may;  ///< be in it, or not; the others, too
  };

  void check_aligned() {
    std::map<std::pair<std::uint64_t, span>, expectation> expected;
    for (const sighting& one : sent_.all) {
      const std::vector<span> windows = windows_of(one.time);
      if (is_late(one.id))
        continue;
      const bool is_over = windows.back().second + kind_.lateness <= one.stamp;
      if (sent_.is_one_sequence && is_over && !(kind_.only_counts && !kind_.reads_late))
        complain("record " + std::to_string(one.id) + " of time " + std::to_string(one.time) + " was not late at " +
                 std::to_string(one.stamp));
      for (const span& window : windows) {
        const bool may_be_over = window.second + kind_.lateness <= one.stamp;
        const bool must = (!may_be_over && sent_.stamps_bound) || window == windows.back();
        if (must || !(sent_.is_one_sequence && may_be_over))
          expected[{key_of(one), window}].may.push_back(one.id);
        if (must)
          expected[{key_of(one), window}].must.push_back(one.id);
      }
    }
    if (sent_.is_one_sequence && kind_.fires_at_end && !kind_.discards && !kind_.only_counts)
      for (const auto& [where, what] : expected)
        check_on_time(where.first, where.second, what.may);
    const auto found = contents();
    for (const auto& [where, what] : expected)
      if (!what.must.empty() && !found.contains(where))
        complain(text(where.first, where.second) + " did not come out, expected " + text(what.must));
    std::map<std::uint32_t, std::set<span>> windows_with;
    for (const auto& [where, what] : found) {
      const std::string name = text(where.first, where.second);
      const auto wanted = expected.find(where);
      if (wanted == expected.end()) {
        complain(name + " came out, but there is nothing in it");
        continue;
      }
      const auto& [must, may] = wanted->second;
      if (kind_.only_counts ? what.count < must.size() || what.count > may.size()
                            : !holds_all(what.all, must) || !holds_all(may, what.all))
        complain(name + " holds " + std::to_string(what.count) + " " + text(what.all) + ", expected " + text(must) +
                 (may == must ? "" : " to " + text(may)));
      for (const std::uint32_t id : what.all)
        windows_with[id].insert(where.second);
    }
    // A window that is over does not take a record that an earlier one has taken.
    for (const auto& [id, in] : windows_with)
      for (const span& window : windows_of(sent_.all[id].time))
        if (*in.begin() < window && !in.contains(window))
          complain("record " + std::to_string(id) + " is in [" + std::to_string(in.begin()->first) +
                   ", ...), but not in [" + std::to_string(window.first) + ", ...)");
  }

  /// A window comes out on time with what has come until then.
  void check_on_time(std::uint64_t key, span window, const ids& all) {
    ids wanted, found;
    for (const std::uint32_t id : all)
      if (sent_.all[id].stamp < window.second)
        wanted.push_back(id);
    for (const seen_pane& one : by_key_[key])
      if (span{one.start, one.end} == window && one.pane.timing == pane_timing::on_time)
        found = one.ids;
    if (found != wanted)
      complain(text(key, window) + " came out on time with " + text(found) + ", expected " + text(wanted));
  }

  struct session {
    span window;
    ids all;
    bool is_pending = false; ///< the watermark has not passed its end

    bool operator==(const session& other) const { return window == other.window && all == other.all; }
    bool operator<(const session& other) const { return std::tie(window, all) < std::tie(other.window, other.all); }
  };

  /// Puts a record into the sessions that it overlaps, which become one.
  static void add_to(std::vector<session>& sessions, span own, std::uint32_t id) {
    session whole{own, {id}, false};
    std::erase_if(sessions, [&](const session& one) {
      if (!overlap(one.window, own))
        return false;
      whole.window = {std::min(whole.window.first, one.window.first), std::max(whole.window.second, one.window.second)};
      whole.all.insert(whole.all.end(), one.all.begin(), one.all.end());
      return true;
    });
    std::sort(whole.all.begin(), whole.all.end());
    sessions.push_back(std::move(whole));
  }

  /// The sessions of what was not late, if each were there until the end.
  std::map<std::uint64_t, std::vector<session>> batch_sessions() const {
    std::map<std::uint64_t, std::vector<session>> all;
    for (const sighting& one : sent_.all)
      if (!is_late(one.id))
        add_to(all[key_of(one)], own_session(one), one.id);
    return all;
  }

  /// The sessions where the watermark at each record is known: what is over does not come back.
  std::map<std::uint64_t, std::vector<session>> sessions_by_watermark() {
    std::map<std::uint64_t, std::vector<session>> open, all, on_time;
    for (const sighting& one : sent_.all) {
      const std::uint64_t key = key_of(one);
      for (session& old : open[key])
        if (old.window.second <= one.stamp && std::exchange(old.is_pending, false))
          on_time[key].push_back(old);
      std::erase_if(open[key], [&](const session& old) {
        const bool is_over = old.window.second + kind_.lateness <= one.stamp;
        if (is_over)
          all[key].push_back(old);
        return is_over;
      });
      const span own = own_session(one);
      const bool has_part = std::any_of(open[key].begin(), open[key].end(),
                                        [&](const session& old) { return overlap(old.window, own); });
      const bool is_over = own.second + kind_.lateness <= one.stamp && !has_part;
      if (is_over != is_late(one.id) && (kind_.reads_late || !kind_.only_counts))
        complain("record " + std::to_string(one.id) + " of time " + std::to_string(one.time) +
                 (is_over ? " was not late at " : " was late at ") + std::to_string(one.stamp));
      if (!is_over) {
        add_to(open[key], own, one.id);
        open[key].back().is_pending = open[key].back().window.second > one.stamp;
      }
    }
    for (auto& [key, left] : open) {
      all[key].insert(all[key].end(), left.begin(), left.end());
      std::copy_if(left.begin(), left.end(), std::back_inserter(on_time[key]),
                   [](const session& one) { return one.is_pending; });
    }
    if (kind_.fires_at_end && !kind_.discards && !kind_.only_counts)
      for (auto& [key, wanted] : on_time)
        check_on_time(key, wanted);
    return all;
  }

  /// A session comes out on time each time that the watermark passes its end, with what is in it then.
  void check_on_time(std::uint64_t key, std::vector<session>& wanted) {
    std::vector<session> found;
    for (const seen_pane& one : by_key_[key])
      if (one.pane.timing == pane_timing::on_time)
        found.push_back({{one.start, one.end}, one.ids, false});
    std::sort(wanted.begin(), wanted.end());
    std::sort(found.begin(), found.end());
    std::vector<session> others;
    std::set_symmetric_difference(wanted.begin(), wanted.end(), found.begin(), found.end(), std::back_inserter(others));
    for (const session& one : others)
      complain(text(key, one.window) + " with " + text(one.all) +
               (std::binary_search(found.begin(), found.end(), one) ? " came out on time, and should not"
                                                                    : " did not come out on time"));
  }

  void check_sessions() {
    if (sent_.is_one_sequence) {
      const auto expected = sessions_by_watermark();
      if (kind_.only_counts)
        check_session_counts(expected);
      else if (kind_.discards)
        check_session_parts(expected);
      else
        check_same_sessions(expected);
    } else if (kind_.discards) {
      check_session_parts(batch_sessions());
    } else if (!kind_.only_counts) {
      check_session_cover();
    }
  }

  std::vector<session> last_sessions(const std::vector<seen_pane>& panes) const {
    std::vector<session> last;
    for (const seen_pane& one : panes) {
      std::erase_if(last, [&](const session& before) { return holds_all(one.ids, before.all); });
      last.push_back({{one.start, one.end}, one.ids});
    }
    return last;
  }

  void check_same_sessions(const std::map<std::uint64_t, std::vector<session>>& expected) {
    for (const auto& [key, wanted] : expected) {
      std::vector<session> found = by_key_.contains(key) ? last_sessions(by_key_.at(key)) : std::vector<session>{};
      std::vector<session> all = wanted;
      std::sort(all.begin(), all.end());
      std::sort(found.begin(), found.end());
      for (const session& one : all)
        if (!std::binary_search(found.begin(), found.end(), one))
          complain(text(key, one.window) + " did not come out with " + text(one.all));
      for (const session& one : found)
        if (!std::binary_search(all.begin(), all.end(), one))
          complain(text(key, one.window) + " came out with " + text(one.all) + ", and should not");
    }
  }

  void check_session_counts(const std::map<std::uint64_t, std::vector<session>>& expected) {
    for (const auto& [key, wanted] : expected)
      for (const session& one : wanted) {
        std::uint64_t count = 0;
        for (const seen_pane& pane : by_key_[key])
          if (span{pane.start, pane.end} == one.window)
            count = pane.count;
        if (count != one.all.size())
          complain(text(key, one.window) + " came out with " + std::to_string(count) + ", expected " + text(one.all));
      }
  }

  /// Panes that discard, in sessions that may have been cut where one was over.
  void check_session_parts(const std::map<std::uint64_t, std::vector<session>>& expected) {
    for (const auto& [key, wanted] : expected) {
      ids rest;
      for (const session& one : wanted)
        rest.insert(rest.end(), one.all.begin(), one.all.end());
      std::sort(rest.begin(), rest.end());
      for (const seen_pane& pane : by_key_[key]) {
        const bool is_part = std::any_of(wanted.begin(), wanted.end(), [&](const session& one) {
          return one.window.first <= pane.start && pane.end <= one.window.second && holds_all(one.all, pane.ids);
        });
        if (!is_part)
          complain(text(key, {pane.start, pane.end}) + " came out with " + text(pane.ids) + ", of no session");
        for (const std::uint32_t id : pane.ids) {
          const auto at = std::lower_bound(rest.begin(), rest.end(), id);
          if (at == rest.end() || *at != id)
            complain("record " + std::to_string(id) + " is in two panes that discard");
          else
            rest.erase(at);
        }
      }
      if (!rest.empty())
        complain(text(key, {}) + ": in no pane: " + text(rest));
    }
  }

  /// The last panes are sessions, have each record once, and overlap only where one was over before the other
  /// came so far.
  void check_session_cover() {
    std::map<std::uint64_t, ids> rest;
    for (const sighting& one : sent_.all)
      if (!is_late(one.id))
        rest[key_of(one)].push_back(one.id);
    for (auto& [key, wanted] : rest) {
      const std::vector<session> last = last_sessions(by_key_[key]);
      ids found;
      for (const session& one : last) {
        found.insert(found.end(), one.all.begin(), one.all.end());
        std::vector<session> parts;
        for (const std::uint32_t id : one.all)
          add_to(parts, own_session(sent_.all[id]), id);
        if (parts.size() != 1 || parts[0].window != one.window)
          complain(text(key, one.window) + " is not the session of " + text(one.all));
      }
      if (sorted(found) != wanted)
        complain(text(key, {}) + ": in sessions are " + text(sorted(found)) + ", expected " + text(wanted));
      for (std::size_t a = 0; a < last.size(); ++a)
        for (std::size_t b = a + 1; b < last.size(); ++b)
          if (overlap(last[a].window, last[b].window) && sent_.stamps_bound && !was_over(last[a], last[b]) &&
              !was_over(last[b], last[a]))
            complain(text(key, last[a].window) + " and " + text(key, last[b].window) + " should have become one");
    }
  }

  /// Whether all of `later` that overlaps `old` can have come when that was gone.
  bool was_over(const session& old, const session& later) const {
    return std::all_of(later.all.begin(), later.all.end(), [&](std::uint32_t id) {
      const sighting& one = sent_.all[id];
      return !overlap(own_session(one), old.window) || old.window.second + kind_.lateness <= one.stamp;
    });
  }

  void check_global() {
    std::map<std::uint64_t, ids> expected;
    for (const sighting& one : sent_.all)
      expected[key_of(one)].push_back(one.id);
    const auto found = contents();
    if (found.size() != expected.size())
      complain(std::to_string(found.size()) + " windows, expected " + std::to_string(expected.size()));
    for (const auto& [where, what] : found)
      if (what.count != expected[where.first].size() || (!kind_.only_counts && what.all != expected[where.first]))
        complain(text(where.first, where.second) + " holds " + text(what.all));
  }

  void check_counted() {
    std::map<std::uint64_t, ids> of_key;
    for (const sighting& one : sent_.all)
      of_key[key_of(one)].push_back(one.id);
    const auto size = static_cast<std::size_t>(kind_.size), slide = static_cast<std::size_t>(kind_.slide);
    for (const auto& [key, all] : of_key) {
      std::vector<ids> wanted;
      for (std::size_t end = slide; end - std::min(end, slide) < all.size(); end += slide) {
        const auto at = [&](std::size_t n) { return all.begin() + static_cast<std::ptrdiff_t>(n); };
        wanted.emplace_back(at(end - std::min(end, size)), at(std::min(end, all.size())));
      }
      const std::vector<seen_pane>& panes = by_key_[key];
      std::vector<std::size_t> sizes, wanted_sizes;
      ids found;
      for (const seen_pane& one : panes) {
        sizes.push_back(one.count);
        found.insert(found.end(), one.ids.begin(), one.ids.end());
        check_hull(key, one);
      }
      for (const ids& one : wanted)
        wanted_sizes.push_back(one.size());
      if (sizes != wanted_sizes)
        complain(text(key, {}) + ": " + std::to_string(sizes.size()) + " windows, expected " +
                 std::to_string(wanted.size()) + ", or of other sizes");
      else if (sent_.is_one_sequence && !kind_.only_counts)
        for (std::size_t i = 0; i < wanted.size(); ++i)
          if ((kind_.keeps_order ? in_order_[key][i] : panes[i].ids) != wanted[i])
            complain(text(key, {}) + " window " + std::to_string(i) + " holds " + text(in_order_[key][i]) +
                     ", expected " + text(wanted[i]));
      if (size == slide && !kind_.only_counts && sorted(found) != all)
        complain(text(key, {}) + ": not each record once");
    }
  }

  /// The time of a counted window is that of its records.
  void check_hull(std::uint64_t key, const seen_pane& one) {
    if (one.ids.empty())
      return;
    span hull{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
    for (const std::uint32_t id : one.ids)
      hull = {std::min(hull.first, sent_.all[id].time), std::max(hull.second, sent_.all[id].time + 1)};
    if (hull != span{one.start, one.end})
      complain(text(key, {one.start, one.end}) + ": expected " + text(key, hull));
  }

  /// Which window a record is in nobody knows, but it is in as many as there are for every time.
  void check_by_clock() {
    std::map<std::uint64_t, std::uint64_t> expected, found;
    for (const sighting& one : sent_.all)
      ++expected[key_of(one)];
    for (const auto& [where, what] : contents()) {
      found[where.first] += what.count;
      if (where.second.second - where.second.first != kind_.size)
        complain(text(where.first, where.second) + " is not a window");
    }
    if (found != expected)
      complain("records are not in one window each");
  }

  const window_kind& kind_;
  const sent_records& sent_;
  ids late_;
  std::map<std::uint64_t, std::vector<seen_pane>> by_key_;
  std::map<std::uint64_t, std::vector<ids>> in_order_;
  std::vector<std::string> found_;
};

} // namespace

std::vector<std::string> complaints(const window_kind& kind, const sent_records& sent,
                                    const std::vector<seen_pane>& panes, const std::vector<std::uint32_t>& late) {
  return examination(kind, sent, panes, late).run();
}

std::vector<seen_pane> final_panes(const window_kind& kind, const std::vector<seen_pane>& panes) {
  // The parts of a session that discards may be of any windows within it.
  const bool by_key = kind.what == shape::session && kind.discards;
  std::map<std::tuple<std::uint64_t, std::int64_t, std::int64_t>, seen_pane> last;
  for (const seen_pane& one : panes) {
    seen_pane next = one;
    next.ids = sorted(std::move(next.ids));
    next.pane = {};
    if (by_key)
      next.start = next.end = 0;
    if (kind.what == shape::session && !kind.only_counts && !kind.discards)
      std::erase_if(last, [&](const auto& before) {
        return before.second.key == next.key && holds_all(next.ids, before.second.ids);
      });
    seen_pane& so_far = last[{next.key, next.start, next.end}];
    if (kind.discards) {
      next.count += so_far.count;
      next.ids.insert(next.ids.end(), so_far.ids.begin(), so_far.ids.end());
      next.ids = sorted(std::move(next.ids));
    }
    so_far = std::move(next);
  }
  std::vector<seen_pane> all;
  for (auto& [where, one] : last)
    all.push_back(std::move(one));
  return all;
}

} // namespace weir::testing
