#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>
#include <weir/snapshot/checkpoint_config.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// A checkpoint that is durable, as its manifest describes it.
struct completed_checkpoint {
  checkpoint_id id;
  epoch attempt;                    ///< of the job when it was taken
  std::int64_t completed_at_ms = 0; ///< Unix time
  std::uint32_t key_groups = 0;     ///< the job's number of key groups
  std::uint64_t bytes = 0;          ///< the contents of all blobs that belong to it
  bool last = false;                ///< taken after all input had ended
  std::uint64_t new_bytes = 0;      ///< written for it, when it has just been stored; otherwise 0
};

/// Which checkpoint of a job one is, in whatever store: one that starts from an older checkpoint counts on from there, in
/// a later attempt.
struct checkpoint_identity {
  checkpoint_id id;
  epoch attempt;

  bool operator==(const checkpoint_identity&) const = default;
};

/// Everything that a restore needs from one checkpoint.
struct checkpoint_contents {
  completed_checkpoint checkpoint;
  std::vector<operator_snapshot> operators; ///< one per operator instance of the job that took it
};

/// The durable checkpoints of one job, in the job's checkpoint directory as docs/format/checkpoint.md
/// says: an LMDB environment, or a file for each.
///
/// One process at a time owns the directory. The transaction that makes a checkpoint complete is the
/// last one of it: it is there completely or not at all. Those past the retention count go with it.
/// A checkpoint may share parts with older ones; such a part stays until the last one of them goes.
///
/// Thread safety: one thread at a time.
/// Errors:        in_use when another process owns the directory (the message names it), corrupt,
///                wrong_version and state_mismatch when the file is not what this program writes or
///                not this job's, io and capacity when it cannot grow. After any error the checkpoints
///                stored before are still there, and a later call works once its cause is gone.
/// Cost:          every call blocks on the disk; belongs on a detached actor. While store() runs, up to
///                64 MiB of what it writes is in memory twice.
class checkpoint_store {
 public:
  /// Opens or creates the store of `job` in config.directory, in the form that config.storage says. Of
  /// checkpoints that are there in the other form, the one to restore from (config.restore_from, or the
  /// newest) is taken over if it is newer than all in this one, and the other form is removed. The structure
  /// of an existing file is checked before it is mapped, so that a torn file is an error and not a crash. With
  /// `config.discard`, a file that is damaged or of another version is set aside (renamed), and a new store
  /// begins; the checkpoints of a sound one are there until clear().
  static result<std::unique_ptr<checkpoint_store>> open(const std::string& job,
                                                        const checkpoint_config& config);

  virtual ~checkpoint_store() = default;

  /// The job's name.
  virtual const std::string& job() const noexcept = 0;

  /// Counts attempts on from at least `last`. Returns the last one.
  virtual result<epoch> continue_after(epoch last) = 0;

  /// Begins a new attempt at running the job: durably counts up and returns its epoch.
  virtual result<epoch> begin_attempt() = 0;

  /// The complete checkpoints, oldest first. Of one whose manifest is damaged only the id is known
  /// (the rest is zero); load() says what is wrong with it, and with one of which another part is damaged or
  /// gone. They are not left out, so that a job does not silently start from an older one.
  virtual result<std::vector<completed_checkpoint>> list() = 0;

  /// Verifies one checkpoint. Its key groups are read when they are asked for, on any thread; that must be
  /// before the next call of store(), and is an error once the store is gone. When it is damaged, the message
  /// names what is, and the next older complete checkpoint where there is one. An id that is not there is
  /// invalid_setting.
  virtual result<checkpoint_contents> load(checkpoint_id id) = 0;

  /// Stores a checkpoint durably, and deletes those that are beyond `config.retained` and below
  /// `keep_from` (0: no limit). Returns it as stored, with `bytes` and `new_bytes` filled in. Its id must
  /// be above all that are there. `operators` are borrowed for the call. A key group that is a delta takes
  /// over what the checkpoint `operator_snapshot::base` holds of it; when that one is missing or damaged the
  /// error is corrupt.
  virtual result<completed_checkpoint>
  store(completed_checkpoint checkpoint,
        const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
        checkpoint_id keep_from = {}) = 0;

  /// Writes a checkpoint as one file that refers to no other: a savepoint. It appears under its name when it is
  /// complete and on disk; a file that is there is not replaced.
  ///
  /// Errors: those of load(), in_use when there is a file of that name, capacity, io.
  result<completed_checkpoint> export_to(checkpoint_id id, const std::filesystem::path& file);

  /// Before a job's first attempt, and only where other processes keep checkpoints of it, too: takes over what they
  /// know and this store has lost, the number of attempts and a newer checkpoint. Whether there was anything: then
  /// list() is to be read again, and an attempt begun.
  ///
  /// `wanted`: the one checkpoint that the job is to go on from, wherever it is; those after it are deleted here.
  ///
  /// Errors: checkpoint where nobody has it now; somebody who does may still come.
  virtual result<bool> catch_up(std::optional<checkpoint_identity> wanted = {});

  /// Sees to it that a checkpoint (0: none) is as safe as store() leaves a new one, and that nothing newer is kept
  /// anywhere: no attempt starts from it before. The attempt has begun.
  virtual status secure(checkpoint_id id);

  /// Deletes one checkpoint, readable or not. What others share with it stays. An id that is not there is
  /// invalid_setting.
  virtual status remove(checkpoint_id id) = 0;

  /// Deletes all checkpoints. Attempts are counted on.
  virtual status clear() = 0;
};

namespace detail {

/// What a store says of a checkpoint that is not there, with the ones that are.
error missing_checkpoint(checkpoint_id id, const std::vector<checkpoint_id>& known,
                         const std::filesystem::path& where);

/// Adds what a user can do about a damaged checkpoint: start from the next older one, if there is any.
error with_older_checkpoint(error cause, std::optional<checkpoint_id> older);

} // namespace detail

} // namespace weir
