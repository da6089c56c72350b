#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <weir/actors/function_state.hpp>
#include <weir/actors/operator.hpp>
#include <weir/base/codec.hpp>
#include <weir/state/aggregating_state.hpp>
#include <weir/state/keyed_state.hpp>

namespace weir {

/// When a keyed fold emits.
enum class emit : std::uint8_t {
  updates, ///< for every record, the result so far
  at_end,  ///< once per key, when the input has ended
};

/// What count emits.
template <class Key>
struct counted {
  Key key{};
  std::uint64_t count = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(key, count);
  }
  bool operator==(const counted&) const = default;
};

/// The key of a record as it is stored: what the function given to key_by returns, by value.
template <class KeyOf, class In>
using key_of_t = std::remove_cvref_t<std::invoke_result_t<const KeyOf&, const In&>>;

/// A function that two records of a key are reduced with: `T f(const T& so_far, const T& next)`.
template <class F, class T>
concept reduce_function = std::copy_constructible<F> && std::is_invocable_r_v<T, F&, const T&, const T&>;

/// The rules of reduce, aggregate and count: the row kept per key, how a record changes it, and what
/// is emitted.
template <class T, reduce_function<T> F>
struct reduce_fold {
  using row = T;
  static constexpr const char* kind = "reduce";
  F f;

  void add(row& so_far, const T& next, bool is_first) {
    if (is_first)
      so_far = next;
    else
      so_far = f(std::as_const(so_far), next);
  }
  template <class Key>
  T result(const Key&, const row& so_far) const {
    return so_far;
  }

  // Of a window that is made of several rows:
  static constexpr bool merges = true;
  void merge(row& so_far, const row& next) { so_far = f(std::as_const(so_far), next); }
  template <class Key>
  T value(const Key&, const row& so_far) const {
    return so_far;
  }
};

template <class A>
struct aggregate_fold {
  using row = typename A::accumulator;
  static constexpr const char* kind = "aggregate";
  A how;

  template <class In>
  void add(row& acc, const In& in, bool) {
    how.add(acc, in);
  }
  template <class Key>
  auto result(const Key& key, const row& acc) const {
    if constexpr (requires { how.result(key, acc); })
      return how.result(key, acc);
    else
      return how.result(acc);
  }

  static constexpr bool merges = mergeable_aggregator<A>;
  void merge(row& so_far, const row& next) const { how.merge(so_far, next); }
  template <class Key>
  auto value(const Key& key, const row& acc) const {
    return result(key, acc);
  }
};

struct count_fold {
  using row = std::uint64_t;
  static constexpr const char* kind = "count";

  template <class In>
  void add(row& count, const In&, bool) {
    ++count;
  }
  static constexpr bool merges = true;
  void merge(row& count, row other) const { count += other; }
  template <class Key>
  row value(const Key&, row count) const {
    return count;
  }
  template <class Key>
  counted<Key> result(const Key& key, const row& count) const {
    return {key, count};
  }
  /// In place: a key that is a string keeps the memory of the record it is assigned to.
  template <class Key>
  void result(const Key& key, const row& count, counted<Key>& out) const {
    out.key = key;
    out.count = count;
  }
};

/// Keeps one row per key, changed by every record of the key.
template <record In, class KeyOf, class Fold>
  requires storable<key_of_t<KeyOf, In>> && storable<typename Fold::row>
class keyed_fold_operator final : public operator_base, public collector<In> {
 public:
  using key_type = key_of_t<KeyOf, In>;
  using row_type = typename Fold::row;
  using output_type = std::remove_cvref_t<decltype(std::declval<const Fold&>().result(
      std::declval<const key_type&>(), std::declval<const row_type&>()))>;

  keyed_fold_operator(KeyOf key_of, Fold fold, emit when)
      : key_of_(std::move(key_of)), fold_(std::move(fold)), when_(when) {}

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_}; }

  void receive(batch<In>& records) override {
    if (when_ == emit::updates)
      fold_batch<true>(records);
    else
      fold_batch<false>(records);
  }

 private:
  using state_type = keyed_state<key_type, static_rows<row_type>>;

  template <bool Updates>
  void fold_batch(batch<In>& records) {
    const event_time* times = records.times();
    out_.set_timed(times != nullptr);
    if (Updates && !times) {
      typename emitter<output_type>::run out(out_);
      for_each_row(records, [&](const key_type& key, const row_type& row, std::uint32_t) {
        write_result(key, row, out.append());
      });
    } else {
      for_each_row(records, [&](const key_type& key, const row_type& row, std::uint32_t i) {
        if constexpr (Updates) {
          out_.set_time(times[i]);
          write_result(key, row, out_.append());
        }
      });
    }
  }

  /// Adds each record to its key's row and calls use(key, row, index of the record).
  template <class Use>
  void for_each_row(batch<In>& records, Use&& use) {
    const In* const all = records.records();
    this->count_records(records.size(), [&](std::uint32_t& at) {
      state_->for_each_update(
          records.hashes(), records.size(), [&](std::uint32_t i) -> decltype(auto) { return key_of_(all[at = i]); },
          [&](std::uint32_t i, const key_type& key, std::byte* place, bool created) {
            row_type& row = *std::launder(reinterpret_cast<row_type*>(place));
            fold_.add(row, all[i], created);
            use(key, std::as_const(row), i);
          });
    });
    state_->settle(0); // nothing here has a time to live
  }

  void write_result(const key_type& key, const row_type& row, output_type& out) {
    if constexpr (requires { fold_.result(key, row, out); })
      fold_.result(key, row, out);
    else
      out = fold_.result(key, row);
  }

  void on_open(const restored_state& restored) override {
    const keyed_state_setup setup = keyed_setup(context());
    state_ = std::make_unique<state_type>(setup, static_rows<row_type>(Fold::kind));
    state_->restore(restored);
    next_to_drain_ = setup.range.first;
  }

  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    if (context().is_stored)
      state_->begin_write(made, order, 0);
  }
  bool on_write_snapshot(operator_snapshot& made) override { return state_->write_some(made); }

  bool on_drain() override {
    const key_group_range range = state_->table().range();
    if (when_ == emit::updates || next_to_drain_ == range.last)
      return true;
    out_.set_timed(false);
    state_->drain(key_group{next_to_drain_++}, [&](const key_type& key, std::byte* place) {
      out_(fold_.result(key, *std::launder(reinterpret_cast<const row_type*>(place))));
    });
    return next_to_drain_ == range.last;
  }

  KeyOf key_of_;
  Fold fold_;
  emit when_;
  emitter<output_type> out_;
  std::unique_ptr<state_type> state_;
  std::uint32_t next_to_drain_ = 0;
};

} // namespace weir
