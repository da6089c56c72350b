#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/actors/operators/keyed_fold.hpp>
#include <weir/actors/window.hpp>
#include <weir/state/keyed_state.hpp>

namespace weir {

/// What the window operators have in common: keyed rows, windows that come out at output 0 when the watermark
/// passes their end, late records at output 1. `RowKey` is the key of the rows, `Row` what is kept in one.
template <record In, class KeyOf, class Fold, class RowKey, class Row>
class keyed_window_operator : public operator_base, public collector<In> {
 public:
  using key_type = key_of_t<KeyOf, In>;
  using content_type = typename Fold::row;
  using value_type = std::remove_cvref_t<decltype(std::declval<const Fold&>().value(
      std::declval<const key_type&>(), std::declval<const content_type&>()))>;
  using output_type = windowed<key_type, value_type>;

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_, &late_}; }

 protected:
  using row_type = Row;
  using state_type = keyed_state<RowKey, static_rows<Row>>;

  static constexpr std::uint32_t rows_per_step = 1024;

  keyed_window_operator(KeyOf key_of, Fold fold, std::chrono::milliseconds lateness)
      : key_of_(std::move(key_of)), fold_(std::move(fold)), lateness_(std::min(lateness, longest_time).count()) {}

  static row_type& row_at(std::byte* place) { return *std::launder(reinterpret_cast<row_type*>(place)); }

  std::int64_t watermark_ms() const { return watermark().time_since_epoch().count(); }

  /// Whether nothing is kept any more of what ends then.
  bool is_over(std::int64_t end, std::int64_t watermark) const noexcept {
    return watermark != no_watermark.time_since_epoch().count() && end <= watermark - lateness_;
  }

  /// The event times of a batch, which the outputs are told to carry on.
  const event_time* begin_batch(batch<In>& records) {
    const event_time* const times = records.times();
    if (!times && !records.is_empty())
      throw std::runtime_error("a record without an event time: put assign_times before the windows");
    out_.set_timed(true);
    late_.set_timed(true);
    return times;
  }

  void emit_late_record(In&& in, event_time time) {
    operator_base::emit_late_record(late_, std::move(in), time);
  }

  void emit_pane(const key_type& key, std::int64_t start, std::int64_t end, const pane_info& pane,
                 const content_type& content) {
    const time_window window{event_time{std::chrono::milliseconds{start}},
                             event_time{std::chrono::milliseconds{end}}};
    out_.set_time(window.last());
    output_type& out = out_.append();
    out.key = key;
    out.window = window;
    out.pane = pane;
    out.value = fold_.value(key, content);
  }

  void open_state(const restored_state& restored, const std::string& kind) {
    state_ = std::make_unique<state_type>(keyed_setup(context()), static_rows<row_type>(kind));
    state_->restore(restored);
  }

  /// Of all records of a stream that did not come over a keyed exchange.
  const std::uint64_t hash_of_all = hash_of(no_key::everything);

  KeyOf key_of_;
  Fold fold_;
  std::int64_t lateness_;
  std::unique_ptr<state_type> state_;
  emitter<output_type> out_;

 private:
  void on_snapshot(const snapshot_order& order, operator_snapshot& made) override {
    if (context().is_stored)
      state_->write(made, order, 0);
  }

  emitter<In> late_;
};

} // namespace weir
