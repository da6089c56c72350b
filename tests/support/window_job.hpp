#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <support/window_oracle.hpp>
#include <weir/runtime/topology.hpp>

/// \file
/// A random job with windows: what it reads, how it tells the time, and what came out of each of its windows.

namespace weir::testing {

enum class time_strategy { tight, sufficient, monotonous, punctuated, own };

/// How often happened what the tests are about.
struct window_tally {
  std::size_t resumed = 0; ///< instances of the source that went on from a checkpoint
  std::size_t late_records = 0;
  std::size_t panes[3] = {}; ///< of each timing
  bool can_be_late = false;
};

/// Records and how they are read, at random. `is_repeatable`: in an order, and with watermarks, that do not
/// depend on when things happen.
struct window_input {
  std::mt19937_64 random;
  std::vector<std::vector<sighting>> scripts; ///< what each instance of the source reads, in that order
  sent_records sent;
  time_strategy strategy = time_strategy::sufficient;
  std::int64_t disorder = 0;
  watermark_options options;

  explicit window_input(std::uint64_t seed, bool is_repeatable = false);

  /// The records with their event times and stamps, on their way to the windows.
  stream<sighting> add_to(topology& job, const job_mode& mode, bool pauses);

  /// After the job: notes the watermark at which each record came.
  void read_stamps();

  std::size_t resumed() const { return resumed_->load(); }

 private:
  std::int64_t up_to(std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
  void fill(std::vector<sighting>& script, std::uint32_t& partition, std::uint64_t keys, std::int64_t base,
            std::int64_t step);

  std::shared_ptr<committed_records<sighting>> stamps_;
  std::shared_ptr<std::atomic<std::size_t>> resumed_ = std::make_shared<std::atomic<std::size_t>>(0);
};

struct key_of_sighting {
  std::uint64_t operator()(const sighting& in) const { return in.key; }
};

/// Concatenates what was put together before.
struct gather {
  sighting operator()(const sighting& a, const sighting& b) const {
    sighting both = a;
    both.members.insert(both.members.end(), b.members.begin(), b.members.end());
    return both;
  }
};

struct gather_ids {
  using accumulator = std::vector<std::uint32_t>;
  void add(accumulator& all, const sighting& in) const { all.push_back(in.id); }
  void merge(accumulator& all, const accumulator& more) const { all.insert(all.end(), more.begin(), more.end()); }
  accumulator result(const accumulator& all) const { return all; }
};

/// Takes panes of any windows.
class pane_sink : public memory_sink<seen_pane> {
 public:
  using memory_sink::memory_sink;

  template <class Key, class Value>
  void write(transaction& open, const windowed<Key, Value>& in) {
    seen_pane seen{static_cast<std::uint64_t>(in.key), ms(in.window.start), ms(in.window.end), in.pane, 0, {}};
    read(seen, in.value);
    memory_sink::write(open, seen);
  }

 private:
  static std::int64_t ms(event_time time) { return time.time_since_epoch().count(); }

  static void read(seen_pane& to, std::uint64_t count) { to.count = count; }
  static void read(seen_pane& to, const std::vector<std::uint32_t>& ids) {
    to.ids = ids;
    to.count = ids.size();
  }
  static void read(seen_pane& to, const sighting& all) { read(to, all.members); }
  static void read(seen_pane& to, const std::vector<sighting>& all) {
    for (const sighting& one : all)
      to.ids.push_back(one.id);
    to.count = all.size();
  }
};

/// The windows of one job, and what came out of them.
class watched_windows {
 public:
  /// Has everything that comes out of these noted.
  template <class Results>
  void watch(window_kind kind, const Results& results) {
    watched one{std::move(kind), std::make_shared<committed_records<seen_pane>>(),
                std::make_shared<committed_records<sighting>>()};
    const std::string& name = one.kind.name;
    // One instance of the sink, so that panes of a key stay in their order.
    results.sink(name + " panes", pane_sink{one.panes}).parallelism(1);
    if constexpr (requires { results.late(); }) {
      if (one.kind.reads_late)
        results.late().sink(name + " late", memory_sink<sighting>{one.late}).parallelism(1);
    }
    names_.push_back(name);
    names_.push_back(name + " panes");
    all_.push_back(std::move(one));
  }

  /// The operators that may be killed.
  std::vector<std::string> victims() const {
    std::vector<std::string> all = names_;
    for (std::size_t i = 0; i < 1 + names_.size() / 4; ++i)
      all.insert(all.end(), {"source", "times", "stamp"});
    return all;
  }

  void check(const sent_records& sent) const {
    for (const watched& one : all_) {
      CHECK(one.panes->pending() == 0);
      std::string wrong;
      for (const std::string& what : complaints(one.kind, sent, one.panes->visible(), late_ids(one)))
        wrong += what + "\n";
      CHECK_MESSAGE(wrong.empty(), wrong);
    }
  }

  /// The same windows of another run have the same last panes; or all the same panes, where that was of the same
  /// records in the same order with the same watermarks.
  void check_like(const watched_windows& other, bool in_all_panes) const {
    REQUIRE(all_.size() == other.all_.size());
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const watched &a = all_[i], &b = other.all_[i];
      CAPTURE(a.kind.name);
      if (a.kind.what == window_kind::shape::by_clock || (a.kind.what == window_kind::shape::counted && !in_all_panes))
        continue; // they depend on when, or in which order, records of several instances come
      CHECK(late_ids(a) == late_ids(b));
      if (in_all_panes && !a.kind.depends_on_clock)
        CHECK(by_key(a.panes->visible()) == by_key(b.panes->visible()));
      else
        CHECK(final_panes(a.kind, a.panes->visible()) == final_panes(b.kind, b.panes->visible()));
    }
  }

  void add_to(window_tally& all) const {
    for (const watched& one : all_) {
      all.late_records += one.late->visible().size();
      for (const seen_pane& pane : one.panes->visible())
        ++all.panes[static_cast<std::size_t>(pane.pane.timing)];
      all.can_be_late |= one.kind.what == window_kind::shape::aligned || one.kind.what == window_kind::shape::session;
    }
  }

 private:
  struct watched {
    window_kind kind;
    std::shared_ptr<committed_records<seen_pane>> panes;
    std::shared_ptr<committed_records<sighting>> late;
  };

  static std::vector<std::uint32_t> late_ids(const watched& one) {
    std::vector<std::uint32_t> ids;
    for (const sighting& in : one.late->visible())
      ids.push_back(in.id);
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  static std::map<std::uint64_t, std::vector<seen_pane>> by_key(const std::vector<seen_pane>& panes) {
    std::map<std::uint64_t, std::vector<seen_pane>> all;
    for (const seen_pane& one : panes) {
      all[one.key].push_back(one);
      std::sort(all[one.key].back().ids.begin(), all[one.key].back().ids.end());
    }
    return all;
  }

  std::vector<watched> all_;
  std::vector<std::string> names_;
};

/// Adds windows of its own choice to `records`, and has them watched.
using add_windows = void (*)(const stream<sighting>& records, std::mt19937_64& random, watched_windows& watched);

/// Runs random jobs with these windows in every mode of the corpus; more of them where WEIR_WINDOW_ROUNDS says so.
void windows_agree_with_their_definitions(add_windows add);

/// Runs jobs once as fast as they go and once with a source that pauses.
void windows_do_not_depend_on_pauses(add_windows add);

} // namespace weir::testing
