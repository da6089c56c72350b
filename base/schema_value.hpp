#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <weir/base/bytes.hpp>
#include <weir/base/error.hpp>
#include <weir/base/schema_type.hpp>

namespace weir {

/// Reads values of a type that is only known by its schema, and shows them as JSON.
///
///     {"name": value}     fields that have names; others are numbered, and an array if none has one
///     {"key": value}      a map whose keys are strings; of others an array of pairs
///     null                an optional or a pointer without a value, and a reference to a pointer around it
///     "1500ms"            a duration
///     "2026-11-22T02:33:41.250Z"     a time point of the system's clock
///     {"hex": "00ff"}     raw bytes, strings that are not UTF-8, and types of which only the name is known
///
/// A few things are not in a schema. For each choice there is a *reading*; where one does not fit what
/// is stored, another one is tried.
///
/// Thread safety: any thread, as long as nobody changes it.
class value_schema {
 public:
  /// Errors: wrong_version for a text that is not in the notation.
  static result<value_schema> parse(std::string_view text);

  /// One of the parts of a list, a map or a pair, as a type of its own.
  value_schema part(std::size_t i) const;

  const schema_type& type() const noexcept { return type_; }
  schema_type& type() noexcept { return type_; }

  std::size_t readings() const noexcept;

  /// Reads what encode() wrote. The JSON is appended to `out` unless that is null.
  ///
  /// Errors: malformed_bytes for what is no value of this type.
  void read(byte_reader& in, std::string* out, std::size_t reading = 0) const;

 private:
  value_schema(schema_type type, std::shared_ptr<const schema_tree> tree)
      : type_(std::move(type)), tree_(std::move(tree)) {}

  schema_type type_;
  std::shared_ptr<const schema_tree> tree_;
};

} // namespace weir
