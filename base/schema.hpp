#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <cereal/cereal.hpp>

#include <weir/base/codec.hpp>
#include <weir/base/type_name.hpp>

/// \file
/// What the bytes of a stored type mean, as text. It is stored beside the values, so that a program
/// whose type has changed notices, and a reader without the program can decode them.
///
///     bool i8 u8 ... u64 f32 f64       as they lie in memory, little-endian
///     char                             one byte of text
///     duration<i64, 1/1000>            an i64, in units of so many seconds
///     string                           a u64 length and so many bytes
///     list<T>                          a u64 length and so many T; sets, too
///     map<K, V>                        a u64 length and so many pairs
///     array<T, N>                      N times T
///     optional<T>, pointer<T>, variant<A, B>      as cereal writes them
///     {T, name: U}                     one after the other; named where the type names its fields
///     {T, U} version 3                 as cereal writes classes with a version
///     struct<24>{u64@0, f64@8}         24 bytes as they lie in memory, with fields at these offsets;
///                                      inside of a type that is none, its fields one after the other
///     bytes<24, 8> order               24 bytes aligned to 8, of which only the type's name is known
///     ...tree                          a type within its own description

namespace weir {

namespace detail {

/// Runs over a type's cereal functions and notes the types of the fields instead of their values.
/// Derived from cereal's base so that cereal's functions for library types are found.
class schema_archive : public cereal::detail::OutputArchiveBase {
 public:
  using is_loading = std::false_type;
  using is_saving = std::true_type;

  /// Fields are described into `text`. Offsets are noted for those that lie in the `size` bytes
  /// from `object` on.
  schema_archive(std::string& text, std::vector<std::string>& open, const void* object = nullptr,
                 std::size_t size = 0)
      : text_(text), open_(open), object_(static_cast<const std::byte*>(object)), size_(size) {}

  template <class... Fields>
  schema_archive& operator()(Fields&&... fields) {
    (add(fields), ...);
    return *this;
  }
  template <class Field>
  schema_archive& operator&(Field&& field) {
    return (*this)(std::forward<Field>(field));
  }
  template <class Field>
  schema_archive& operator<<(Field&& field) {
    return (*this)(std::forward<Field>(field));
  }

 private:
  template <class Field>
  void add(Field& field) {
    separate();
    describe_field(field);
  }
  template <class T>
  void add(cereal::NameValuePair<T>& field) {
    separate();
    if (const std::string_view name = field.name ? field.name : ""; !name.empty())
      text_.append(name).append(": ");
    describe_field(field.value);
  }
  template <class T>
  void add(cereal::SizeTag<T>&) {
    separate();
    text_ += "u64";
  }
  template <class T>
  void add(cereal::BinaryData<T>& field) {
    separate();
    text_ += "bytes<" + std::to_string(field.size) + '>';
  }
  template <class T>
  void add(cereal::base_class<T>& base) {
    separate();
    describe_field(*base.base_ptr);
  }
  template <class T>
  void add(cereal::virtual_base_class<T>& base) {
    separate();
    describe_field(*base.base_ptr);
  }

  void separate() {
    if (!std::exchange(is_first_, false))
      text_ += ", ";
  }

  template <class Field>
  void describe_field(Field& field);

  std::string& text_;
  std::vector<std::string>& open_;
  const std::byte* object_;
  std::size_t size_;
  bool is_first_ = true;
};

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool is_standard_array = false;
template <class T, std::size_t N>
inline constexpr bool is_standard_array<std::array<T, N>> = true;

template <class T, template <class...> class Template>
inline constexpr bool is_instance_of = false;
template <template <class...> class Template, class... Ts>
inline constexpr bool is_instance_of<Template<Ts...>, Template> = true;

template <class T>
concept map_like = std::ranges::range<T> && requires {
  typename T::key_type;
  typename T::mapped_type;
};
template <class T>
concept list_like = std::ranges::range<T> && !map_like<T> && !is_standard_array<T> && requires(T t) {
  typename T::value_type;
  t.clear();
};

template <class T>
concept describes_fields =
    cereal::traits::has_member_serialize<T, schema_archive>::value ||
    cereal::traits::has_non_member_serialize<T, schema_archive>::value ||
    cereal::traits::has_member_save<T, schema_archive>::value ||
    cereal::traits::has_non_member_save<T, schema_archive>::value;
template <class T>
concept describes_versioned_fields =
    cereal::traits::has_member_versioned_serialize<T, schema_archive>::value ||
    cereal::traits::has_non_member_versioned_serialize<T, schema_archive>::value ||
    cereal::traits::has_member_versioned_save<T, schema_archive>::value ||
    cereal::traits::has_non_member_versioned_save<T, schema_archive>::value;

template <class T>
void note_fields(schema_archive& archive, T& object) {
  using archive_type = schema_archive;
  [[maybe_unused]] const std::uint32_t version = cereal::detail::Version<T>::version;
  if constexpr (cereal::traits::has_member_serialize<T, archive_type>::value)
    cereal::access::member_serialize(archive, object);
  else if constexpr (cereal::traits::has_non_member_serialize<T, archive_type>::value)
    CEREAL_SERIALIZE_FUNCTION_NAME(archive, object);
  else if constexpr (cereal::traits::has_member_save<T, archive_type>::value)
    cereal::access::member_save(archive, object);
  else if constexpr (cereal::traits::has_non_member_save<T, archive_type>::value)
    CEREAL_SAVE_FUNCTION_NAME(archive, object);
  else if constexpr (cereal::traits::has_member_versioned_serialize<T, archive_type>::value)
    cereal::access::member_serialize(archive, object, version);
  else if constexpr (cereal::traits::has_non_member_versioned_serialize<T, archive_type>::value)
    CEREAL_SERIALIZE_FUNCTION_NAME(archive, object, version);
  else if constexpr (cereal::traits::has_member_versioned_save<T, archive_type>::value)
    cereal::access::member_save(archive, object, version);
  else
    CEREAL_SAVE_FUNCTION_NAME(archive, object, version);
}

template <class T>
constexpr std::string_view scalar_name() {
  constexpr std::size_t size = sizeof(T);
  if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_same_v<T, char>)
    return "char";
  else if constexpr (std::is_floating_point_v<T>)
    return size == 4 ? "f32" : size == 8 ? "f64" : "f128";
  else if constexpr (std::is_signed_v<T>)
    return size == 1 ? "i8" : size == 2 ? "i16" : size == 4 ? "i32" : size == 8 ? "i64" : "i128";
  else
    return size == 1 ? "u8" : size == 2 ? "u16" : size == 4 ? "u32" : size == 8 ? "u64" : "u128";
}

/// A name of the user's choice, which survives renaming and may carry a version.
template <class T>
std::string declared_name() {
  if constexpr (requires { std::string{T::schema_name}; })
    return std::string{T::schema_name};
  else
    return type_name<T>();
}

template <class T>
void describe(std::string& text, std::vector<std::string>& open, T* object = nullptr);

template <class... Ts>
void describe_all(std::string& text, std::vector<std::string>& open) {
  bool is_first = true;
  ((text += std::exchange(is_first, false) ? "" : ", ", describe<Ts>(text, open)), ...);
}

template <class T>
inline constexpr std::type_identity<T> type_arguments{};

template <class... Ts, template <class...> class Template>
void describe_arguments(std::type_identity<Template<Ts...>>, std::string& text,
                        std::vector<std::string>& open) {
  describe_all<Ts...>(text, open);
}

template <class T>
void describe_class(std::string& text, std::vector<std::string>& open, T* object) {
  const std::string name = declared_name<T>();
  if (std::find(open.begin(), open.end(), name) != open.end()) {
    text += "..." + name;
    return;
  }
  constexpr bool has_fields = describes_fields<T> || describes_versioned_fields<T>;
  if constexpr (has_fields && (std::default_initializable<T> || !flat<T>)) {
    open.push_back(name);
    std::optional<T> made;
    if constexpr (std::default_initializable<T>)
      if (!object)
        object = &made.emplace();
    if (flat<T>)
      text += "struct<" + std::to_string(sizeof(T)) + '>';
    text += '{';
    if (object) {
      schema_archive fields(text, open, flat<T> ? object : nullptr, sizeof(T));
      note_fields(fields, *object);
    }
    text += '}';
    if constexpr (!describes_fields<T>)
      text += " version " + std::to_string(cereal::detail::Version<T>::version);
    open.pop_back();
  } else if constexpr (flat<T>) {
    text += "bytes<" + std::to_string(sizeof(T)) + ", " + std::to_string(alignof(T)) + "> " + name;
  } else {
    text += name;
  }
}

/// Appends the description of T. `object`, where there is one, is an object whose fields can be
/// visited; otherwise one is made.
template <class T>
void describe(std::string& text, std::vector<std::string>& open, T* object) {
  if constexpr (std::is_arithmetic_v<T>) {
    text += scalar_name<T>();
  } else if constexpr (std::is_enum_v<T>) {
    text += scalar_name<std::underlying_type_t<T>>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    text += "string";
  } else if constexpr (is_duration<T>) {
    text += "duration<";
    text += scalar_name<typename T::rep>();
    text += ", " + std::to_string(T::period::num) + '/' + std::to_string(T::period::den) + '>';
  } else if constexpr (is_standard_array<T>) {
    text += "array<";
    describe<typename T::value_type>(text, open);
    text += ", " + std::to_string(std::tuple_size_v<T>) + '>';
  } else if constexpr (map_like<T>) {
    text += "map<";
    describe_all<typename T::key_type, typename T::mapped_type>(text, open);
    text += '>';
  } else if constexpr (list_like<T>) {
    text += "list<";
    describe<typename T::value_type>(text, open);
    text += '>';
  } else if constexpr (is_instance_of<T, std::pair> || is_instance_of<T, std::tuple>) {
    text += '{';
    describe_arguments(type_arguments<T>, text, open);
    text += '}';
  } else if constexpr (is_instance_of<T, std::optional> || is_instance_of<T, std::variant>) {
    text += flat<T> ? "struct<" + std::to_string(sizeof(T)) + '>' : "";
    text += is_instance_of<T, std::optional> ? "optional<" : "variant<";
    describe_arguments(type_arguments<T>, text, open);
    text += '>';
  } else if constexpr (is_instance_of<T, std::shared_ptr> || is_instance_of<T, std::unique_ptr>) {
    text += "pointer<";
    describe<typename T::element_type>(text, open);
    text += '>';
  } else {
    describe_class(text, open, object);
  }
}

template <class Field>
void schema_archive::describe_field(Field& field) {
  using type = std::remove_cvref_t<Field>;
  describe<type>(text_, open_, const_cast<type*>(std::addressof(field)));
  const auto* at = reinterpret_cast<const std::byte*>(std::addressof(field));
  if (object_ && !std::less<>{}(at, object_) && std::less<>{}(at, object_ + size_))
    text_ += '@' + std::to_string(at - object_);
}

} // namespace detail

/// What the bytes that encode() makes of a T mean.
///
/// A type's own cereal functions say what its fields are. A trivially copyable type without any is
/// known by its size, alignment and name: give it `static constexpr const char* schema_name =
/// "order v2"` to keep its state when it is renamed, and change that when its fields change.
template <storable T>
std::string schema_of() {
  std::string text;
  std::vector<std::string> open;
  detail::describe<T>(text, open);
  return text;
}

} // namespace weir
