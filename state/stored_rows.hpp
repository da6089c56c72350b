#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/base/error.hpp>
#include <weir/base/schema_value.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// What one key has in one state, before it is shown.
struct stored_cell {
  struct entry {
    std::string key;        ///< of a map's entry, as JSON
    std::string_view value; ///< as it is stored
    std::int64_t refreshed = 0;
  };
  using entry_index = std::unordered_map<std::string, std::size_t>;

  std::vector<entry> entries;         ///< one of a value; each element of a list, each entry of a map
  std::uint64_t first = 0;            ///< index of a list's first element
  std::unique_ptr<entry_index> index; ///< of a map's entries

  bool is_empty() const noexcept { return entries.empty(); }
};

/// One keyed state of a checkpoint, read without the program that wrote it.
class stored_column {
 public:
  /// Errors: wrong_version for a kind or a type that this version does not know; the message names it.
  static result<stored_column> make(const state_schema& schema);

  const state_schema& schema() const noexcept { return schema_; }

  /// How often a block may have to be read until it makes sense: see value_schema.
  std::size_t readings() const noexcept;

  /// Applies what is stored of a key after what came before. Throws malformed_bytes.
  void apply(byte_reader& in, stored_cell& to, std::size_t reading) const;

  /// The value as JSON; and when it, or each of its parts, was last refreshed, where the state has a time to live.
  std::string value_text(const stored_cell& cell, std::size_t reading) const;
  std::optional<std::string> refreshed_text(const stored_cell& cell) const;

 private:
  enum class shape : std::uint8_t {
    flagged, ///< a truth value, and the value if it is there
    alone,   ///< the value; a flag may be before it, where the type can be empty
    list,
    map,
    timers,
  };

  stored_column(state_schema schema, shape what, value_schema value, std::optional<value_schema> key)
      : schema_(std::move(schema)), shape_(what), value_(std::move(value)), key_(std::move(key)) {}

  void apply_value(byte_reader& in, stored_cell& to, std::size_t reading) const;
  void apply_list(byte_reader& in, stored_cell& to, std::size_t reading) const;
  void apply_map(byte_reader& in, stored_cell& to, std::size_t reading) const;
  static void apply_timers(byte_reader& in, stored_cell& to);
  std::int64_t read_stamp(byte_reader& in) const;

  state_schema schema_;
  shape shape_;
  value_schema value_;
  std::optional<value_schema> key_;
};

/// The keyed states of an operator, of which those that are wanted are read.
struct stored_layout {
  value_schema key;
  std::vector<std::optional<stored_column>> columns; ///< in the order of the schema

  /// `only`: the name of the one that is wanted; of all where it is empty.
  static result<stored_layout> make(const std::string& key_type, const std::vector<state_schema>& states,
                                    std::string_view only = {});
};

/// All rows of one key group: sections applied in their order, as docs/format/checkpoint.md says.
///
/// Ownership: holds the bytes that it was read from; borrows the layout.
/// Cost:      what is stored, and about 200 bytes for each key.
class stored_rows {
 public:
  /// Errors: corrupt when a section, a key or a value is not what the layout says, with the reason alone.
  static result<stored_rows> read(const stored_layout& layout, bytes data);

  std::size_t size() const noexcept { return keys_.size(); }

  /// The key as JSON. Rows are in the order in which their keys were first stored.
  const std::string& key(std::size_t row) const { return keys_[row]; }
  std::optional<std::size_t> find(const std::string& key) const;

  /// Of a state that is wanted.
  bool has_value(std::size_t row, std::size_t column) const { return !columns_[column].cells[row].is_empty(); }
  std::string value_text(std::size_t row, std::size_t column) const;
  std::optional<std::string> refreshed_text(std::size_t row, std::size_t column) const;

 private:
  struct block {
    std::string_view data;
    std::size_t rows_at; // in order_
    std::size_t rows;
  };
  struct column_rows {
    std::vector<block> blocks;
    std::vector<stored_cell> cells;
    std::size_t reading = 0;
  };

  stored_rows(const stored_layout& layout, bytes data)
      : layout_(&layout), data_(std::make_unique<const bytes>(std::move(data))), columns_(layout.columns.size()) {}

  void read_sections();
  void read_column(std::size_t which);
  void apply_blocks(const stored_column& how, column_rows& column);

  const stored_layout* layout_;
  std::unique_ptr<const bytes> data_; // views are into it
  std::vector<std::string> keys_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::size_t> order_; // the rows of all sections, one after the other
  std::vector<column_rows> columns_;
};

} // namespace weir
