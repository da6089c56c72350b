#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/base/codec.hpp>

/// \file
/// How what processes tell each other becomes bytes. Both sides are the same build, so values that lie flat in memory
/// are copied as they are, and nothing has a version.

namespace weir {

/// A struct with a function `fields(T&)` that gives references to what is written of it.
template <class T>
concept with_fields = requires(T& one) { fields(one); };

template <class T>
  requires(flat<T> && !with_fields<T>)
void put(byte_writer& out, const T& value) {
  out.write_raw(value);
}

inline void put(byte_writer& out, const std::string& text) { out.write_text(text); }

template <class A, class B>
  requires(!flat<std::pair<A, B>>)
void put(byte_writer& out, const std::pair<A, B>& both);
template <class T>
void put(byte_writer& out, const std::shared_ptr<const T>& one);
template <class T>
void put(byte_writer& out, const std::vector<T>& all);
template <class T>
void put(byte_writer& out, const std::set<T>& all);

template <with_fields T>
void put(byte_writer& out, const T& value) {
  std::apply([&](const auto&... field) { (put(out, field), ...); }, fields(value));
}

template <class A, class B>
  requires(!flat<std::pair<A, B>>)
void put(byte_writer& out, const std::pair<A, B>& both) {
  put(out, both.first);
  put(out, both.second);
}

/// What it points to, which is there.
template <class T>
void put(byte_writer& out, const std::shared_ptr<const T>& one) {
  put(out, *one);
}

template <class T>
void put(byte_writer& out, const std::vector<T>& all) {
  out.write_raw(std::uint64_t{all.size()});
  for (const T& one : all)
    put(out, one);
}

template <class T>
void put(byte_writer& out, const std::set<T>& all) {
  out.write_raw(std::uint64_t{all.size()});
  for (const T& one : all)
    put(out, one);
}

template <class T>
  requires(flat<T> && !with_fields<T>)
void get(byte_reader& in, T& value) {
  decode(in, value);
}

inline void get(byte_reader& in, std::string& text) { text = in.read_text(); }

template <class A, class B>
  requires(!flat<std::pair<A, B>>)
void get(byte_reader& in, std::pair<A, B>& both);
template <class T>
void get(byte_reader& in, std::shared_ptr<const T>& one);
template <class T>
void get(byte_reader& in, std::vector<T>& all);
template <class T>
void get(byte_reader& in, std::set<T>& all);

template <with_fields T>
void get(byte_reader& in, T& value) {
  std::apply([&](auto&... field) { (get(in, field), ...); }, fields(value));
}

template <class A, class B>
  requires(!flat<std::pair<A, B>>)
void get(byte_reader& in, std::pair<A, B>& both) {
  get(in, both.first);
  get(in, both.second);
}

template <class T>
void get(byte_reader& in, std::shared_ptr<const T>& one) {
  auto made = std::make_shared<T>();
  get(in, *made);
  one = std::move(made);
}

template <class T>
void get(byte_reader& in, std::vector<T>& all) {
  all.clear();
  for (std::size_t left = in.read_size(); left != 0; --left)
    get(in, all.emplace_back());
}

template <class T>
void get(byte_reader& in, std::set<T>& all) {
  all.clear();
  for (std::size_t left = in.read_size(); left != 0; --left) {
    T one{};
    get(in, one);
    all.insert(std::move(one));
  }
}

/// One of several types: a byte that says which, and the value.
template <class... Ts>
void put(byte_writer& out, const std::variant<Ts...>& one) {
  static_assert(sizeof...(Ts) < 256);
  out.write_raw(static_cast<std::uint8_t>(one.index()));
  std::visit([&](const auto& value) { put(out, value); }, one);
}

/// Throws malformed_bytes.
template <class Variant>
Variant get_variant(byte_reader& in) {
  const auto index = in.read_raw<std::uint8_t>();
  Variant made;
  const auto read_as = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return ((I == index ? (get(in, made.template emplace<I>()), true) : false) || ...);
  };
  if (!read_as(std::make_index_sequence<std::variant_size_v<Variant>>{}))
    throw malformed_bytes("expected a message of kind 0 to " + std::to_string(std::variant_size_v<Variant> - 1) +
                          ", found " + std::to_string(index));
  if (!in.at_end())
    throw malformed_bytes(std::to_string(in.remaining()) + " bytes left over after a message");
  return made;
}

template <class Variant>
Variant get_variant(std::string_view message) {
  byte_reader in(message);
  return get_variant<Variant>(in);
}

} // namespace weir
