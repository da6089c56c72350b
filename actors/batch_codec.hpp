#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/record.hpp>
#include <weir/base/bytes.hpp>
#include <weir/base/codec.hpp>
#include <weir/base/schema.hpp>

namespace weir {

/// How batches of one type of record are written down, for those who do not know the type.
///
///     u32  records
///     u8   1: event times follow, 2: key hashes follow, 3: both
///     ...  an i64 for each time, a u64 for each hash, then the records
///
/// Thread safety: any thread.
struct batch_codec {
  std::string (*type)();                                 ///< of a record; see schema_of
  void (*write)(byte_writer& out, batch_base& records); ///< leaves the batch as it is
  batch_ptr (*read)(byte_reader& in);                    ///< throws malformed_bytes

  /// Divides records with key hashes into so many batches; record i goes to the batch to[i]. Empty ones are null.
  std::vector<batch_ptr> (*divide)(batch_base& records, const std::vector<std::uint32_t>& to, std::uint32_t parts);

  batch_ptr (*make)(std::uint32_t capacity); ///< an empty one

  /// Of a record that is written as it lies in memory; 0: it is not, and there is no `begin`.
  std::size_t record_size;
  void* (*begin)(batch_base& records); ///< where they lie
};

namespace detail {

inline constexpr std::uint8_t times_follow = 1;
inline constexpr std::uint8_t hashes_follow = 2;

/// The part of a batch that is the same for all types of records: its length and its columns.
void write_columns(byte_writer& out, batch_base& records);

struct batch_columns {
  std::uint32_t size;
  bool has_times;
  bool has_hashes;
};
batch_columns read_columns_head(byte_reader& in);
void read_columns(byte_reader& in, const batch_columns& head, batch_base& into);

/// Whether records are written as they lie in memory.
template <record T>
inline constexpr bool is_written_flat = flat<T> && !std::is_same_v<T, bool>;

template <record T>
void write_batch(byte_writer& out, batch_base& records) {
  write_columns(out, records);
  auto& typed = static_cast<batch<T>&>(records);
  if constexpr (is_written_flat<T>)
    out.write(typed.records(), typed.size() * sizeof(T));
  else
    for (const T& one : typed)
      encode(out, one);
}

template <record T>
batch_ptr read_batch(byte_reader& in) {
  const batch_columns head = read_columns_head(in);
  auto* const made = new batch<T>(head.size);
  batch_ptr owned(made);
  read_columns(in, head, *made);
  made->resize(head.size);
  if constexpr (is_written_flat<T>)
    in.read(made->records(), head.size * sizeof(T));
  else
    for (T& one : *made)
      decode(in, one);
  return owned;
}

/// Copies what the columns say of record `index` to behind the last record of `into`.
void append_columns(batch_base& from, std::uint32_t index, batch_base& into);

template <record T>
std::vector<batch_ptr> divide_batch(batch_base& records, const std::vector<std::uint32_t>& to, std::uint32_t parts) {
  std::vector<std::uint32_t> sizes(parts);
  for (const std::uint32_t part : to)
    ++sizes[part];
  std::vector<batch_ptr> made(parts);
  for (std::uint32_t i = 0; i < parts; ++i)
    if (sizes[i] != 0)
      made[i] = batch_ptr(new batch<T>(sizes[i]));
  auto& whole = static_cast<batch<T>&>(records);
  for (std::uint32_t i = 0; i < whole.size(); ++i) {
    auto& part = static_cast<batch<T>&>(*made[to[i]]);
    append_columns(records, i, part);
    part[part.size()] = std::move(whole[i]);
    part.resize(part.size() + 1);
  }
  return made;
}

template <record T>
batch_ptr make_batch(std::uint32_t capacity) {
  return batch_ptr(new batch<T>(capacity));
}

template <record T>
void* begin_of_batch(batch_base& records) {
  return static_cast<batch<T>&>(records).records();
}

} // namespace detail

/// The codec for batches of T, or nullptr where T cannot be stored.
template <record T>
const batch_codec* batch_codec_of() noexcept {
  if constexpr (storable<T>) {
    static constexpr batch_codec codec{[] { return schema_of<T>(); },
                                       detail::write_batch<T>,
                                       detail::read_batch<T>,
                                       detail::divide_batch<T>,
                                       detail::make_batch<T>,
                                       detail::is_written_flat<T> ? sizeof(T) : 0,
                                       detail::is_written_flat<T> ? detail::begin_of_batch<T> : nullptr};
    return &codec;
  } else {
    return nullptr;
  }
}

} // namespace weir
