#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>
#include <weir/runtime/cluster/election.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// The keys of a job at the arbiter: /weir/JOB/leader, and so on.
struct job_keys {
  explicit job_keys(const std::string& job);

  std::string leader; ///< there as long as somebody leads; its first revision is the leader's token
  std::string record; ///< see job_record
  std::string ended;  ///< see job_end
};

/// What all coordinators of a job agree on: the key `record`, which only the leader writes.
struct job_record {
  /// Checkpoints of one attempt that are complete, if they were stored: from the first to the last.
  struct run {
    epoch attempt;
    checkpoint_id first;
    checkpoint_id last;

    bool operator==(const run&) const = default;
  };

  epoch attempts;          ///< the newest that has begun
  checkpoint_identity newest; ///< the last complete one; id 0: none
  bool is_last = false;    ///< it was taken after all input had ended
  std::vector<run> complete;

  bool operator==(const job_record&) const = default;

  /// Whether a checkpoint that is stored somewhere is complete. One whose manifest is damaged has no attempt, and is
  /// taken for the one of its number.
  bool holds(const completed_checkpoint& checkpoint) const;

  /// Adds a newer one than all.
  void add(const completed_checkpoint& checkpoint);

  /// Removes what is newer than `checkpoint`, and that is the newest then; of id 0: everything.
  void cut_after(checkpoint_identity checkpoint);
};

/// How a job ended: the key `ended`. Who stood by meanwhile ends, too.
struct job_end {
  std::string outcome; ///< "finished", "stopped" or "failed"
  std::string reason;
};

/// JSON objects, as values of the keys.
std::string encode(const job_record& record);
std::string encode(const job_end& end);
std::string encode(const elected_leader& leader); ///< name and address; the rest is known by the arbiter

/// Errors: corrupt, which says what to do about `key`.
result<job_record> decode_record(const std::string& key, std::string_view text);

/// What is not there, or is something else, is left empty.
job_end decode_end(std::string_view text);
elected_leader decode_leader(const arbiter_value& value);

} // namespace weir
