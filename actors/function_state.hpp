#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <weir/actors/keyed_rows.hpp>
#include <weir/actors/operator.hpp>
#include <weir/state/operator_state.hpp>
#include <weir/state/state_registry.hpp>
#include <weir/state/timers.hpp>

/// \file
/// What lies between an operator and the state of the user's class that it runs: declaring, restoring,
/// showing it the states of each record's key, timers, snapshots.

namespace weir {

template <class Key>
class keyed_context;

/// The state of one instance of a user's class that is not keyed.
class instance_state {
 public:
  template <class P>
  void open(P& how, const operator_context& context, const restored_state& restored) {
    if constexpr (requires(operator_state_registry& registry) { how.open(registry); }) {
      operator_state_registry registry(states_, context.instance == 0);
      how.open(registry);
    } else {
      static_assert(!requires { &P::open; } || requires { how.open(context); },
                    "an operator that is not on a keyed stream: expected `void open("
                    "weir::operator_state_registry&)`");
    }
    restore_operator_state(how, states_, restored, context.allow_dropped_state);
  }

  template <class P>
  void begin_write(P& how, const snapshot_order&, operator_snapshot& made) const {
    write_operator_state(how, states_, made);
  }
  bool write_some(operator_snapshot&) const { return true; }

  // Timers are for keys.
  template <class P, class Context, class Out>
  bool advance(P&, Context& told, emitter<Out>&, event_time watermark) {
    told.set_watermark(watermark);
    return true;
  }
  template <class P, class Context, class Out>
  bool wake(P&, Context&, emitter<Out>&, event_time) {
    return true;
  }
  std::optional<event_time> next_wakeup() const { return std::nullopt; }

 private:
  operator_states states_;
};

/// The state of one instance of a user's class on a keyed stream: shows it that of each record's key.
template <storable Key>
class process_state {
 public:
  template <class P>
  void open(P& how, const operator_context& context, const restored_state& restored) {
    constexpr bool has_timers = requires { &P::on_timer; };
    rows_.open(context, restored, has_timers, [&](state_registry& registry) {
      if constexpr (requires { how.open(registry); })
        how.open(registry);
      else
        static_assert(!requires { &P::open; }, "an operator on a keyed stream: expected `void "
                                               "open(weir::state_registry&)`");
    });
    restore_operator_state(how, rows_.instance(), restored, context.allow_dropped_state);
  }

  /// Fires the timers that are due at a watermark, some of them: returns whether those were all.
  template <class P, class Out>
  bool advance(P& how, keyed_context<Key>& told, emitter<Out>& out, event_time watermark) {
    told.set_watermark(watermark);
    return fire(how, told, out, time_domain::event, watermark);
  }

  /// The same for processing time.
  template <class P, class Out>
  bool wake(P& how, keyed_context<Key>& told, emitter<Out>& out, event_time now) {
    return fire(how, told, out, time_domain::processing, now);
  }
  std::optional<event_time> next_wakeup() const { return rows_.next_wakeup(); }

  /// Calls call(record) for each record of a batch, with the states bound to its key, and with key and event
  /// time in `told`. `for_each` is the operator's own way of going over the records: it calls what it is given
  /// with each and its index.
  template <class In, class KeyOf, class Context, class ForEach, class Call>
  void process(batch<In>& records, const KeyOf& key_of, Context& told, ForEach&& for_each, Call&& call) {
    const event_time* times = records.times();
    const std::uint64_t* hashes = records.hashes();
    rows_.begin();
    for_each([&](In& in, std::uint32_t i) {
      if (hashes) [[likely]]
        rows_.prefetch(hashes, i, records.size());
      const Key key = key_of(std::as_const(in));
      told.set_time(times ? std::optional(times[i]) : std::nullopt);
      // Without hashes it did not come over a keyed exchange: all records are of one key.
      at(hashes ? hashes[i] : hash_of(key), key, told, [&] { call(std::as_const(in)); });
    });
    rows_.end();
  }

  /// Stand around the calls of at() for one batch.
  void begin() { rows_.begin(); }
  void end() { rows_.end(); }

  /// Calls body() with the states bound to a key, and with the key in `told`.
  template <class Context, class Body>
  void at(std::uint64_t hash, const Key& key, Context& told, Body&& body) {
    told.set_key(key, rows_.timers());
    rows_.visit(hash, key, body);
  }

  /// The same for a body that only reads: it need not be called where nothing is known of the key.
  template <class Context, class Body>
  void look_at(std::uint64_t hash, const Key& key, Context& told, Body&& body) {
    if (rows_.may_have(hash, key))
      at(hash, key, told, body);
  }

  template <class P>
  void begin_write(P& how, const snapshot_order& order, operator_snapshot& made) {
    rows_.begin_write(made, order);
    write_operator_state(how, rows_.instance(), made);
  }
  bool write_some(operator_snapshot& made) { return rows_.write_some(made); }

 private:
  template <class P, class Out>
  bool fire([[maybe_unused]] P& how, [[maybe_unused]] keyed_context<Key>& told,
            [[maybe_unused]] emitter<Out>& out, [[maybe_unused]] time_domain domain,
            [[maybe_unused]] event_time until) {
    if constexpr (requires { &P::on_timer; }) {
      out.set_timed(domain == time_domain::event);
      const auto fire = [&](const timer& what, std::uint64_t, const Key& key) {
        told.set_key(key, rows_.timers());
        told.set_time(what.time);
        if (domain == time_domain::event)
          out.set_time(std::min(what.time, latest_event_time));
        how.on_timer(what, told, out);
      };
      return rows_.fire_timers(domain, until, fire, [] {});
    } else {
      return true;
    }
  }

  keyed_rows<Key> rows_;
};

} // namespace weir
