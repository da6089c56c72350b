#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <cereal/types/vector.hpp>

#include <weir/actors/window.hpp>

/// \file
/// What windows are to hold, from their definitions: plain functions of all records and of what came out.

namespace weir::testing {

/// A record whose way through windows is followed.
struct sighting {
  std::uint32_t id = 0; ///< its place among all records
  std::uint32_t partition = 0;
  std::uint64_t key = 0;
  std::int64_t time = 0;
  std::int64_t gap = 1;
  std::int64_t carried = std::numeric_limits<std::int64_t>::min(); ///< a watermark, or none
  std::int64_t stamp = std::numeric_limits<std::int64_t>::min();   ///< the watermark right before the windows
  std::vector<std::uint32_t> members;                              ///< the ids of those that were put together

  bool is_last_of_its_kind() const { return id % 7 == 3; } ///< what a punctuation waits for

  template <class Archive>
  void serialize(Archive& archive) {
    archive(id, partition, key, time, gap, carried, stamp, members);
  }
};

/// A pane, whatever the windows.
struct seen_pane {
  std::uint64_t key = 0;
  std::int64_t start = 0;
  std::int64_t end = 0;
  pane_info pane;
  std::uint64_t count = 0;
  std::vector<std::uint32_t> ids; ///< in the order in which they are in the value; none where it is a count

  bool operator==(const seen_pane&) const = default;
};

/// Windows as they were declared.
struct window_kind {
  enum class shape { aligned, session, global, counted, by_clock };

  std::string name;
  shape what = shape::aligned;
  std::int64_t size = 0; ///< of time, or of records
  std::int64_t slide = 0;
  std::int64_t offset = 0;
  std::int64_t gap = 0; ///< 0: each record's
  std::int64_t lateness = 0;
  bool is_keyed = true;
  bool discards = false;
  bool only_counts = false; ///< the value does not tell the ids
  bool fires_at_end = true; ///< the trigger does when the watermark passes the end of a window
  bool keeps_order = false; ///< ids are in the order in which they came
  bool reads_late = true;
  bool depends_on_clock = false; ///< which panes there are, but not the last
};

/// Everything that was sent, in the order in which it was where one instance sent it all.
struct sent_records {
  std::vector<sighting> all; ///< by id, with their stamps
  bool is_one_sequence = false; ///< one instance sent them: stamps are the watermarks of the windows
  bool stamps_bound = true;     ///< the watermark of the windows is never beyond a record's stamp
  bool none_is_late = false;    ///< whatever the windows
};

/// What is wrong with what came out of windows, in words; nothing if all is as the definitions want it.
///
/// The last pane of each window, or all together where they discard, has exactly the records that belong to it
/// and were not late; each record is in its windows or among `late`, once; panes are numbered, and come in the
/// order of early, on time, late; those of one key that are on time, in the order of their ends, each with what came
/// before the watermark was there. The watermark of the windows is known from the stamps where one instance sent
/// everything, otherwise they are a bound for it.
///
/// Panes of one key are in the order in which they came out.
std::vector<std::string> complaints(const window_kind& kind, const sent_records& sent,
                                    const std::vector<seen_pane>& panes, const std::vector<std::uint32_t>& late);

/// What windows hold in the end: the last pane of each window, or all together where they discard, with the ids
/// in order. The same for all runs of a job in which nothing is late.
std::vector<seen_pane> final_panes(const window_kind& kind, const std::vector<seen_pane>& panes);

} // namespace weir::testing
