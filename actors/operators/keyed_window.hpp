#pragma once

#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/actors/operators/keyed_fold.hpp>
#include <weir/actors/window.hpp>

namespace weir {

/// What comes out of a window of a fold.
template <class Fold, class Key>
using window_value_t = std::remove_cvref_t<decltype(std::declval<const Fold&>().value(
    std::declval<const Key&>(), std::declval<const typename Fold::row&>()))>;

/// What the window operators have in common: windows of each key come out at output 0, late records at output 1.
template <record In, class KeyOf, class Fold>
class keyed_window_operator : public operator_base, public collector<In> {
 public:
  using key_type = key_of_t<KeyOf, In>;
  using content_type = typename Fold::row;
  using value_type = window_value_t<Fold, key_type>;
  using output_type = windowed<key_type, value_type>;

  collector_base& input(std::size_t) override { return *this; }
  std::vector<output_port*> outputs() override { return {&out_, &late_}; }

 protected:
  keyed_window_operator(KeyOf key_of, Fold fold) : key_of_(std::move(key_of)), fold_(std::move(fold)) {}

  /// The event times of a batch, which late records carry on; nullptr where it has none and needs none.
  const event_time* begin_batch(batch<In>& records, bool needs_times) {
    const event_time* const times = records.times();
    if (needs_times && !times && !records.is_empty())
      throw std::runtime_error("a record without an event time: put assign_times before the windows");
    late_.set_timed(times != nullptr);
    return times;
  }

  void emit_late_record(In&& in, event_time time) {
    operator_base::emit_late_record(late_, std::move(in), time);
  }

  /// A pane without its value yet.
  output_type& begin_pane(const key_type& key, const time_window& window, const pane_info& pane) {
    output_type& out = out_.append();
    out.key = key;
    out.window = window;
    out.pane = pane;
    return out;
  }

  /// Of all records of a stream that did not come over a keyed exchange.
  const std::uint64_t hash_of_all = hash_of(no_key::everything);

  KeyOf key_of_;
  Fold fold_;
  emitter<output_type> out_;

 private:
  emitter<In> late_;
};

} // namespace weir
