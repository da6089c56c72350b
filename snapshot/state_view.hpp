#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/snapshot/checkpoint_reader.hpp>
#include <weir/state/stored_rows.hpp>

namespace weir {

/// One state of an operator in a checkpoint, as the manifest describes it.
struct state_description {
  enum class shape : std::uint8_t {
    keyed,
    list,      ///< of the operator's instances
    broadcast, ///< a list of pairs with full union that only one instance has written
  };

  std::string uid;
  std::string name;
  shape what = shape::keyed;
  std::string kind;     ///< "value", "map", ...; of a list how it is redistributed
  std::string key_type; ///< empty for a list
  std::string type;     ///< of the value, of a list's item
  bool expires = false;
  std::uint64_t entries = 0; ///< keys, items
  std::uint64_t bytes = 0;   ///< of keyed state: of all keyed states of the operator, and their keys
};

/// All states of a checkpoint, in the order of the operators.
std::vector<state_description> states_of(const detail::manifest& checkpoint);

std::string to_string(state_description::shape what);

/// One entry of a state, as JSON.
struct state_entry {
  std::string key; ///< empty for a list
  std::string value;
  std::optional<std::string> refreshed; ///< when, of a state with a time to live
};

/// Reads the entries of one state of a checkpoint.
///
/// Keyed state is read a part at a time: the key groups, and for other states one part for the whole.
///
/// Ownership: borrows the reader and the manifest.
/// Errors:    those of the reader, and corrupt for what does not decode by its schema. The messages name the part.
/// Cost:      one part is in memory.
class state_view {
 public:
  static result<state_view> open(checkpoint_reader& reader, const detail::manifest& checkpoint,
                                 const state_description& what);

  const state_description& description() const noexcept { return what_; }

  /// The numbers of the parts that are not empty, in ascending order.
  std::vector<std::uint32_t> parts() const;

  /// What a part consists of, or nothing: two with the same references have the same entries.
  std::vector<detail::blob_reference> blobs_of(std::uint32_t part) const;

  result<std::vector<state_entry>> read(std::uint32_t part);

  /// The entry with this key: plain text for strings, otherwise JSON.
  result<std::optional<state_entry>> find(const std::string& key);

 private:
  state_view(checkpoint_reader& reader, const detail::manifest& checkpoint, state_description what)
      : reader_(&reader), checkpoint_(&checkpoint), what_(std::move(what)) {}

  result<std::vector<state_entry>> read_group(std::uint32_t group);
  result<std::vector<state_entry>> read_lists();
  result<std::vector<state_entry>> entries_of(const std::vector<bytes>& items) const;

  checkpoint_reader* reader_;
  const detail::manifest* checkpoint_;
  state_description what_;
  std::optional<stored_layout> layout_; // of keyed state
  std::size_t column_ = 0;
  std::map<std::uint32_t, std::pair<const detail::stored_operator*, const detail::stored_key_group*>> groups_;
  std::vector<std::pair<const detail::stored_operator*, const detail::stored_list*>> lists_;
  std::optional<value_schema> item_; // of a list; none of raw bytes
};

/// Reads a checkpoint completely: every blob's length and checksum, and every value by its schema. Calls
/// problem(failure) for each part that is damaged.
///
/// Errors: those of reading the manifest.
result<completed_checkpoint> verify_checkpoint(checkpoint_reader& reader, checkpoint_id id,
                                               const std::function<void(const error&)>& problem);

} // namespace weir
