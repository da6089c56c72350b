#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/cereal.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/utility.hpp>

#include <weir/base/bytes.hpp>

namespace weir {

/// The archive that a type's cereal `serialize` (or `save` and `load`) runs over when it becomes
/// state, a position or a message. It appends to a byte_writer: no stream, no virtual call.
class byte_output_archive : public cereal::OutputArchive<byte_output_archive,
                                                         cereal::AllowEmptyClassElision> {
 public:
  explicit byte_output_archive(byte_writer& out)
      : cereal::OutputArchive<byte_output_archive, cereal::AllowEmptyClassElision>(this),
        out_(out) {}

  void write(const void* data, std::size_t size) { out_.write(data, size); }

 private:
  byte_writer& out_;
};

/// The counterpart of byte_output_archive. Throws malformed_bytes where the data ends too early.
class byte_input_archive : public cereal::InputArchive<byte_input_archive,
                                                       cereal::AllowEmptyClassElision> {
 public:
  explicit byte_input_archive(byte_reader& in)
      : cereal::InputArchive<byte_input_archive, cereal::AllowEmptyClassElision>(this), in_(in) {}

  void read(void* out, std::size_t size) { in_.read(out, size); }
  bool read_truth() { return in_.read_truth(); }
  std::size_t remaining() const noexcept { return in_.remaining(); }

 private:
  byte_reader& in_;
};

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(byte_output_archive& archive, const T& value) {
  archive.write(&value, sizeof value);
}

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(byte_input_archive& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>)
    value = archive.read_truth();
  else
    archive.read(&value, sizeof value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(byte_output_archive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(byte_input_archive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(byte_output_archive& archive, cereal::SizeTag<T>& tag) {
  archive(static_cast<std::uint64_t>(tag.size));
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(byte_input_archive& archive, cereal::SizeTag<T>& tag) {
  std::uint64_t size = 0;
  archive(size);
  if (size > archive.remaining())
    throw malformed_bytes("a container of " + std::to_string(size) + " elements with only " +
                          std::to_string(archive.remaining()) + " bytes left");
  tag.size = static_cast<std::decay_t<T>>(size);
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(byte_output_archive& archive, const cereal::BinaryData<T>& data) {
  archive.write(data.data, static_cast<std::size_t>(data.size));
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(byte_input_archive& archive, cereal::BinaryData<T>& data) {
  archive.read(data.data, static_cast<std::size_t>(data.size));
}

/// Can be written to state as it lies in memory. A pointer or a view is trivially copyable, too, but
/// means nothing in another process.
template <class T>
concept flat = std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> &&
               !std::is_member_pointer_v<T> && !std::is_same_v<T, std::string_view>;

namespace detail {

/// cereal says of standard containers that it can serialize them, whatever is in them.
template <class T>
inline constexpr bool has_storable_parts = true;

} // namespace detail

/// Can be stored: flat, a std::string, or anything that cereal can serialize (for the standard
/// containers include cereal's header, such as <cereal/types/vector.hpp>; that for std::pair is here).
template <class T>
concept storable = flat<T> || std::is_same_v<T, std::string> ||
                   (!std::is_pointer_v<T> && !std::is_same_v<T, std::string_view> &&
                    cereal::traits::is_output_serializable<T, byte_output_archive>::value &&
                    cereal::traits::is_input_serializable<T, byte_input_archive>::value &&
                    detail::has_storable_parts<T>);

namespace detail {

template <class A, class B>
inline constexpr bool has_storable_parts<std::pair<A, B>> = storable<A> && storable<B>;
template <class... Parts>
inline constexpr bool has_storable_parts<std::tuple<Parts...>> = (storable<Parts> && ...);
template <class T, class Allocator>
inline constexpr bool has_storable_parts<std::vector<T, Allocator>> = storable<T>;
template <class T>
inline constexpr bool has_storable_parts<std::optional<T>> = storable<T>;

} // namespace detail

/// Appends the encoding of `value`.
template <storable T>
void encode(byte_writer& out, const T& value) {
  if constexpr (flat<T>) {
    out.write_raw(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    out.write_text(value);
  } else {
    byte_output_archive archive(out);
    archive(value);
  }
}

/// Replaces `value` by what encode() wrote. Throws malformed_bytes when it is not there.
template <storable T>
void decode(byte_reader& in, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = in.read_truth();
  } else if constexpr (flat<T>) {
    in.read(&value, sizeof value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = in.read_text();
  } else {
    try {
      byte_input_archive archive(in);
      archive(value);
    } catch (const cereal::Exception& cause) {
      throw malformed_bytes(cause.what());
    }
  }
}

template <storable T>
bytes encoded(const T& value) {
  byte_writer out;
  encode(out, value);
  return std::move(out).take();
}

template <storable T>
T decoded(std::string_view data) {
  byte_reader in(data);
  T value{};
  decode(in, value);
  if (!in.at_end())
    throw malformed_bytes(std::to_string(in.remaining()) + " bytes left over after the value");
  return value;
}

} // namespace weir

CEREAL_SETUP_ARCHIVE_TRAITS(weir::byte_input_archive, weir::byte_output_archive)
