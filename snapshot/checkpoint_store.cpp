#include <weir/snapshot/checkpoint_store.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <weir/base/log.hpp>
#include <weir/snapshot/checkpoint_file.hpp>
#include <weir/snapshot/directory_lock.hpp>
#include <weir/snapshot/files_checkpoint_store.hpp>
#include <weir/snapshot/lmdb_checkpoint_store.hpp>
#include <weir/snapshot/store_draft.hpp>
#include <weir/snapshot/store_file.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;

fs::path with_suffix(const fs::path& file, const char* suffix) {
  return file.string() + suffix;
}

bool is_replaceable(const error& problem) {
  return problem.code == errc::corrupt || problem.code == errc::wrong_version;
}

error with_advice(error problem, const fs::path& file) {
  if (is_replaceable(problem))
    problem.message += ". Nothing was changed. Put a copy of " + file.filename().string() +
                       " in its place, or start the job from the beginning with "
                       "checkpoint.discard (--checkpoint-discard), which sets the file aside as " +
                       with_suffix(file, ".set-aside").filename().string();
  return problem;
}

status set_aside(const fs::path& file, const error& problem) {
  const fs::path target = with_suffix(file, ".set-aside");
  std::error_code code;
  fs::rename(file, target, code);
  if (code)
    return error{errc::io, "cannot rename " + file.string() + " to " + target.string() + ": " +
                               code.message()};
  log_warning("set a checkpoint file aside, as checkpoint.discard says",
              {{"file", target.string()}, {"problem", problem.message}});
  return {};
}

result<std::unique_ptr<checkpoint_store>> open_lmdb(directory_lock&& lock, const std::string& job,
                                                    const checkpoint_config& config) {
  const detail::lmdb_file file{config.directory / detail::lmdb_file_name, config.map_size};
  std::error_code code;
  if (fs::exists(fs::symlink_status(file.path, code))) {
    auto store = detail::lmdb_checkpoint_store::open(std::move(lock), file, job, config.retained);
    if (store)
      return store;
    if (!config.discard || !is_replaceable(store.failure()))
      return with_advice(store.failure(), file.path);
    if (const status aside = set_aside(file.path, store.failure()); !aside)
      return aside.failure();
  }
  if (const status created = detail::create_store_file(file, job); !created)
    return created.failure();
  return detail::lmdb_checkpoint_store::open(std::move(lock), file, job, config.retained);
}

/// Brings the checkpoint that is asked for, or else the newest, and the count of attempts from one store to
/// another.
status take_over(checkpoint_store& from, checkpoint_store& into, checkpoint_id wanted) {
  auto attempt = from.begin_attempt();
  if (!attempt)
    return std::move(attempt.failure());
  if (auto counted = into.continue_after(*attempt); !counted)
    return std::move(counted.failure());
  const auto known = from.list();
  const auto already = into.list();
  if (!known || !already)
    return known ? already.failure() : known.failure();
  if (known->empty())
    return {};
  const bool has_wanted = std::any_of(known->begin(), known->end(),
                                      [&](const completed_checkpoint& one) { return one.id == wanted; });
  const checkpoint_id id = has_wanted ? wanted : known->back().id;
  if (!already->empty() && already->back().id >= id)
    return {};
  auto contents = from.load(id);
  if (!contents)
    return std::move(contents.failure());
  auto stored = into.store(contents->checkpoint, detail::shared(std::move(contents->operators)));
  if (!stored)
    return std::move(stored.failure());
  log_info("took a checkpoint over from the other form of storage",
           {{"checkpoint", stored->id.value}, {"bytes", stored->bytes}});
  return {};
}

status remove_lmdb_file(const fs::path& directory) {
  std::error_code code;
  fs::remove(directory / detail::lmdb_file_name, code);
  if (code)
    return error{errc::io, "cannot remove " + (directory / detail::lmdb_file_name).string() + ": " + code.message()};
  fs::remove(with_suffix(directory / detail::lmdb_file_name, "-lock"), code);
  return {};
}

} // namespace

namespace detail {

error missing_checkpoint(checkpoint_id id, const std::vector<checkpoint_id>& known, const fs::path& where) {
  std::string there;
  for (const checkpoint_id other : known)
    there += (there.empty() ? "" : ", ") + to_string(other);
  return {errc::invalid_setting,
          "there is no checkpoint " + to_string(id) + " in " + where.string() +
              (there.empty() ? "; it holds none: leave checkpoint.restore-from out"
                             : "; it holds " + there +
                                   ": set checkpoint.restore-from to one of them, or leave it out "
                                   "to start from the newest")};
}

error with_older_checkpoint(error cause, std::optional<checkpoint_id> older) {
  if (cause.code == errc::io)
    return cause; // it may be there the next time
  if (older)
    cause.message += "; the next older complete checkpoint is " + to_string(*older) +
                     ": start from it with checkpoint.restore-from = " + to_string(*older) +
                     " (--checkpoint-restore-from " + to_string(*older) + ")";
  else
    cause.message += "; there is no older complete checkpoint: put a copy of the file in its place, "
                     "or start from the beginning with checkpoint.discard (--checkpoint-discard)";
  return cause;
}

} // namespace detail

result<bool> checkpoint_store::catch_up(std::optional<checkpoint_identity>) {
  return false;
}

status checkpoint_store::secure(checkpoint_id) {
  return {};
}

result<completed_checkpoint> checkpoint_store::export_to(checkpoint_id id, const fs::path& file) {
  std::error_code code;
  if (fs::exists(fs::symlink_status(file, code)))
    return detail::file_exists(file);
  auto contents = load(id);
  if (!contents)
    return std::move(contents.failure());
  const auto no_base = [](checkpoint_id) -> result<detail::manifest> {
    return error{errc::checkpoint, "a savepoint adds to no checkpoint"};
  };
  const auto operators = detail::shared(std::move(contents->operators));
  auto draft = detail::store_draft::make(contents->checkpoint, operators, no_base);
  if (!draft)
    return std::move(draft.failure());
  return detail::write_checkpoint_file(
      file, job(), draft->content(), [&](const detail::store_draft::put_blob& put) { return draft->write_blobs(put); },
      detail::existing_file::refused);
}

result<std::unique_ptr<checkpoint_store>> checkpoint_store::open(const std::string& job,
                                                                 const checkpoint_config& config) {
  if (config.directory.empty())
    return error{errc::invalid_setting,
                 "checkpoint.dir is empty: checkpoints need a directory"};
  std::error_code code;
  fs::create_directories(config.directory, code);
  if (code)
    return error{errc::io, "cannot create the checkpoint directory " + config.directory.string() +
                               ": " + code.message()};
  const bool in_files = config.storage == checkpoint_storage::files;
  result<directory_lock> lock = directory_lock::acquire(config.directory, in_files);
  if (!lock)
    return lock.failure();
  const bool has_lmdb = fs::exists(fs::symlink_status(config.directory / detail::lmdb_file_name, code));
  const auto has_files = detail::files_checkpoint_store::is_in(config.directory);
  if (!has_files)
    return has_files.failure();

  const auto open_files = [&](directory_lock held) {
    return detail::files_checkpoint_store::open(std::move(held), config.directory, job, config.retained);
  };
  auto store = in_files ? open_files(std::move(*lock)) : open_lmdb(std::move(*lock), job, config);
  if (!store || !(in_files ? has_lmdb : *has_files))
    return store;
  auto other = in_files ? open_lmdb(directory_lock::none(), job, config)
                        : open_files(directory_lock::none());
  if (!other)
    return other;
  if (!config.discard)
    if (const status taken = take_over(**other, **store, checkpoint_id{config.restore_from}); !taken)
      return taken.failure();
  if (const status cleared = (*other)->clear(); !cleared)
    return cleared.failure();
  other->reset();
  if (in_files)
    if (const status removed = remove_lmdb_file(config.directory); !removed)
      return removed.failure();
  return store;
}

} // namespace weir
