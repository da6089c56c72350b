#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/hash.hpp>
#include <weir/state/keyed_snapshot.hpp>
#include <weir/state/keyed_table.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/restored_state.hpp>

namespace weir {

/// The keyed state of one operator instance, kept in memory: the rows of the key groups it owns,
/// and their way into snapshots and back.
///
/// Thread safety: task thread only.
/// Errors:        restore throws std::runtime_error when the checkpoint's state does not fit.
/// Snapshots:     write() copies the state out; nothing refers to the table afterwards.
template <storable Key, class Rows>
class keyed_state {
 public:
  using table_type = keyed_table<Key, Rows>;

  keyed_state(key_group_range range, std::uint32_t groups, Rows rows,
              std::vector<state_schema> schema)
      : table_(range, groups, std::move(rows)), schema_(std::move(schema)) {}

  table_type& table() noexcept { return table_; }

  void restore(const restored_state& restored) {
    for (const restored_groups& part : restored.keyed) {
      if (const status fits = check_keyed_schema(*part.stored, stored_type<Key>(), schema_); !fits)
        throw std::runtime_error(fits.failure().message);
      for (const key_group_snapshot* group : part.groups)
        read_group(table_, *part.stored, *group);
    }
  }

  void write(operator_snapshot& made) const {
    made.key_type = stored_type<Key>();
    made.keyed_states = schema_;
    const key_group_range range = table_.range();
    for (std::uint32_t group = range.first; group < range.last; ++group)
      if (table_.size(key_group{group}) != 0)
        made.key_groups.push_back(write_group(table_, key_group{group}));
  }

 private:
  table_type table_;
  std::vector<state_schema> schema_;
};

/// How far ahead in a batch slots are prefetched.
inline constexpr std::uint32_t prefetch_distance = 16;

/// The size in bytes from which a table is expected outside the caches.
inline constexpr std::size_t prefetch_threshold = std::size_t{256} << 10;

} // namespace weir
