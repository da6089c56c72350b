#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/types/vector.hpp>

#include <weir/actors/operators/keyed_window.hpp>
#include <weir/actors/window.hpp>
#include <weir/state/keyed_state.hpp>

namespace weir {

/// A session of one key: records with less than the gap between each and the next.
template <class Acc>
struct session {
  std::int64_t start = 0; ///< Unix milliseconds
  std::int64_t end = 0;   ///< the last record and its gap
  Acc content{};
  std::uint32_t panes = 0; ///< that have come out

  template <class Archive>
  void serialize(Archive& archive) {
    archive(start, end, content, panes);
  }
};

/// The sessions of one key, in the order of their times. They do not overlap.
template <class Acc>
struct session_row {
  std::vector<session<Acc>> sessions;

  bool is_empty() const noexcept { return sessions.empty(); }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(sessions);
  }
};

/// Keyed sessions that come out when the watermark passes their end, and again for each record that is late,
/// within the allowed lateness. A record that is later, and belongs to no session that is kept, goes to
/// output 1.
///
/// A record is a session of its own, from its time to its time and gap; sessions that overlap become one.
/// (Akidau et al., "The Dataflow Model", 2015)
///
/// The rows are keyed state. When the next sessions end is known from a heap of ends and key hashes, which is
/// built anew from the rows on restore. What has come out follows from the watermark.
template <record In, class KeyOf, class Gap, class Fold>
  requires Fold::merges
class session_window_operator final
    : public keyed_window_operator<In, KeyOf, Fold, key_of_t<KeyOf, In>, session_row<typename Fold::row>> {
  using base = keyed_window_operator<In, KeyOf, Fold, key_of_t<KeyOf, In>, session_row<typename Fold::row>>;

 public:
  using typename base::content_type;
  using typename base::key_type;

  session_window_operator(KeyOf key_of, Fold fold, session_windows<Gap> windows,
                          std::chrono::milliseconds lateness)
      : base(std::move(key_of), std::move(fold), lateness), windows_(std::move(windows)) {}

  void receive(batch<In>& records) override {
    const event_time* const times = this->begin_batch(records);
    const std::uint64_t* const hashes = records.hashes();
    this->for_each_record(records, [&](In& in, std::uint32_t i) {
      const std::int64_t time = times[i].time_since_epoch().count();
      if (!add(in, hashes ? hashes[i] : hash_of_all, time))
        this->emit_late_record(std::move(in), times[i]);
    });
    state_->settle(0);
  }

 private:
  using base::fold_;
  using base::hash_of_all;
  using base::is_over;
  using base::key_of_;
  using base::lateness_;
  using base::out_;
  using base::row_at;
  using base::rows_per_step;
  using base::state_;
  using base::watermark_ms;

  using typename base::row_type;
  using session_type = session<content_type>;

  struct session_end {
    std::int64_t time; ///< when something happens: the end, or when lateness is over
    std::uint64_t hash;
  };
  static bool is_later(const session_end& a, const session_end& b) noexcept {
    return a.time != b.time ? a.time > b.time : a.hash > b.hash;
  }

  bool is_out(std::int64_t end) const noexcept { return end <= out_until_; }
  /// Until it is to come out, or to go.
  void wait_for(const session_type& what, std::uint64_t hash) {
    wait_until(is_out(what.end) ? what.end + lateness_ : what.end, hash);
  }
  void wait_until(std::int64_t time, std::uint64_t hash) {
    ends_.push_back({time, hash});
    std::push_heap(ends_.begin(), ends_.end(), is_later);
  }
  session_end next_end() {
    const session_end next = ends_.front();
    std::pop_heap(ends_.begin(), ends_.end(), is_later);
    ends_.pop_back();
    return next;
  }

  /// Returns whether the record was in time for any session.
  bool add(const In& in, std::uint64_t hash, std::int64_t time) {
    const key_type key = key_of_(in);
    session_type own;
    own.start = time;
    own.end = time + windows_.gap(in);
    fold_.add(own.content, in, true);

    const auto [place, created] = state_->find_or_create(hash, key);
    std::vector<session_type>& all = row_at(place).sessions;
    // The first that is not before it, and the first behind those that overlap it.
    const auto first = std::find_if(all.begin(), all.end(),
                                    [&](const session_type& one) { return one.end > own.start; });
    const auto last =
        std::find_if(first, all.end(), [&](const session_type& one) { return one.start >= own.end; });
    if (first == last && is_over(own.end, watermark_ms())) {
      if (created)
        state_->erase(hash, key, true);
      return false;
    }
    state_->set_changed(hash, place);
    if (first == last) {
      wait_for(own, hash);
      const auto added = all.insert(first, std::move(own));
      if (is_out(added->end)) [[unlikely]]
        emit(key, *added, pane_timing::late);
      return true;
    }
    // Contents are merged in the order of sessions, and the record last.
    session_type& whole = *first;
    const std::int64_t end_before = std::prev(last)->end;
    for (auto other = std::next(first); other != last; ++other) {
      fold_.merge(whole.content, other->content);
      whole.panes = std::max(whole.panes, other->panes);
    }
    fold_.merge(whole.content, own.content);
    whole.start = std::min(whole.start, own.start);
    whole.end = std::max(end_before, own.end);
    all.erase(std::next(first), last);
    if (whole.end != end_before)
      wait_for(whole, hash);
    if (is_out(whole.end)) [[unlikely]]
      emit(key, whole, pane_timing::late);
    return true;
  }

  void emit(const key_type& key, session_type& what, pane_timing timing) {
    this->emit_pane(key, what.start, what.end, {timing, what.panes++}, what.content);
  }

  // A step of what a watermark brings: sessions come out in the order of their ends.
  bool on_watermark(event_time time) override {
    const std::int64_t watermark = time.time_since_epoch().count();
    out_.set_timed(true);
    bool is_done = false;
    for (std::uint32_t n = 0; n < rows_per_step && !is_done; ++n) {
      is_done = ends_.empty() || ends_.front().time > watermark;
      if (is_done)
        break;
      const session_end due = next_end();
      while (!ends_.empty() && ends_.front().time == due.time && ends_.front().hash == due.hash)
        next_end(); // another key with this hash: all of them are looked at
      end_sessions(due);
    }
    if (is_done)
      out_until_ = watermark;
    state_->settle(0);
    return is_done;
  }

  /// What ends at `due` comes out, and what is over then goes.
  void end_sessions(const session_end& due) {
    emptied_.clear();
    state_->for_each_of(due.hash, [&](const key_type& key, std::byte* place) {
      if (hash_of(key) != due.hash)
        return;
      std::vector<session_type>& all = row_at(place).sessions;
      bool any = false;
      for (session_type& one : all)
        if (one.end == due.time && !is_out(one.end)) {
          emit(key, one, pane_timing::on_time);
          if (lateness_ != 0)
            wait_until(one.end + lateness_, due.hash);
          any = true;
        }
      any = std::erase_if(all, [&](const session_type& one) { return is_over(one.end, due.time); }) != 0 ||
            any;
      if (any)
        state_->set_changed(due.hash, place);
      if (all.empty())
        emptied_.push_back(key);
    });
    for (const key_type& key : emptied_)
      state_->erase(due.hash, key, false);
  }

  void on_open(const restored_state& restored) override {
    this->open_state(restored, "session");
    out_until_ = watermark_ms();
    state_->for_each_row([&](const key_type& key, const std::byte* place) {
      for (const session_type& one : std::launder(reinterpret_cast<const row_type*>(place))->sessions)
        wait_for(one, hash_of(key));
    });
  }

  session_windows<Gap> windows_;
  std::vector<session_end> ends_; // a heap; some are of sessions that have grown since
  std::int64_t out_until_ = 0;    // sessions that end until then are out
  std::vector<key_type> emptied_;
};

} // namespace weir
