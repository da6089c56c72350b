#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/base/hash.hpp>
#include <weir/state/keyed_state.hpp>
#include <weir/state/operator_state.hpp>
#include <weir/state/state_registry.hpp>
#include <weir/state/timers.hpp>

/// \file
/// What lies between an operator and the state of the user's class that it runs: declaring, restoring,
/// finding the row of each record's key, snapshots.

namespace weir {

template <class Key>
class keyed_context;

/// What a keyed operator instance keeps its state with.
keyed_state_setup keyed_setup(const operator_context& context);

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
  void write(P& how, const snapshot_order&, operator_snapshot& made) const {
    write_operator_state(how, states_, made);
  }

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

/// The state of one instance of a user's class on a keyed stream: finds the row of each record's key
/// and shows it to the class's states.
template <storable Key>
class process_state {
 public:
  template <class P>
  void open(P& how, const operator_context& context, const restored_state& restored) {
    context_ = &context;
    state_registry registry(cursor_, instance_, context.instance == 0);
    if constexpr (requires { how.open(registry); })
      how.open(registry);
    else
      static_assert(!requires { &P::open; }, "an operator on a keyed stream: expected `void "
                                             "open(weir::state_registry&)`");
    if constexpr (requires { &P::on_timer; })
      timers_ = registry.declare_own(keyed_timers::declaration{});
    state_ = std::make_unique<state_type>(keyed_setup(context), registry.finish());
    const dynamic_rows& rows = state_->table().rows();
    clean_per_record_ = rows.clean_per_record();
    needs_entries_ = rows.has_entries() && state_->is_on_disk();
    state_->restore(restored);
    restore_operator_state(how, instance_, restored, context.allow_dropped_state);
    if (timers_)
      collect_timers();
  }

  /// Fires the timers that are due at a watermark, some of them: returns whether those were all.
  template <class P, class Out>
  bool advance(P& how, keyed_context<Key>& told, emitter<Out>& out, event_time watermark) {
    told.set_watermark(watermark);
    if (watermark == last_watermark && left_after_end_ == 0 && timers_)
      left_after_end_ = (timers_->size() + 1) * most_after_end;
    return fire(how, told, out, time_domain::event, watermark);
  }

  /// The same for processing time.
  template <class P, class Out>
  bool wake(P& how, keyed_context<Key>& told, emitter<Out>& out, event_time now) {
    return fire(how, told, out, time_domain::processing, now);
  }
  std::optional<event_time> next_wakeup() const {
    const auto* next = timers_ ? timers_->next(time_domain::processing) : nullptr;
    return next ? std::optional(next->time) : std::nullopt;
  }

  /// Calls call(record) for each record of a batch that came over a keyed exchange, with the states bound
  /// to its key, and with key and event time in `told`. `for_each` is the operator's own way of going over
  /// the records: it calls what it is given with each and its index.
  template <class In, class KeyOf, class Context, class ForEach, class Call>
  void process(batch<In>& records, const KeyOf& key_of, Context& told, ForEach&& for_each, Call&& call) {
    const event_time* times = records.times();
    const std::uint64_t* hashes = records.hashes();
    begin();
    for_each([&](In& in, std::uint32_t i) {
      prefetch(hashes, i, records.size());
      const Key key = key_of(std::as_const(in));
      told.set_time(times ? std::optional(times[i]) : std::nullopt);
      at(hashes[i], key, told, [&] { call(std::as_const(in)); });
    });
    end();
  }

  /// Stand around the calls of at() for one batch.
  void begin() { cursor_.at = state_->time_of_changes(context_->now_ms()); }
  void end() {
    if (timers_ && timers_->is_stale()) [[unlikely]]
      collect_timers();
    state_->settle(cursor_.at.now);
  }

  /// Calls body() with the states bound to a key, and with the key in `told`.
  template <class Context, class Body>
  void at(std::uint64_t hash, const Key& key, Context& told, Body&& body) {
    told.set_key(key, timers());
    with_key(hash, key, body);
  }

  /// The same for a body that only reads: in memory it is not called where nothing is known of the key.
  template <class Context, class Body>
  void look_at(std::uint64_t hash, const Key& key, Context& told, Body&& body) {
    if (state_->is_on_disk() || state_->table().find(hash, key))
      at(hash, key, told, body);
  }

  template <class P>
  void write(P& how, const snapshot_order& order, operator_snapshot& made) {
    if (context_->is_stored)
      state_->write(made, order, context_->now_ms());
    write_operator_state(how, instance_, made);
  }

 private:
  using state_type = keyed_state<Key, dynamic_rows>;

  /// How many timers fire in one step.
  static constexpr std::uint32_t timers_per_step = 1024;

  /// After the end of the input, how many times as many timers may fire as were left then.
  static constexpr std::uint64_t most_after_end = 1000;

  keyed_timers* timers() { return timers_ ? &*timers_ : nullptr; }

  void collect_timers() {
    timers_->clear();
    state_->for_each_row([&](const Key& key, const std::byte* row) { timers_->add(hash_of(key), row); });
  }

  template <class P, class Out>
  bool fire([[maybe_unused]] P& how, [[maybe_unused]] keyed_context<Key>& told,
            [[maybe_unused]] emitter<Out>& out, [[maybe_unused]] time_domain domain,
            [[maybe_unused]] event_time until) {
    if constexpr (requires { &P::on_timer; }) {
      begin();
      out.set_timed(domain == time_domain::event);
      bool is_done = false;
      for (std::uint32_t n = 0; n < timers_per_step && !is_done; ++n) {
        const auto* next = timers_->next(domain);
        is_done = !next || next->time > until;
        if (!is_done)
          fire_one(how, told, out, domain);
      }
      end();
      return is_done;
    } else {
      return true;
    }
  }

  template <class P, class Out>
  void fire_one(P& how, keyed_context<Key>& told, emitter<Out>& out, time_domain domain) {
    const auto [time, hash] = *timers_->next(domain);
    timers_->pop(domain);
    due_.clear();
    state_->for_each_of(hash, [&](const Key& key, std::byte*) { due_.push_back(key); });
    for (const Key& key : due_) {
      if (hash_of(key) != hash)
        continue;
      told.set_key(key, timers());
      told.set_time(time);
      if (domain == time_domain::event)
        out.set_time(time);
      with_key(hash, key, [&, time = time] {
        const timer what{time, domain};
        if (!timers_->erase(what))
          return; // deleted, or another key's
        if (left_after_end_ != 0 && --left_after_end_ == 0)
          throw std::runtime_error(
              "on_timer goes on setting timers after the end of the input: do not set any where "
              "context.watermark() is weir::last_watermark");
        how.on_timer(what, told, out);
      });
    }
  }

  // A row that is left without any value is removed.
  template <class Body>
  void with_key(std::uint64_t hash, const Key& key, Body&& body) {
    const auto [row, created] = state_->find_or_create(hash, key);
    cursor_.row = row;
    cursor_.changed = cursor_.removed = false;
    cursor_.to_clean = clean_per_record_;
    if (timers_)
      timers_->set_hash(hash);
    if (needs_entries_) [[unlikely]]
      cursor_.entries = state_->entries_of(hash, key);
    body();
    cursor_.row = nullptr;
    if (cursor_.changed)
      state_->set_changed(hash, row);
    if ((created || cursor_.removed) && state_->table().rows().is_empty(row))
      state_->erase(hash, key, created);
    if (cursor_.entry_bytes != 0) [[unlikely]]
      state_->note_entries(std::exchange(cursor_.entry_bytes, 0));
    if (cursor_.to_clean != 0) [[unlikely]]
      state_->clean(cursor_.to_clean, cursor_.at);
  }

  void prefetch(const std::uint64_t* hashes, std::uint32_t i, std::uint32_t size) const {
    if (state_->table().memory() > prefetch_threshold && i + prefetch_distance < size)
      state_->table().prefetch(hashes[i + prefetch_distance]);
  }

  const operator_context* context_ = nullptr; // of the operator that this is a part of
  row_cursor cursor_;
  operator_states instance_;
  std::unique_ptr<state_type> state_;
  std::optional<keyed_timers> timers_; // where the class has an on_timer
  std::vector<Key> due_;
  std::uint64_t left_after_end_ = 0; // timers that may still fire; 0: the input has not ended
  std::uint32_t clean_per_record_ = 0;
  bool needs_entries_ = false;
};

} // namespace weir
