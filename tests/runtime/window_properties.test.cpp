#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include <support/window_job.hpp>
#include <weir/actors/triggers.hpp>

using namespace weir;
using namespace weir::testing;
namespace on = weir::triggers;

namespace {

using std::chrono::milliseconds;
using shape = window_kind::shape;

/// From `low` to `high`, at random.
std::int64_t any(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}

std::int64_t any_lateness(std::mt19937_64& random) {
  const std::int64_t some[] = {0, 0, any(random, 1, 40), any(random, 50, 100), 1'000'000};
  return some[random() % 5];
}

/// Windows of time that are told from the others by their name.
window_kind random_tumbling(std::mt19937_64& random, const std::string& name) {
  window_kind kind;
  kind.name = name;
  kind.size = kind.slide = any(random, 1, 90);
  kind.offset = any(random, -50, 50);
  kind.lateness = any_lateness(random);
  return kind;
}

window_kind random_sliding(std::mt19937_64& random, const std::string& name) {
  window_kind kind = random_tumbling(random, name);
  kind.slide = any(random, 1, 15);
  kind.size = random() % 2 == 0 ? kind.slide * any(random, 1, 6) : kind.slide + any(random, 0, 50);
  return kind;
}

aligned_windows windows_of(const window_kind& kind) {
  return sliding(milliseconds{kind.size}, milliseconds{kind.slide}, milliseconds{kind.offset});
}

on::repeat<on::count> every(std::mt19937_64& random) {
  return on::repeat(on::count(static_cast<std::uint64_t>(any(random, 1, 6))));
}

void add_aligned(const stream<sighting>& records, std::mt19937_64& random, watched_windows& watched) {
  const auto by_key = records.key_by(key_of_sighting{});
  const auto in = [](const auto& divided, const window_kind& kind) {
    return divided.window(windows_of(kind)).allowed_lateness(milliseconds{kind.lateness});
  };
  {
    const window_kind kind = random_tumbling(random, "tumbling aggregate");
    watched.watch(kind, in(by_key, kind).aggregate(kind.name, gather_ids{}));
  }
  {
    window_kind kind = random_tumbling(random, "tumbling reduce of everything");
    kind.is_keyed = false;
    watched.watch(kind, in(records, kind).reduce(kind.name, gather{}));
  }
  {
    window_kind kind = random_sliding(random, "sliding count");
    kind.only_counts = true;
    watched.watch(kind, in(by_key, kind).count(kind.name));
  }
  {
    window_kind kind = random_sliding(random, "sliding aggregate, late ones dropped");
    kind.reads_late = false;
    watched.watch(kind, in(by_key, kind).aggregate(kind.name, gather_ids{}));
  }
  {
    const window_kind kind = random_sliding(random, "sliding collect");
    watched.watch(kind, in(by_key, kind).collect(kind.name));
  }
  {
    window_kind kind = random_tumbling(random, "tumbling collect of everything, discarding");
    kind.is_keyed = false;
    kind.discards = kind.keeps_order = true;
    watched.watch(kind, in(records, kind)
                            .trigger(on::event_time().early(every(random)).late(every(random)))
                            .discarding()
                            .collect(kind.name));
  }
  {
    window_kind kind = random_sliding(random, "sliding collect, discarding");
    kind.discards = true;
    watched.watch(kind, in(by_key, kind)
                            .trigger(on::event_time().early(every(random)))
                            .discarding()
                            .collect(kind.name));
  }
  {
    const window_kind kind = random_sliding(random, "sliding reduce, again and again");
    watched.watch(kind, in(by_key, kind)
                            .trigger(on::continuous_event_time(milliseconds{any(random, 1, 30)}))
                            .reduce(kind.name, gather{}));
  }
  {
    window_kind kind = random_tumbling(random, "tumbling in processing time");
    kind.what = shape::by_clock;
    kind.lateness = 0;
    kind.fires_at_end = false;
    kind.size = kind.slide = any(random, 1, 4);
    watched.watch(kind, by_key.window(windows_of(kind)).in_processing_time().aggregate(kind.name, gather_ids{}));
  }
}

/// Triggers with which the last pane is that of the default one, whenever the others come.
void add_triggered(const stream<sighting>& records, std::mt19937_64& random, watched_windows& watched) {
  const auto by_key = records.key_by(key_of_sighting{});
  const auto aggregate = [&](window_kind kind, const auto& trigger) {
    watched.watch(kind, by_key.window(windows_of(kind))
                            .allowed_lateness(milliseconds{kind.lateness})
                            .trigger(trigger)
                            .aggregate(kind.name, gather_ids{}));
  };
  {
    window_kind kind = random_tumbling(random, "tumbling, every few records");
    kind.fires_at_end = false;
    aggregate(kind, every(random));
  }
  {
    window_kind kind = random_sliding(random, "sliding collect, purging");
    kind.fires_at_end = false;
    kind.discards = true;
    watched.watch(kind, by_key.window(windows_of(kind))
                            .allowed_lateness(milliseconds{kind.lateness})
                            .trigger(on::repeat(on::purging(on::count(static_cast<std::uint64_t>(any(random, 1, 5))))))
                            .collect(kind.name));
  }
  aggregate(random_tumbling(random, "tumbling, any of"), on::any_of(every(random), on::event_time()));
  {
    window_kind kind = random_tumbling(random, "tumbling, all of");
    kind.fires_at_end = false;
    aggregate(kind, on::all_of(on::event_time(), on::count(static_cast<std::uint64_t>(any(random, 1, 9)))));
  }
  {
    window_kind kind = random_sliding(random, "sliding, in sequence");
    kind.fires_at_end = false;
    kind.depends_on_clock = true;
    aggregate(kind, on::in_sequence(on::count(2), on::continuous_processing_time(milliseconds{1}), on::event_time()));
  }
  {
    window_kind kind = random_tumbling(random, "tumbling, by the clock");
    kind.depends_on_clock = true;
    aggregate(kind, on::event_time()
                        .early(on::continuous_processing_time(milliseconds{any(random, 1, 3)}))
                        .late(on::processing_time(milliseconds{any(random, 1, 3)})));
  }
  {
    window_kind kind = random_sliding(random, "sliding, at a punctuation");
    kind.fires_at_end = false;
    const auto last = on::punctuation([](const sighting& in) { return in.is_last_of_its_kind(); });
    aggregate(kind, on::any_of(last, on::end_of_input()));
  }
}

/// A session's gap that is the record's own.
struct gap_of_sighting {
  milliseconds operator()(const sighting& in) const { return milliseconds{in.gap}; }
};

void add_sessions(const stream<sighting>& records, std::mt19937_64& random, watched_windows& watched) {
  const auto by_key = records.key_by(key_of_sighting{});
  const auto fixed = [&](const std::string& name) {
    window_kind kind;
    kind.name = name;
    kind.what = shape::session;
    kind.gap = any(random, 1, 40);
    kind.lateness = any_lateness(random);
    return kind;
  };
  const auto dynamic = [&](const std::string& name) {
    window_kind kind = fixed(name);
    kind.gap = 0;
    return kind;
  };
  const auto in = [](const auto& divided, const window_kind& kind) {
    return divided.window(sessions(milliseconds{kind.gap})).allowed_lateness(milliseconds{kind.lateness});
  };
  const auto with_own_gap = [](const auto& divided, const window_kind& kind) {
    return divided.window(sessions(gap_of_sighting{})).allowed_lateness(milliseconds{kind.lateness});
  };
  {
    const window_kind kind = fixed("sessions aggregate");
    watched.watch(kind, in(by_key, kind).aggregate(kind.name, gather_ids{}));
  }
  {
    window_kind kind = fixed("sessions count");
    kind.only_counts = true;
    watched.watch(kind, in(by_key, kind).count(kind.name));
  }
  {
    window_kind kind = fixed("sessions reduce of everything, early and late");
    kind.is_keyed = false;
    watched.watch(kind, in(records, kind)
                            .trigger(on::event_time().early(every(random)).late(every(random)))
                            .reduce(kind.name, gather{}));
  }
  {
    const window_kind kind = dynamic("sessions with gaps of their own, collect");
    watched.watch(kind, with_own_gap(by_key, kind).collect(kind.name));
  }
  {
    window_kind kind = dynamic("sessions with gaps of their own, collect, discarding");
    kind.discards = true;
    watched.watch(kind, with_own_gap(by_key, kind)
                            .trigger(on::event_time().early(every(random)))
                            .discarding()
                            .collect(kind.name));
  }
  {
    window_kind kind = dynamic("sessions with gaps of their own, in sequence");
    kind.fires_at_end = false;
    kind.reads_late = false;
    watched.watch(kind, with_own_gap(by_key, kind)
                            .trigger(on::in_sequence(on::count(2), on::all_of(on::count(2), every(random)),
                                                     on::any_of(on::event_time(), every(random))))
                            .aggregate(kind.name, gather_ids{}));
  }
  {
    const window_kind kind = fixed("sessions aggregate, again and again");
    watched.watch(kind, in(by_key, kind)
                            .trigger(on::continuous_event_time(milliseconds{any(random, 1, 30)}))
                            .aggregate(kind.name, gather_ids{}));
  }
}

void add_global_and_counted(const stream<sighting>& records, std::mt19937_64& random, watched_windows& watched) {
  const auto by_key = records.key_by(key_of_sighting{});
  const auto kind_of = [](const std::string& name, shape what) {
    window_kind kind;
    kind.name = name;
    kind.what = what;
    return kind;
  };
  {
    const window_kind kind = kind_of("global aggregate", shape::global);
    watched.watch(kind, by_key.window(global()).aggregate(kind.name, gather_ids{}));
  }
  {
    window_kind kind = kind_of("global collect of everything, discarding", shape::global);
    kind.is_keyed = false;
    kind.discards = kind.keeps_order = true;
    kind.fires_at_end = false;
    watched.watch(kind, records.window(global()).trigger(every(random)).discarding().collect(kind.name));
  }
  {
    window_kind kind = kind_of("global collect, by the clock", shape::global);
    kind.keeps_order = kind.depends_on_clock = true;
    kind.fires_at_end = false;
    watched.watch(kind, by_key.window(global())
                            .trigger(on::continuous_processing_time(milliseconds{any(random, 1, 5)}))
                            .collect(kind.name));
  }
  const auto tumbling_counted = [&](const std::string& name) {
    window_kind kind = kind_of(name, shape::counted);
    kind.size = kind.slide = any(random, 1, 12);
    return kind;
  };
  const auto sliding_counted = [&](const std::string& name) {
    window_kind kind = tumbling_counted(name);
    kind.size = kind.slide + any(random, 0, 20);
    return kind;
  };
  const auto windows = [](const window_kind& kind) {
    return sliding_count(static_cast<std::uint64_t>(kind.size), static_cast<std::uint64_t>(kind.slide));
  };
  {
    const window_kind kind = tumbling_counted("tumbling_count aggregate");
    watched.watch(kind, by_key.window(windows(kind)).aggregate(kind.name, gather_ids{}));
  }
  {
    window_kind kind = tumbling_counted("tumbling_count count of everything");
    kind.is_keyed = false;
    kind.only_counts = true;
    watched.watch(kind, records.window(windows(kind)).count(kind.name));
  }
  {
    window_kind kind = sliding_counted("sliding_count collect");
    kind.keeps_order = true;
    watched.watch(kind, by_key.window(windows(kind)).collect(kind.name));
  }
  {
    const window_kind kind = sliding_counted("sliding_count reduce");
    watched.watch(kind, by_key.window(windows(kind)).reduce(kind.name, gather{}));
  }
}

} // namespace

TEST_CASE("tumbling and sliding windows hold what belongs to them and was not late, in every mode") {
  windows_agree_with_their_definitions(&add_aligned);
}
TEST_CASE("whatever the trigger, the last pane of a window is complete, in every mode") {
  windows_agree_with_their_definitions(&add_triggered);
}
TEST_CASE("sessions hold what belongs to them and was not late, in every mode") {
  windows_agree_with_their_definitions(&add_sessions);
}
TEST_CASE("global windows and windows of so many records hold each record as often as they should, in every mode") {
  windows_agree_with_their_definitions(&add_global_and_counted);
}

TEST_CASE("tumbling and sliding windows do not depend on how the source pauses") {
  windows_do_not_depend_on_pauses(&add_aligned);
}
TEST_CASE("sessions do not depend on how the source pauses") {
  windows_do_not_depend_on_pauses(&add_sessions);
}
TEST_CASE("global windows and windows of so many records do not depend on how the source pauses") {
  windows_do_not_depend_on_pauses(&add_global_and_counted);
}
