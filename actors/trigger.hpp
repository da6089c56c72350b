#pragma once

#include <concepts>

#include <weir/actors/window.hpp>
#include <weir/base/clock.hpp>
#include <weir/base/codec.hpp>

/// \file
/// What decides when a window comes out.

namespace weir {

/// A time that does not come before the input ends.
inline constexpr event_time never = last_watermark;

/// What a trigger is told: where its window stands.
struct trigger_moment {
  time_window window;
  event_time watermark = no_watermark; ///< of windows of processing time: the clock
  event_time now{};                    ///< processing time
  event_time time{};                   ///< of the record, where one is added

  bool has_passed_end() const noexcept { return watermark >= window.end; }
  bool has_input_ended() const noexcept { return watermark == last_watermark; }
};

/// Decides when the windows of each key come out: see weir::triggers for those that there are. An object
/// of the class is shared by all windows; what it knows of one is in `T::state`, which is stored.
///
///     void add(state&, const In&, const trigger_moment&) const;       a record has come into the window
///     bool is_ready(const state&, const trigger_moment&) const;       a pane is to come out
///     bool purges(const state&, const trigger_moment&) const;         and leaves the window empty
///     void fire(state&, const trigger_moment&) const;                 that pane comes out
///     bool is_finished(const state&, const trigger_moment&) const;    it will not be ready again
///     event_time next_event_time(const state&, const trigger_moment&) const;       when it may be ready, by the
///     event_time next_processing_time(const state&, const trigger_moment&) const;  watermark and by the clock
///     void merge(state&, const state&, const trigger_moment&) const;  two sessions have become one
///
/// is_ready is asked after each record, at the end of the window, and when the watermark or the clock has come to
/// the time that the trigger has named: one that is still to come, or weir::never. A trigger that has become ready
/// stays so until fire() is called, unless windows merge; fire() is called whether the pane is empty or not. A
/// session may become longer, so that its end is still to come although it had been passed.
template <class T, class In>
concept trigger =
    std::copy_constructible<T> && storable<typename T::state> && std::default_initializable<typename T::state> &&
    requires(const T how, typename T::state& state, const typename T::state& other, const In& in,
             const trigger_moment& at) {
      how.add(state, in, at);
      { how.is_ready(other, at) } -> std::same_as<bool>;
      { how.purges(other, at) } -> std::same_as<bool>;
      how.fire(state, at);
      { how.is_finished(other, at) } -> std::same_as<bool>;
      { how.next_event_time(other, at) } -> std::same_as<event_time>;
      { how.next_processing_time(other, at) } -> std::same_as<event_time>;
      how.merge(state, other, at);
    };

} // namespace weir
