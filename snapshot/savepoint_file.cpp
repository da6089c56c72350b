#include <weir/snapshot/savepoint_file.hpp>

#include <algorithm>
#include <limits>

#include <weir/base/hash.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/checkpoint_files.hpp>
#include <weir/snapshot/directory_lock.hpp>
#include <weir/snapshot/files_checkpoint_store.hpp>
#include <weir/snapshot/lmdb_checkpoint_store.hpp>
#include <weir/snapshot/store_draft.hpp>
#include <weir/snapshot/store_reader.hpp>

namespace weir {

using namespace detail;
namespace fs = std::filesystem;

namespace {

/// Writes all blobs of a checkpoint to one file, as its own.
result<completed_checkpoint> write_whole(const manifest& description, const std::string& job,
                                         const blob_function& read_blob, const fs::path& file) {
  manifest own = description;
  return write_checkpoint_file(
      file, job, own,
      [&](const store_draft::put_blob& put) -> status {
        const auto take_over = [&](blob_reference& blob, const std::string& of) -> status {
          auto content = read_blob(blob);
          if (!content)
            return in_context(of, std::move(content.failure()));
          blob.key.checkpoint = own.checkpoint.id;
          return put(blob.key.encoded(), {blob.bytes, blob.checksum}, *content);
        };
        for (stored_operator& owner : own.operators) {
          for (stored_key_group& group : owner.key_groups)
            for (blob_reference& blob : group.blobs)
              if (status done = take_over(blob, name_of(owner, group)); !done)
                return done;
          for (stored_list& list : owner.lists)
            if (status done = take_over(list.blob, name_of(owner, list)); !done)
              return done;
          for (stored_channel& channel : owner.channels)
            if (status done = take_over(channel.blob, name_of(owner, channel)); !done)
              return done;
        }
        return {};
      },
      existing_file::refused);
}

/// Whether all blobs are stored under the checkpoint itself.
bool is_self_contained(const manifest& description) {
  const auto is_own = [&](const blob_reference& blob) { return blob.key.checkpoint == description.checkpoint.id; };
  return std::ranges::all_of(description.operators, [&](const stored_operator& owner) {
    return std::ranges::all_of(owner.key_groups,
                               [&](const stored_key_group& group) { return std::ranges::all_of(group.blobs, is_own); });
  });
}

status check_empty(const fs::path& directory) {
  std::error_code code;
  const auto blobs = ids_of_files(directory, blobs_prefix);
  const auto checkpoints = ids_of_files(directory, checkpoint_prefix);
  if (!blobs || !checkpoints)
    return blobs ? checkpoints.failure() : blobs.failure();
  const bool has_lmdb = fs::exists(fs::symlink_status(directory / lmdb_file_name, code));
  if (has_lmdb || !blobs->empty() || !checkpoints->empty())
    return error{errc::in_use, directory.string() + " holds checkpoints already (" +
                                   (has_lmdb ? lmdb_file_name : "files checkpoint-*.weir") +
                                   "): import into a new directory"};
  return {};
}

/// Opens a file that needs no other.
result<checkpoint_file> open_savepoint(const fs::path& file) {
  auto whole = checkpoint_file::open(file);
  if (whole && !is_self_contained(whole->content()))
    return error{errc::invalid_input, file.string() + " needs other files of the directory that it is from: expected "
                                                      "a savepoint, or what `weir savepoint export` wrote"};
  return whole;
}

/// Says which savepoint a directory's checkpoints come from.
constexpr const char* origin_name = "origin";

/// What tells one savepoint from another.
bytes mark_of(const manifest& description) {
  const bytes content = encode_manifest(description);
  byte_writer out;
  out.write_raw(description.checkpoint.id.value);
  out.write_raw(hash_bytes(content.data(), content.size()));
  return std::move(out).take();
}

} // namespace

result<completed_checkpoint> export_checkpoint(checkpoint_reader& from, checkpoint_id id, const fs::path& file) {
  std::error_code code;
  if (fs::exists(fs::symlink_status(file, code)))
    return file_exists(file);
  const auto description = from.read_manifest(id);
  if (!description)
    return description.failure();
  return write_whole(*description, from.job(),
                     [&](const blob_reference& blob) { return from.read_blobs(id, {blob}); }, file);
}

result<completed_checkpoint> import_checkpoint(const fs::path& file, const fs::path& directory) {
  const auto whole = open_savepoint(file);
  if (!whole)
    return whole.failure();
  const manifest& description = whole->content();
  std::error_code code;
  fs::create_directories(directory, code);
  if (code)
    return error{errc::io, "cannot create the checkpoint directory " + directory.string() + ": " + code.message()};
  auto lock = directory_lock::acquire(directory, true);
  if (!lock)
    return std::move(lock.failure());
  if (const status empty = check_empty(directory); !empty)
    return empty.failure();
  // Attempts go on where they were, so that nothing from before is taken for new.
  auto store = files_checkpoint_store::open(directory_lock::none(), directory, whole->job(), 1);
  if (!store)
    return std::move(store.failure());
  if (const auto counted = (*store)->continue_after(description.checkpoint.attempt); !counted)
    return counted.failure();
  const fs::path place = directory / name_of_file(description.checkpoint.id, checkpoint_prefix);
  auto written = write_whole(
      description, whole->job(), [&](const blob_reference& blob) { return whole->read_blob(blob); }, place);
  if (!written)
    return in_context(file.string(), std::move(written.failure()));
  return written;
}

status start_from_savepoint(checkpoint_store& into, const fs::path& directory, const fs::path& file) {
  const fs::path origin = directory / origin_name;
  const auto whole = open_savepoint(file);
  if (!whole)
    return whole.failure();
  if (whole->job() != into.job())
    return error{errc::state_mismatch, file.string() + " is a savepoint of job " + in_quotes(whole->job()) +
                                           ", and this is job " + in_quotes(into.job())};
  const bytes mark = mark_of(whole->content());
  const auto known = into.list();
  if (!known)
    return known.failure();
  if (!known->empty()) {
    const auto begun_from = read_small_file(origin, "it says which savepoint the job began with; remove it, and start "
                                                    "the job without --from");
    if (!begun_from)
      return begun_from.failure();
    if (*begun_from == mark)
      return {};
    return error{errc::in_use, directory.string() + " holds checkpoints that do not come from " + file.string() +
                                   ": leave --from out to go on from the newest of them, give an empty directory "
                                   "(checkpoint.dir), or have them deleted with checkpoint.discard"};
  }
  // The mark first: a checkpoint without it would not be known for what it is.
  if (const status noted = write_small_file(origin, mark); !noted)
    return noted;
  if (const auto counted = into.continue_after(whole->content().checkpoint.attempt); !counted)
    return counted.failure();
  auto contents = read_contents(
      whole->content(), [&](const blob_reference& blob) { return whole->read_blob(blob); }, file.string());
  if (!contents)
    return in_context(file.string(), std::move(contents.failure()));
  const auto stored = into.store(contents->checkpoint, detail::shared(std::move(contents->operators)));
  return stored ? status{} : status{stored.failure()};
}

status forget_savepoint(checkpoint_store& of, const fs::path& directory) {
  const auto known = of.list();
  if (!known)
    return known.failure();
  std::error_code code;
  if (!known->empty() || !fs::remove(directory / origin_name, code))
    return code ? status{file_error(errc::io, "remove", (directory / origin_name).string(), code.value())} : status{};
  const int cause = sync_directory(directory.string());
  return cause == 0 ? status{} : status{file_error(errc::io, "sync", directory.string(), cause)};
}

status remove_checkpoint(const fs::path& directory, checkpoint_id id) {
  std::string job;
  {
    const auto reader = checkpoint_reader::open(directory);
    if (!reader)
      return reader.failure();
    job = (*reader)->job();
  }
  auto lock = directory_lock::acquire(directory, true);
  if (!lock)
    return std::move(lock.failure());
  std::error_code code;
  const bool is_lmdb = fs::exists(directory / lmdb_file_name, code);
  const auto files = ids_of_files(directory, checkpoint_prefix);
  if (!files)
    return files.failure();
  if (is_lmdb && !files->empty())
    return error{errc::in_use, directory.string() + " has checkpoints in " + lmdb_file_name +
                                   " and as files: start the job once, which brings them together"};
  constexpr auto all = std::numeric_limits<std::uint32_t>::max();
  auto store = is_lmdb ? lmdb_checkpoint_store::open(std::move(*lock), {directory / lmdb_file_name, 0}, job, all)
                       : files_checkpoint_store::open(std::move(*lock), directory, job, all);
  if (!store)
    return std::move(store.failure());
  return (*store)->remove(id);
}

} // namespace weir
