#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/error.hpp>

namespace weir {

/// What a schema text says, as a tree: see base/schema.hpp for the notation.
struct schema_type {
  enum class form : std::uint8_t {
    boolean,
    character,
    integer, ///< signed, `size` bytes
    natural, ///< unsigned
    real,
    length,  ///< of time: parts[0] many times num/den seconds
    time,    ///< an i64: so many times num/den seconds after 1970
    string,
    list,
    map,
    array,
    optional,
    pointer,
    variant,
    fields,
    raw,     ///< bytes; `name` where it is that of a type
    nothing, ///< std::monostate: one byte in memory, none behind another value
    self,    ///< the type named `name` within its own description
    unknown, ///< only the name is known
  };

  struct field_note {
    std::string name; ///< empty where there is none
    std::optional<std::uint64_t> offset;
  };

  form what = form::unknown;
  bool is_struct = false;                ///< struct<size>: as it lies in memory, unless behind another value
  std::uint64_t size = 0;                ///< in memory, of what has a fixed size
  std::uint64_t count = 0;               ///< of an array's elements
  std::int64_t num = 1, den = 1;
  std::optional<std::uint32_t> version;  ///< of a class
  std::uint32_t brace = 0;               ///< number of a `{`, from 1, in the order of the text
  std::string name;
  std::string text;                      ///< of a class with a version
  std::vector<schema_type> parts;
  std::vector<field_note> notes;         ///< one for each part, of fields
};

/// A schema and what it leaves open: which of the types around it a type that contains itself means.
struct schema_tree {
  struct self_reference {
    std::string name;
    std::vector<std::uint32_t> braces; ///< that it may mean, the innermost first
  };

  schema_type root;
  std::vector<self_reference> selves;
  bool has_pointers = false; ///< whether they are shared is not said
};

/// Errors: wrong_version for what is not in the notation; the message quotes it.
result<schema_tree> parse_schema(std::string_view text);

} // namespace weir
