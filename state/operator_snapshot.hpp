#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>
#include <weir/state/record_counts.hpp>

namespace weir {

/// How the items of a list state are handed out when the job is restored.
enum class redistribution : std::uint8_t {
  even_split = 0, ///< each item goes to one instance, round robin
  full_union = 1, ///< every instance gets all items
};

/// What is known of one keyed state besides its values. Stored, and compared on restore.
struct state_schema {
  std::string name; ///< as the operator declared it; unique within the operator
  std::string kind; ///< "value", "aggregating", ...
  std::string type; ///< what its bytes mean; see schema_of
  bool expires = false; ///< whether it has a time to live

  bool operator==(const state_schema&) const = default;
};

struct key_group_snapshot;

/// Keyed state that is read only when it is stored, or restored.
///
/// Thread safety: one thread at a time, any; of what a store has loaded, several.
class group_source {
 public:
  virtual ~group_source() = default;
  virtual result<key_group_snapshot> read(key_group group) const = 0;
};

/// How a stored key group is made up: everything at one time, and the deltas since.
struct delta_chain {
  std::uint64_t base_bytes = 0;
  std::uint64_t delta_bytes = 0;
  std::uint32_t deltas = 0;
};

/// All keyed state of one operator in one key group, or a delta: what has changed in it since the
/// base of its operator_snapshot. A delta without data says that nothing has.
///
/// The data of a restored one is everything, with the deltas in their order behind it.
struct key_group_snapshot {
  key_group group;
  std::uint64_t entries = 0; ///< number of keys, of a delta too
  bytes data;
  std::shared_ptr<const group_source> source; ///< if set, entries and data are there
  bool is_delta = false;
  delta_chain chain; ///< of a restored one
};

/// One list state of one operator instance.
struct list_snapshot {
  std::string name;
  redistribution mode = redistribution::even_split;
  std::string type; ///< of an item; see schema_of
  std::vector<bytes> items;
};

/// What was under way to one operator instance, on one channel: it is to come again before anything else does.
struct channel_snapshot {
  std::string sender;         ///< uid of the operator
  std::uint32_t instance = 0; ///< of the sender
  std::uint16_t output = 0;   ///< of the sender
  std::uint16_t input = 0;    ///< of the receiver
  std::string type;           ///< of a record; see schema_of
  std::uint64_t records = 0;
  bytes data; ///< batches and markers in their order, as docs/format/checkpoint.md says
};

/// Everything that one instance of one operator saves for one barrier.
///
/// Plain data: made by the task, stored by the checkpoint store, handed back on restore. Key groups
/// without entries are left out.
struct operator_snapshot {
  std::string uid;
  std::uint32_t instance = 0;
  std::uint32_t parallelism = 1;
  bool drained = false; ///< its input has ended, and it has emitted what was left
  record_counts counts;
  event_time watermark = no_watermark; ///< that it has acted on
  checkpoint_id base{};         ///< what deltas add to: a complete checkpoint; 0 where there are none
  std::string key_type;         ///< of the keyed state; empty where there is none
  std::vector<state_schema> keyed_states;
  std::vector<key_group_snapshot> key_groups;
  std::vector<list_snapshot> lists;
  std::vector<channel_snapshot> channels; ///< those on which something was under way
  std::string failure; ///< why the checkpoint cannot be completed; empty: it can. Not stored
};

} // namespace weir
