#pragma once

#include <filesystem>

#include <weir/base/error.hpp>
#include <weir/snapshot/checkpoint_reader.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

/// Checkpoints that leave their directory, or come into one.
namespace weir {

/// Writes a checkpoint as one file that refers to no other. It appears under its name when it is complete and on
/// disk; a file that is there is not replaced.
///
/// Errors: those of reading the checkpoint, in_use when there is a file of that name, capacity, io.
/// Cost:   reads and verifies all of it; one part of it is in memory at a time.
result<completed_checkpoint> export_checkpoint(checkpoint_reader& from, checkpoint_id id,
                                               const std::filesystem::path& file);

/// Makes a checkpoint directory, or fills an empty one, from such a file, so that a job that is started with it goes
/// on from there, with any state backend.
///
/// Errors: corrupt and wrong_version when the file cannot be used, invalid_input when it is not self-contained,
///         in_use when a job owns the directory or it holds checkpoints.
result<completed_checkpoint> import_checkpoint(const std::filesystem::path& file,
                                               const std::filesystem::path& directory);

/// Brings a savepoint into the store of a job that is started from it, and notes there which one it was: a store that
/// holds checkpoints already is left as it is if they come from this savepoint, so that the job can be started again and
/// again with the same words.
///
/// Errors: those of import_checkpoint, state_mismatch when it is of another job, in_use when the store holds
///         checkpoints that do not come from it.
status start_from_savepoint(checkpoint_store& into, const std::filesystem::path& directory,
                            const std::filesystem::path& file);

/// For a job that is started without a savepoint: a store without checkpoints does not come from one any more.
status forget_savepoint(checkpoint_store& of, const std::filesystem::path& directory);

/// Deletes one checkpoint of a directory that no job owns. What others share with it stays.
///
/// Errors: in_use when a job owns the directory: the message names it.
status remove_checkpoint(const std::filesystem::path& directory, checkpoint_id id);

} // namespace weir
