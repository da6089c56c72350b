#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace weir {

/// A number that cannot be mistaken for another kind of number. `Tag` only tells the kinds apart.
template <class Tag, class Rep>
struct strong_id {
  using rep = Rep;

  Rep value{};

  constexpr strong_id() = default;
  constexpr explicit strong_id(Rep number) : value(number) {}

  constexpr auto operator<=>(const strong_id&) const = default;
  constexpr strong_id next() const { return strong_id{static_cast<Rep>(value + 1)}; }
};

template <class Tag, class Rep>
std::string to_string(strong_id<Tag, Rep> id) {
  return std::to_string(id.value);
}

/// Checkpoints of a job are numbered from 1, upwards, across restarts. 0 is "none".
using checkpoint_id = strong_id<struct checkpoint_tag, std::uint64_t>;

/// One attempt at running the job: every deployment after a start or a failure has a higher one.
using epoch = strong_id<struct epoch_tag, std::uint64_t>;

/// The position of a task in the plan, from 0.
using task_id = strong_id<struct task_tag, std::uint32_t>;

/// The unit in which keyed state is placed and moved, from 0 to below the job's number of groups.
using key_group = strong_id<struct key_group_tag, std::uint32_t>;

} // namespace weir

template <class Tag, class Rep>
struct std::hash<weir::strong_id<Tag, Rep>> {
  std::size_t operator()(weir::strong_id<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
