#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/emitter.hpp>
#include <weir/actors/operators/connect.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/actors/window.hpp>
#include <weir/state/list_state.hpp>
#include <weir/state/state_registry.hpp>

/// \file
/// Joins of two keyed streams in event time.

namespace weir {

/// `Out f(const First&, const Second&)`
template <class F, class First, class Second>
concept join_function =
    std::copy_constructible<F> && std::invocable<F&, const First&, const Second&> &&
    record<std::remove_cvref_t<std::invoke_result_t<F&, const First&, const Second&>>>;

/// `void f(const Key&, const time_window&, const std::vector<First>&, const std::vector<Second>&,
/// emitter<Out>&)`
template <class F, class Key, class First, class Second, class Out>
concept cogroup_function =
    std::copy_constructible<F> &&
    std::invocable<F&, const Key&, const time_window&, const std::vector<First>&,
                   const std::vector<Second>&, emitter<Out>&>;

/// Where a join keeps the records of one key: in a row for each stretch of event time that it chooses.
///
/// Ownership: of a join_operator; valid while that adds a record.
template <class Key>
class join_rows {
 public:
  using states_type = process_state<window_key<Key>>;
  using context_type = keyed_context<window_key<Key>>;

  join_rows(states_type& states, context_type& told) : states_(states), told_(told) {}

  /// The key of the record that is being added.
  void set_key(std::uint64_t hash, const Key& key) {
    hash_ = hash;
    place_.key = key;
  }

  /// Calls body() with the join's states bound to the row of the stretch that starts then.
  template <class Body>
  void at(std::int64_t start, Body&& body) {
    place_.start = start;
    states_.at(hash_in_window(hash_, start), place_, told_, body);
  }

  /// The same for a body that only reads; it need not be called where the row is empty.
  template <class Body>
  void look_at(std::int64_t start, Body&& body) {
    place_.start = start;
    states_.look_at(hash_in_window(hash_, start), place_, told_, body);
  }

  /// Of the row that at() is at. Each is set once, however often that is said.
  void set_timer(std::int64_t time) { told_.set_timer(event_time{std::chrono::milliseconds{time}}); }

  /// In Unix milliseconds.
  std::int64_t watermark() const { return told_.watermark().time_since_epoch().count(); }

 private:
  states_type& states_;
  context_type& told_;
  std::uint64_t hash_ = 0;
  window_key<Key> place_;
};

/// Puts the records of two inputs together that are keyed by the same type. What comes of them is output 0;
/// those that came too late are output 1 for the first input and output 2 for the second.
///
/// `Join` says how: interval_join, window_cogroup. It is a process function whose keys are window_key<Key>,
/// with `bool add_first(const First&, std::int64_t time, join_rows<Key>&, emitter<output>&)`, and `add_second`,
/// instead of `process`; they return whether the record was in time.
template <record First, class FirstKey, record Second, class SecondKey, class Join>
class join_operator final
    : public process_operator_base<Join, keyed_context<window_key<key_of_t<FirstKey, First>>>,
                                   process_state<window_key<key_of_t<FirstKey, First>>>> {
  using base = process_operator_base<Join, keyed_context<window_key<key_of_t<FirstKey, First>>>,
                                     process_state<window_key<key_of_t<FirstKey, First>>>>;

 public:
  join_operator(FirstKey first, SecondKey second, Join how)
      : base(std::move(how)), first_key_(std::move(first)), second_key_(std::move(second)) {}

  collector_base& input(std::size_t port) override { return *inputs_[port]; }
  std::vector<output_port*> outputs() override { return {&out_, &late_first_, &late_second_}; }

 private:
  template <class In, class KeyOf, class Add>
  std::unique_ptr<collector_base> input_for(const KeyOf& key_of, emitter<In>& late, Add add) {
    return detail::make_input<In>([this, &key_of, &late, add](batch<In>& records) {
      const event_time* const times = records.times();
      const std::uint64_t* const hashes = records.hashes();
      late.set_timed(true);
      state_.begin();
      this->for_each_record(records, out_, [&](In& in, std::uint32_t i) {
        if (!times)
          throw std::runtime_error("a record without an event time: put assign_times before the join");
        this->check_event_time(times[i]);
        rows_.set_key(hashes[i], key_of(std::as_const(in)));
        if (!add(std::as_const(in), times[i].time_since_epoch().count()))
          this->emit_late_record(late, std::move(in), times[i]);
      });
      state_.end();
    });
  }

  using base::how_;
  using base::out_;
  using base::state_;
  using base::told_;

  FirstKey first_key_;
  SecondKey second_key_;
  join_rows<key_of_t<FirstKey, First>> rows_{state_, told_};
  emitter<First> late_first_;
  emitter<Second> late_second_;
  std::unique_ptr<collector_base> inputs_[2] = {
      input_for<First>(first_key_, late_first_,
                       [this](const First& in, std::int64_t time) {
                         return how_.add_first(in, time, rows_, out_);
                       }),
      input_for<Second>(second_key_, late_second_, [this](const Second& in, std::int64_t time) {
        return how_.add_second(in, time, rows_, out_);
      })};
};

/// A record that waits for those of the other side.
template <class T>
struct waiting_record {
  std::int64_t time = 0; ///< Unix milliseconds
  T content{};

  template <class Archive>
  void serialize(Archive& archive) {
    archive(time, content);
  }
};

/// Every pair of records of one key where the second's time is from `lower` to `upper` after the first's,
/// both included. A pair comes out as soon as both are there, with the later of their times. A record is kept
/// until the watermark says that no partner can come; one whose time is before the watermark is late.
///
/// Cost: a row holds as much time as the interval. A record is added to one, without touching what is there,
///       and looks for its partners among all records of the other side in the two rows that its interval lies
///       in. A row goes as a whole.
template <class Key, record First, record Second, class F>
class interval_join {
 public:
  using output = std::remove_cvref_t<std::invoke_result_t<F&, const First&, const Second&>>;

  /// Throws std::invalid_argument when `upper` is before `lower`.
  interval_join(std::chrono::milliseconds lower, std::chrono::milliseconds upper, F join)
      : lower_(bounded(lower)), upper_(bounded(upper)), join_(std::move(join)) {
    if (upper < lower)
      throw std::invalid_argument("an interval from " + std::to_string(lower.count()) + " to " +
                                  std::to_string(upper.count()) + " ms: expected it the other way round");
  }

  void open(state_registry& states) {
    // What is kept for another interval would not be found in this one's rows.
    const std::string within = " within " + std::to_string(lower_) + " to " + std::to_string(upper_) + " ms";
    first_ = states.list<waiting_record<First>>("first" + within);
    second_ = states.list<waiting_record<Second>>("second" + within);
  }

  bool add_first(const First& in, std::int64_t time, join_rows<Key>& rows, emitter<output>& out) {
    if (time < rows.watermark())
      return false;
    for_each_between(second_, time + lower_, time + upper_, rows, [&](const auto& other) {
      emit(out, std::max(time, other.time), in, other.content);
    });
    keep(first_, in, time, upper_, rows);
    return true;
  }

  bool add_second(const Second& in, std::int64_t time, join_rows<Key>& rows, emitter<output>& out) {
    if (time < rows.watermark())
      return false;
    for_each_between(first_, time - upper_, time - lower_, rows, [&](const auto& other) {
      emit(out, std::max(time, other.time), other.content, in);
    });
    keep(second_, in, time, -lower_, rows);
    return true;
  }

  void on_timer(const timer& due, keyed_context<window_key<Key>>& context, emitter<output>&) {
    const std::int64_t end = context.key().start + stretches().size();
    const std::int64_t now = due.time.time_since_epoch().count();
    if (end + upper_ <= now)
      first_.clear();
    if (end - lower_ <= now)
      second_.clear();
  }

 private:
  static std::int64_t bounded(std::chrono::milliseconds length) {
    return std::clamp(length, -longest_time / 4, longest_time / 4).count();
  }

  aligned_windows stretches() const { return tumbling(std::chrono::milliseconds{upper_ - lower_ + 1}); }

  template <class T, class Use>
  void for_each_between(const list_state<waiting_record<T>>& where, std::int64_t from, std::int64_t to,
                        join_rows<Key>& rows, Use&& use) const {
    const aligned_windows all = stretches();
    for (std::int64_t start = all.last_start(from); start <= to; start += all.size())
      rows.look_at(start, [&] {
        for (const waiting_record<T>& one : where)
          if (one.time >= from && one.time <= to)
            use(one);
      });
  }

  void emit(emitter<output>& out, std::int64_t time, const First& first, const Second& second) {
    out.set_time(event_time{std::chrono::milliseconds{time}});
    out(join_(first, second));
  }

  /// `wait`: how much later the last partner may be.
  template <class T>
  void keep(list_state<waiting_record<T>>& where, const T& in, std::int64_t time, std::int64_t wait,
            join_rows<Key>& rows) const {
    if (time + wait < rows.watermark())
      return;
    const aligned_windows all = stretches();
    const std::int64_t start = all.last_start(time);
    rows.at(start, [&] {
      where.add({time, in});
      rows.set_timer(start + all.size() + wait);
    });
  }

  std::int64_t lower_; // ms
  std::int64_t upper_;
  F join_;
  list_state<waiting_record<First>> first_;
  list_state<waiting_record<Second>> second_;
};

/// The records of both streams of one key and window together, when the watermark passes its end. A record
/// that comes later than the end of its last window is late.
///
/// Cost: a record is added to each of its windows, without touching what is there.
template <class Key, record First, record Second, record Out, class F>
class window_cogroup {
 public:
  using output = Out;

  window_cogroup(aligned_windows windows, F group) : windows_(windows), group_(std::move(group)) {}

  void open(state_registry& states) {
    first_ = states.list<First>("first of windows of " + windows_.text());
    second_ = states.list<Second>("second of windows of " + windows_.text());
  }

  bool add_first(const First& in, std::int64_t time, join_rows<Key>& rows, emitter<output>&) {
    return add(first_, in, time, rows);
  }
  bool add_second(const Second& in, std::int64_t time, join_rows<Key>& rows, emitter<output>&) {
    return add(second_, in, time, rows);
  }

  void on_timer(const timer& due, keyed_context<window_key<Key>>& context, emitter<output>& out) {
    const time_window window{due.time - std::chrono::milliseconds{windows_.size()}, due.time};
    out.set_time(window.last());
    group_(context.key().key, window, first_.to_vector(), second_.to_vector(), out);
    first_.clear();
    second_.clear();
  }

 private:
  /// Returns whether the record was in time for any window.
  template <class T>
  bool add(list_state<T>& where, const T& in, std::int64_t time, join_rows<Key>& rows) const {
    bool is_in_time = false;
    for (std::int64_t start = windows_.last_start(time); start + windows_.size() > time;
         start -= windows_.slide()) {
      const std::int64_t end = start + windows_.size();
      if (end <= rows.watermark())
        break; // as are those before it
      is_in_time = true;
      rows.at(start, [&] {
        where.add(in);
        rows.set_timer(end);
      });
    }
    return is_in_time;
  }

  aligned_windows windows_;
  F group_;
  list_state<First> first_;
  list_state<Second> second_;
};

} // namespace weir
