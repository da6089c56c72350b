#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <weir/state/row_column.hpp>

namespace weir {

/// One value per key into which all added values are combined: `T f(const T& so_far, const T& next)`.
///
/// Declared with `state_registry::reducing`, or as reducing_of. Ownership, threads, errors and
/// snapshots as value_state.
template <class T>
class reducing_state {
 public:
  reducing_state() = default;
  reducing_state(value_place<T> place, std::function<T(const T&, const T&)> f)
      : place_(std::move(place)), f_(std::move(f)) {}

  bool has_value() const { return place_.read().has_value(); }
  explicit operator bool() const { return has_value(); }

  void add(const T& value) {
    std::optional<T>& so_far = place_.write();
    if (so_far)
      so_far = f_(*so_far, value);
    else
      so_far = value;
  }

  /// What has been added, combined; nothing where nothing was.
  std::optional<T> result() const { return place_.read(); }

  void clear() { place_.clear(); }

 private:
  value_place<T> place_;
  std::function<T(const T&, const T&)> f_;
};

/// Declares a reducing_state<T>.
template <storable T>
struct reducing_of {
  using state = reducing_state<T>;
  std::string name;
  std::function<T(const T&, const T&)> f;
  state_options options;

  template <class F, class... Options>
    requires std::is_invocable_r_v<T, F&, const T&, const T&>
  reducing_of(std::string state_name, F combine, Options&&... more)
      : name(std::move(state_name)), f(std::move(combine)), options(std::forward<Options>(more)...) {}

  row_column column() const { return make_value_column<T>(name, "reducing", options); }
  state bind(row_cursor& cursor, std::size_t column) const {
    return state(value_place<T>(cursor, column, expiry(options.life)), f);
  }
};

} // namespace weir
