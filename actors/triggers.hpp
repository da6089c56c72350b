#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include <cereal/types/tuple.hpp>

#include <weir/actors/trigger.hpp>

/// \file
/// The triggers that there are, and those that put others together:
///
///     namespace on = weir::triggers;
///     clicks.key_by(user).window(weir::tumbling(1h))
///         .trigger(on::event_time().early(on::repeat(on::count(100))).late(on::processing_time(1min)))

namespace weir::triggers {

namespace detail {

/// What most triggers do not do.
struct plain_trigger {
  bool purges(const auto&, const trigger_moment&) const { return false; }
  bool is_finished(const auto&, const trigger_moment&) const { return false; }
  weir::event_time next_event_time(const auto&, const trigger_moment&) const { return never; }
  weir::event_time next_processing_time(const auto&, const trigger_moment&) const { return never; }
};

/// Is never ready.
struct silent_trigger : plain_trigger {
  struct state {
    bool operator==(const state&) const = default;
    template <class Archive>
    void serialize(Archive&) {}
  };

  void add(state&, const auto&, const trigger_moment&) const {}
  bool is_ready(const state&, const trigger_moment&) const { return false; }
  void fire(state&, const trigger_moment&) const {}
  void merge(state&, const state&, const trigger_moment&) const {}
};

/// Fires with each record.
struct every_record : plain_trigger {
  struct state {
    bool has_new = false;

    bool operator==(const state&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(has_new);
    }
  };

  void add(state& of, const auto&, const trigger_moment&) const { of.has_new = true; }
  bool is_ready(const state& of, const trigger_moment&) const { return of.has_new; }
  void fire(state& of, const trigger_moment&) const { of.has_new = false; }
  void merge(state& of, const state& other, const trigger_moment&) const { of.has_new = of.has_new || other.has_new; }
};

struct once_state {
  bool has_fired = false;

  bool operator==(const once_state&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(has_fired);
  }
};

struct due_state : once_state {
  weir::event_time due = never;

  bool operator==(const due_state&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(has_fired, due);
  }
};

struct count_state : once_state {
  std::uint64_t records = 0;

  bool operator==(const count_state&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(has_fired, records);
  }
};

struct punctuation_state : once_state {
  bool has_come = false;

  bool operator==(const punctuation_state&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(has_fired, has_come);
  }
};

/// Up to which end the window was complete: a session that becomes longer is not any more.
struct completion {
  weir::event_time end = no_watermark;

  bool is_at(const trigger_moment& at) const noexcept { return at.has_passed_end() && end >= at.window.end; }
  void note(const trigger_moment& at) noexcept { end = at.window.end; }
  void merge(const completion& other) noexcept { end = std::max(end, other.end); }
  bool operator==(const completion&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(end);
  }
};

/// What triggers have in common that fire once. If that has happened in any of the windows that merge, it has.
template <class State>
struct once_trigger : plain_trigger {
  using state = State;
  void fire(state& of, const trigger_moment&) const { of.has_fired = true; }
  bool is_finished(const state& of, const trigger_moment&) const { return of.has_fired; }
};

inline std::chrono::milliseconds positive(std::chrono::milliseconds length, const char* what) {
  if (length <= std::chrono::milliseconds::zero())
    throw std::invalid_argument(std::string(what) + " of " + std::to_string(length.count()) +
                                " ms: expected a positive one");
  return std::min(length, longest_time);
}

/// The first multiple of `interval` since the Unix epoch that is after `time`.
inline weir::event_time next_multiple(weir::event_time time, std::chrono::milliseconds interval) {
  const auto since_epoch = time.time_since_epoch();
  auto within = since_epoch % interval;
  if (within < within.zero())
    within += interval;
  return weir::event_time{since_epoch - within + interval};
}

} // namespace detail

/// Fires when the watermark comes to the end of the window: what comes out then is complete but for late
/// records. Before it, and after it, the early and the late trigger decide, which start again whenever they
/// have finished. Without a late one it fires with each late record, and is finished.
template <class Early, class Late>
class event_time_trigger {
 public:
  struct state {
    typename Early::state early{};
    typename Late::state late{};
    detail::completion complete;

    bool operator==(const state&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(early, late, complete);
    }
  };

  explicit event_time_trigger(Early early = {}, Late late = {}) : early_(std::move(early)), late_(std::move(late)) {}

  /// Fires before the end of the window, too, each time that `trigger` does.
  template <class T>
  event_time_trigger<T, Late> early(T trigger) const {
    return event_time_trigger<T, Late>(std::move(trigger), late_);
  }

  /// Fires for late records when `trigger` does.
  template <class T>
  event_time_trigger<Early, T> late(T trigger) const {
    return event_time_trigger<Early, T>(early_, std::move(trigger));
  }

  template <class In>
  void add(state& of, const In& in, const trigger_moment& at) const {
    if (at.has_passed_end())
      late_.add(of.late, in, at);
    else
      early_.add(of.early, in, at);
  }
  bool is_ready(const state& of, const trigger_moment& at) const {
    if (!at.has_passed_end())
      return early_.is_ready(of.early, at);
    return !of.complete.is_at(at) || late_.is_ready(of.late, at);
  }
  bool purges(const state& of, const trigger_moment& at) const {
    if (!at.has_passed_end())
      return early_.purges(of.early, at);
    return of.complete.is_at(at) && late_.purges(of.late, at);
  }
  void fire(state& of, const trigger_moment& at) const {
    if (!at.has_passed_end()) {
      fire_again(early_, of.early, at);
    } else if (of.complete.is_at(at)) {
      fire_again(late_, of.late, at);
    } else {
      of = {};
      of.complete.note(at);
    }
  }
  bool is_finished(const state& of, const trigger_moment& at) const {
    return of.complete.is_at(at) && std::same_as<Late, detail::every_record>;
  }
  weir::event_time next_event_time(const state& of, const trigger_moment& at) const {
    return at.has_passed_end() ? late_.next_event_time(of.late, at) : early_.next_event_time(of.early, at);
  }
  weir::event_time next_processing_time(const state& of, const trigger_moment& at) const {
    return at.has_passed_end() ? late_.next_processing_time(of.late, at)
                               : early_.next_processing_time(of.early, at);
  }
  void merge(state& of, const state& other, const trigger_moment& at) const {
    early_.merge(of.early, other.early, at);
    late_.merge(of.late, other.late, at);
    of.complete.merge(other.complete);
  }

 private:
  template <class T>
  static void fire_again(const T& trigger, typename T::state& of, const trigger_moment& at) {
    trigger.fire(of, at);
    if (trigger.is_finished(of, at))
      of = {};
  }

  Early early_;
  Late late_;
};

/// What windows come out by without a trigger: as event_time(), without a name for each of them.
struct on_time {};

inline auto event_time() { return event_time_trigger<detail::silent_trigger, detail::every_record>(); }

/// Fires whenever the watermark has come to a multiple of the interval since the Unix epoch, if there are new
/// records, and at the end of the window.
class continuous_event_time : public detail::plain_trigger {
 public:
  struct state {
    weir::event_time due = never;
    detail::completion complete;

    bool operator==(const state&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(due, complete);
    }
  };

  /// Throws std::invalid_argument for an interval that is not positive.
  explicit continuous_event_time(std::chrono::milliseconds interval)
      : interval_(detail::positive(interval, "continuous_event_time: an interval")) {}

  void add(state& of, const auto&, const trigger_moment& at) const {
    if (of.due == never)
      of.due = detail::next_multiple(at.watermark == no_watermark ? at.time : at.watermark, interval_);
  }
  bool is_ready(const state& of, const trigger_moment& at) const {
    return of.due <= at.watermark || (at.has_passed_end() && !of.complete.is_at(at));
  }
  void fire(state& of, const trigger_moment& at) const {
    of.due = never;
    if (at.has_passed_end())
      of.complete.note(at);
  }
  weir::event_time next_event_time(const state& of, const trigger_moment&) const { return of.due; }
  void merge(state& of, const state& other, const trigger_moment&) const {
    of.due = std::min(of.due, other.due);
    of.complete.merge(other.complete);
  }

 private:
  std::chrono::milliseconds interval_;
};

/// Fires once, so long after the first record came, on the job's clock.
class processing_time : public detail::once_trigger<detail::due_state> {
 public:
  explicit processing_time(std::chrono::milliseconds delay)
      : delay_(detail::positive(delay, "processing_time: a delay")) {}

  void add(state& of, const auto&, const trigger_moment& at) const {
    if (of.due == never)
      of.due = at.now + delay_;
  }
  bool is_ready(const state& of, const trigger_moment& at) const { return !of.has_fired && of.due <= at.now; }
  weir::event_time next_processing_time(const state& of, const trigger_moment&) const {
    return of.has_fired ? never : of.due;
  }
  void merge(state& of, const state& other, const trigger_moment&) const {
    of.due = std::min(of.due, other.due);
    of.has_fired = of.has_fired || other.has_fired;
  }

 private:
  std::chrono::milliseconds delay_;
};

/// Fires whenever the job's clock has come to a multiple of the interval since the Unix epoch, if there are new
/// records.
class continuous_processing_time : public detail::plain_trigger {
 public:
  struct state {
    weir::event_time due = never;

    bool operator==(const state&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(due);
    }
  };

  explicit continuous_processing_time(std::chrono::milliseconds interval)
      : interval_(detail::positive(interval, "continuous_processing_time: an interval")) {}

  void add(state& of, const auto&, const trigger_moment& at) const {
    if (of.due == never)
      of.due = detail::next_multiple(at.now, interval_);
  }
  bool is_ready(const state& of, const trigger_moment& at) const { return of.due <= at.now; }
  void fire(state& of, const trigger_moment&) const { of.due = never; }
  weir::event_time next_processing_time(const state& of, const trigger_moment&) const { return of.due; }
  void merge(state& of, const state& other, const trigger_moment&) const { of.due = std::min(of.due, other.due); }

 private:
  std::chrono::milliseconds interval_;
};

/// Fires once, when so many records have come.
class count : public detail::once_trigger<detail::count_state> {
 public:
  /// Throws std::invalid_argument for 0.
  explicit count(std::uint64_t records) : records_(records) {
    if (records == 0)
      throw std::invalid_argument("count: a trigger after 0 records: expected at least 1");
  }

  void add(state& of, const auto&, const trigger_moment&) const { ++of.records; }
  bool is_ready(const state& of, const trigger_moment&) const { return !of.has_fired && of.records >= records_; }
  void merge(state& of, const state& other, const trigger_moment&) const {
    of.records += other.records;
    of.has_fired = of.has_fired || other.has_fired;
  }

 private:
  std::uint64_t records_;
};

/// Fires once, with the first record that the predicate, `bool f(const In&)`, is true for, or at the end of
/// the input.
template <class F>
class punctuation : public detail::once_trigger<detail::punctuation_state> {
 public:
  explicit punctuation(F is_last) : is_last_(std::move(is_last)) {}

  template <class In>
  void add(state& of, const In& in, const trigger_moment&) const {
    static_assert(std::predicate<const F&, const In&>, "punctuation: expected a function bool(const T&)");
    of.has_come = of.has_come || is_last_(in);
  }
  bool is_ready(const state& of, const trigger_moment& at) const {
    return !of.has_fired && (of.has_come || at.has_input_ended());
  }
  void merge(state& of, const state& other, const trigger_moment&) const {
    of.has_come = of.has_come || other.has_come;
    of.has_fired = of.has_fired || other.has_fired;
  }

 private:
  F is_last_;
};

/// Fires once, at the end of the input.
class end_of_input : public detail::once_trigger<detail::once_state> {
 public:
  void add(state&, const auto&, const trigger_moment&) const {}
  bool is_ready(const state& of, const trigger_moment& at) const {
    return !of.has_fired && at.has_input_ended();
  }
  void merge(state& of, const state& other, const trigger_moment&) const {
    of.has_fired = of.has_fired || other.has_fired;
  }
};

namespace detail {

/// What stands around one trigger and does as that does.
template <class T>
class wrapped {
 public:
  using state = typename T::state;

  explicit wrapped(T trigger) : trigger_(std::move(trigger)) {}

  template <class In>
  void add(state& of, const In& in, const trigger_moment& at) const {
    trigger_.add(of, in, at);
  }
  bool is_ready(const state& of, const trigger_moment& at) const { return trigger_.is_ready(of, at); }
  bool purges(const state& of, const trigger_moment& at) const { return trigger_.purges(of, at); }
  void fire(state& of, const trigger_moment& at) const { trigger_.fire(of, at); }
  bool is_finished(const state& of, const trigger_moment& at) const { return trigger_.is_finished(of, at); }
  weir::event_time next_event_time(const state& of, const trigger_moment& at) const {
    return trigger_.next_event_time(of, at);
  }
  weir::event_time next_processing_time(const state& of, const trigger_moment& at) const {
    return trigger_.next_processing_time(of, at);
  }
  void merge(state& of, const state& other, const trigger_moment& at) const { trigger_.merge(of, other, at); }

 private:
  T trigger_;
};

} // namespace detail

/// Starts `trigger` again whenever it has finished.
template <class T>
class repeat : public detail::wrapped<T> {
 public:
  using state = typename T::state;
  explicit repeat(T trigger) : detail::wrapped<T>(std::move(trigger)) {}

  void fire(state& of, const trigger_moment& at) const {
    detail::wrapped<T>::fire(of, at);
    if (detail::wrapped<T>::is_finished(of, at))
      of = {};
  }
  bool is_finished(const state&, const trigger_moment&) const { return false; }
};

/// Fires when `trigger` does, and leaves the window empty.
template <class T>
class purging : public detail::wrapped<T> {
 public:
  using state = typename T::state;
  explicit purging(T trigger) : detail::wrapped<T>(std::move(trigger)) {}

  bool purges(const state& of, const trigger_moment& at) const { return this->is_ready(of, at); }
};

namespace detail {

/// Triggers side by side.
template <class... Ts>
class several {
 public:
  using state = std::tuple<typename Ts::state...>;

  explicit several(Ts... triggers) : triggers_(std::move(triggers)...) {}

  /// Calls use(trigger, state, states...) for each, with the same of all.
  template <class Use, class... States>
  void for_each(Use&& use, States&... of) const {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto one = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
        use(std::get<N>(triggers_), std::get<N>(of)...);
      };
      (one(std::integral_constant<std::size_t, I>{}), ...);
    }(std::index_sequence_for<Ts...>{});
  }

  /// The same for number `n` alone.
  template <class Use, class... States>
  void at(std::size_t n, Use&& use, States&... of) const {
    std::size_t i = 0;
    for_each(
        [&](const auto& trigger, auto&... own) {
          if (i++ == n)
            use(trigger, own...);
        },
        of...);
  }

  template <class In>
  void add(state& of, const In& in, const trigger_moment& at) const {
    for_each([&](const auto& trigger, auto& own) { trigger.add(own, in, at); }, of);
  }

  /// Tells those that are ready that a pane has come out.
  void fire(state& of, const trigger_moment& at) const {
    for_each(
        [&](const auto& trigger, auto& own) {
          if (trigger.is_ready(own, at))
            trigger.fire(own, at);
        },
        of);
  }

  bool purges(const state& of, const trigger_moment& at) const {
    return any(of, [&](const auto& trigger, const auto& own) {
      return trigger.is_ready(own, at) && trigger.purges(own, at);
    });
  }
  bool is_any_ready(const state& of, const trigger_moment& at) const {
    return any(of, [&](const auto& trigger, const auto& own) { return trigger.is_ready(own, at); });
  }

  template <class Holds>
  bool any(const state& of, Holds&& holds) const {
    bool found = false;
    for_each([&](const auto& trigger, const auto& own) { found = found || holds(trigger, own); }, of);
    return found;
  }

  weir::event_time next_event_time(const state& of, const trigger_moment& at) const {
    weir::event_time next = never;
    for_each([&](const auto& trigger, const auto& own) { next = std::min(next, trigger.next_event_time(own, at)); },
             of);
    return next;
  }
  weir::event_time next_processing_time(const state& of, const trigger_moment& at) const {
    weir::event_time next = never;
    for_each(
        [&](const auto& trigger, const auto& own) { next = std::min(next, trigger.next_processing_time(own, at)); },
        of);
    return next;
  }

  void merge(state& of, const state& other, const trigger_moment& at) const {
    for_each([&](const auto& trigger, auto& own, const auto& more) { trigger.merge(own, more, at); }, of, other);
  }

 private:
  std::tuple<Ts...> triggers_;
};

} // namespace detail

/// Fires when all of the triggers have become ready, and finishes when all have finished.
template <class... Ts>
class all_of : public detail::several<Ts...> {
 public:
  using state = typename detail::several<Ts...>::state;
  explicit all_of(Ts... triggers) : detail::several<Ts...>(std::move(triggers)...) {}

  bool is_ready(const state& of, const trigger_moment& at) const {
    return this->is_any_ready(of, at) && !this->any(of, [&](const auto& trigger, const auto& own) {
      return !trigger.is_finished(own, at) && !trigger.is_ready(own, at);
    });
  }
  bool is_finished(const state& of, const trigger_moment& at) const {
    return !this->any(of, [&](const auto& trigger, const auto& own) { return !trigger.is_finished(own, at); });
  }
};

/// Fires when any of the triggers is ready, and finishes when any has finished.
template <class... Ts>
class any_of : public detail::several<Ts...> {
 public:
  using state = typename detail::several<Ts...>::state;
  explicit any_of(Ts... triggers) : detail::several<Ts...>(std::move(triggers)...) {}

  bool is_ready(const state& of, const trigger_moment& at) const {
    return !is_finished(of, at) && this->is_any_ready(of, at);
  }
  bool is_finished(const state& of, const trigger_moment& at) const {
    return this->any(of, [&](const auto& trigger, const auto& own) { return trigger.is_finished(own, at); });
  }
};

/// One trigger after the other: each sees records from when the one before it has finished.
template <class... Ts>
class in_sequence {
 public:
  struct state {
    typename detail::several<Ts...>::state of_each{};
    std::uint32_t current = 0;

    bool operator==(const state&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(of_each, current);
    }
  };

  explicit in_sequence(Ts... triggers) : all_(std::move(triggers)...) {}

  template <class In>
  void add(state& of, const In& in, const trigger_moment& at) const {
    all_.at(of.current, [&](const auto& trigger, auto& own) { trigger.add(own, in, at); }, of.of_each);
  }
  bool is_ready(const state& of, const trigger_moment& at) const {
    return of_current(of, false, [&](const auto& trigger, const auto& own) { return trigger.is_ready(own, at); });
  }
  bool purges(const state& of, const trigger_moment& at) const {
    return of_current(of, false, [&](const auto& trigger, const auto& own) { return trigger.purges(own, at); });
  }
  void fire(state& of, const trigger_moment& at) const {
    bool is_over = false;
    all_.at(
        of.current,
        [&](const auto& trigger, auto& own) {
          trigger.fire(own, at);
          is_over = trigger.is_finished(own, at);
        },
        of.of_each);
    of.current += is_over;
  }
  bool is_finished(const state& of, const trigger_moment&) const { return of.current == sizeof...(Ts); }
  weir::event_time next_event_time(const state& of, const trigger_moment& at) const {
    return of_current(of, never, [&](const auto& trigger, const auto& own) { return trigger.next_event_time(own, at); });
  }
  weir::event_time next_processing_time(const state& of, const trigger_moment& at) const {
    return of_current(of, never,
                      [&](const auto& trigger, const auto& own) { return trigger.next_processing_time(own, at); });
  }
  /// The session goes on where the one stood that had come furthest.
  void merge(state& of, const state& other, const trigger_moment& at) const {
    of.current = std::max(of.current, other.current);
    std::size_t i = 0;
    all_.for_each(
        [&](const auto& trigger, auto& own, const auto& more) {
          if (i++ <= of.current)
            trigger.merge(own, more, at);
          else
            own = {};
        },
        of.of_each, other.of_each);
  }

 private:
  template <class Result, class Use>
  Result of_current(const state& of, Result otherwise, Use&& use) const {
    all_.at(of.current, [&](const auto& trigger, const auto& own) { otherwise = use(trigger, own); }, of.of_each);
    return otherwise;
  }

  detail::several<Ts...> all_;
};

} // namespace weir::triggers
