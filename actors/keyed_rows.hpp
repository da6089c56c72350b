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

namespace weir {

/// What a keyed operator instance keeps its state with.
keyed_state_setup keyed_setup(const operator_context& context);

/// The declared states and timers of one operator instance, of which those of one key are shown at a time.
///
/// Between begin() and end(), which belong around a batch or a step, any number of keys can be visited, one
/// after the other.
template <storable Key>
class keyed_rows {
 public:
  /// Calls declare(state_registry&), then brings back what was stored.
  template <class Declare>
  void open(const operator_context& context, const restored_state& restored, bool has_timers, Declare&& declare) {
    context_ = &context;
    state_registry registry(cursor_, instance_, context.instance == 0);
    declare(registry);
    if (has_timers)
      timers_ = registry.declare_own(keyed_timers::declaration{});
    state_ = std::make_unique<state_type>(keyed_setup(context), registry.finish());
    const dynamic_rows& rows = state_->table().rows();
    clean_per_record_ = rows.clean_per_record();
    needs_entries_ = rows.has_entries() && state_->is_on_disk();
    state_->restore(restored);
    if (timers_)
      collect_timers();
  }

  /// State of the instance that was declared beside that of its keys.
  operator_states& instance() noexcept { return instance_; }

  /// nullptr where there are none.
  keyed_timers* timers() { return timers_ ? &*timers_ : nullptr; }

  void begin() { cursor_.at = state_->time_of_changes(context_->now_ms()); }

  void end() {
    if (timers_ && timers_->is_stale(state_->table().size())) [[unlikely]]
      collect_timers();
    state_->settle(cursor_.at.now);
  }

  /// Calls body() while the states show those of `key`. A row that is left without any value is removed.
  template <class Body>
  void visit(std::uint64_t hash, const Key& key, Body&& body) {
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

  /// Whether anything may be kept of `key`; with state on disk only a visit tells.
  bool may_have(std::uint64_t hash, const Key& key) const {
    return state_->is_on_disk() || state_->table().find(hash, key);
  }

  /// Takes the timers that are due out, in their order, and calls fire(timer, hash, key) for each while the states
  /// show those of its key, and then after(), which may visit any. Stops after `timers_per_step`; returns whether
  /// none is left. A timer that is set meanwhile counts.
  ///
  /// Errors: throws std::runtime_error where that has no end at the end of the input.
  template <class Fire, class After>
  bool fire_timers(time_domain domain, event_time until, Fire&& fire, After&& after) {
    if (until == last_watermark && left_after_end_ == 0)
      left_after_end_ = (timers_->size() + 1) * most_after_end;
    begin();
    bool is_done = false;
    for (std::uint32_t n = 0; n < timers_per_step && !is_done; ++n) {
      const auto* next = timers_->next(domain);
      is_done = !next || next->time > until;
      if (!is_done)
        fire_next(domain, fire, after);
    }
    end();
    return is_done;
  }

  /// When the next timer in processing time is due.
  std::optional<event_time> next_wakeup() const {
    const auto* next = timers_ ? timers_->next(time_domain::processing) : nullptr;
    return next ? std::optional(next->time) : std::nullopt;
  }

  void prefetch(const std::uint64_t* hashes, std::uint32_t i, std::uint32_t size) const {
    if (state_->table().memory() > prefetch_threshold && i + prefetch_distance < size)
      state_->table().prefetch(hashes[i + prefetch_distance]);
  }

  /// Into a snapshot, where they are stored; write_some() until it is complete.
  void begin_write(operator_snapshot& made, const snapshot_order& order) {
    if (context_->is_stored)
      state_->begin_write(made, order, context_->now_ms());
  }
  bool write_some(operator_snapshot& made) { return state_->write_some(made); }

 private:
  using state_type = keyed_state<Key, dynamic_rows>;

  static constexpr std::uint32_t timers_per_step = 1024;

  /// After the end of the input, how many times as many timers may fire as were left then.
  static constexpr std::uint64_t most_after_end = 1000;

  void collect_timers() {
    timers_->clear();
    state_->for_each_row([&](const Key& key, const std::byte* row) { timers_->add(hash_of(key), row); });
  }

  template <class Fire, class After>
  void fire_next(time_domain domain, Fire& fire, After& after) {
    const auto [time, hash] = *timers_->next(domain);
    const timer what{time, domain};
    timers_->pop(domain);
    due_.clear();
    state_->for_each_of(hash, [&](const Key& key, std::byte*) { due_.push_back(key); });
    for (const Key& key : due_) {
      if (hash_of(key) != hash)
        continue;
      visit(hash, key, [&] {
        if (!timers_->erase(what))
          return; // deleted, or another key's
        if (left_after_end_ != 0 && --left_after_end_ == 0)
          throw std::runtime_error("timers go on being set after the end of the input: do not set any where the "
                                   "watermark is weir::last_watermark");
        fire(what, hash, key);
      });
      after();
    }
  }

  const operator_context* context_ = nullptr; // of the operator that this is a part of
  row_cursor cursor_;
  operator_states instance_;
  std::unique_ptr<state_type> state_;
  std::optional<keyed_timers> timers_;
  std::vector<Key> due_;
  std::uint64_t left_after_end_ = 0; // timers that may still fire; 0: the input has not ended
  std::uint32_t clean_per_record_ = 0;
  bool needs_entries_ = false;
};

} // namespace weir
