#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weir/base/ids.hpp>

namespace weir {

/// Spreads every bit of `x` over the whole word (Stafford's variant 13 of the MurmurHash3
/// finalizer, the one that splitmix64 uses).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// XXH3 of the bytes: the same on every machine and in every build.
std::uint64_t hash_bytes(const void* data, std::size_t size) noexcept;

template <class Key>
std::uint64_t hash_of(const Key& key);

namespace detail {

template <class T>
inline constexpr bool is_tuple_like = false;
template <class A, class B>
inline constexpr bool is_tuple_like<std::pair<A, B>> = true;
template <class... Ts>
inline constexpr bool is_tuple_like<std::tuple<Ts...>> = true;

template <class T>
concept has_std_hash = requires(const T& x) {
  { std::hash<T>{}(x) } -> std::convertible_to<std::size_t>;
};

} // namespace detail

/// The 64-bit hash that decides where a key lives.
///
/// It is part of the stored format: a key must hash the same in every run. Integers, enumerations,
/// strings, pairs and tuples of them, and structs without padding are hashed by Weir; any other key
/// type needs a std::hash, whose result is mixed.
template <class Key>
std::uint64_t hash_of(const Key& key) {
  if constexpr (std::integral<Key> || std::is_enum_v<Key>) {
    return mix(static_cast<std::uint64_t>(key) + 0x9E3779B97F4A7C15);
  } else if constexpr (std::convertible_to<const Key&, std::string_view>) {
    const std::string_view text = key;
    return hash_bytes(text.data(), text.size());
  } else if constexpr (detail::is_tuple_like<Key>) {
    return std::apply(
        [](const auto&... part) {
          std::uint64_t hash = 0;
          ((hash = mix(hash + 0x9E3779B97F4A7C15 + hash_of(part))), ...);
          return hash;
        },
        key);
  } else if constexpr (detail::has_std_hash<Key>) {
    return mix(std::hash<Key>{}(key) + 0x9E3779B97F4A7C15);
  } else {
    static_assert(std::has_unique_object_representations_v<Key>,
                  "key_by: this key type has no hash: specialize std::hash for it");
    return hash_bytes(&key, sizeof(Key));
  }
}

/// The key group of a hash: its high half, scaled to the number of groups.
constexpr key_group key_group_of(std::uint64_t hash, std::uint32_t groups) noexcept {
  return key_group{static_cast<std::uint32_t>(((hash >> 32) * groups) >> 32)};
}

/// The instance, of `parallelism` many, that owns a key group. Needs groups >= parallelism >= 1.
constexpr std::uint32_t instance_of(key_group group, std::uint32_t parallelism,
                                    std::uint32_t groups) noexcept {
  return static_cast<std::uint32_t>(std::uint64_t{group.value} * parallelism / groups);
}

/// The key groups of one instance: first to below last.
struct key_group_range {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  constexpr std::uint32_t size() const noexcept { return last - first; }
  constexpr bool contains(key_group group) const noexcept {
    return group.value >= first && group.value < last;
  }
};

/// The groups that instance_of() maps to `instance`.
constexpr key_group_range groups_of(std::uint32_t instance, std::uint32_t parallelism,
                                    std::uint32_t groups) noexcept {
  const auto bound = [&](std::uint64_t i) {
    return static_cast<std::uint32_t>((i * groups + parallelism - 1) / parallelism);
  };
  return {bound(instance), bound(std::uint64_t{instance} + 1)};
}

} // namespace weir
