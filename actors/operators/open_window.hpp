#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <cereal/types/array.hpp>
#include <cereal/types/vector.hpp>

#include <weir/actors/window.hpp>
#include <weir/base/clock.hpp>

/// \file
/// What a triggered_window_operator keeps.

namespace weir {

/// Keeps the records of a window as they are: the rule of collect.
template <record In>
struct collect_fold {
  /// The records lie in rows beside the window, in parts; each is added to without touching the others.
  struct row {
    std::vector<std::int64_t> parts;  ///< of a session, in the order of its sessions
    std::vector<std::uint64_t> purged; ///< of overlapping windows: how many of each part are of older panes

    template <class Archive>
    void serialize(Archive& archive) {
      archive(parts, purged);
    }
  };
  static constexpr bool keeps_records = true;
  static constexpr bool merges = true;

  void add(row&, const In&, bool) const {}
  void merge(row& so_far, const row& next) const {
    so_far.parts.insert(so_far.parts.end(), next.parts.begin(), next.parts.end());
  }
  template <class Key>
  std::vector<In> value(const Key&, const row&) const {
    return {};
  }
};

template <class Fold>
concept keeps_records = Fold::keeps_records;

/// What is kept of one window of one key.
template <class Content, class TriggerState>
struct open_window {
  time_window window;
  Content content{};
  std::uint64_t records = 0; ///< in the content
  std::uint64_t fresh = 0;   ///< of them, those that have been in no pane
  std::uint32_t panes = 0;   ///< that have come out
  bool is_complete = false;  ///< the watermark has passed the end
  event_time latest = no_watermark; ///< of the records, where they have event times
  TriggerState trigger{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(window, content, records, fresh, panes, is_complete, latest, trigger);
  }
};

/// A row of windows, and its timers: they come no later than anything is due in any of the windows. `Windows` holds
/// one window, or the sessions of a key in the order of their times.
template <class Windows>
struct open_windows {
  static constexpr event_time unset = no_watermark;

  Windows windows{};
  event_time event_timer = unset;
  event_time processing_timer = unset;
  std::int64_t parts = 0; ///< that were made for records

  template <class Archive>
  void serialize(Archive& archive) {
    archive(windows, event_timer, processing_timer, parts);
  }
};

/// When windows come out, and how long they are kept.
template <class Trigger>
struct firing_rules {
  Trigger trigger;
  std::chrono::milliseconds lateness{0};
  bool discards = false;           ///< whether every pane leaves the window empty
  bool in_processing_time = false; ///< whether records are of the time when they come
};

} // namespace weir
