#include <weir/snapshot/checkpoint_store.hpp>

#include <filesystem>
#include <system_error>

#include <weir/base/log.hpp>
#include <weir/snapshot/directory_lock.hpp>
#include <weir/snapshot/lmdb_check.hpp>
#include <weir/snapshot/lmdb_checkpoint_store.hpp>

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

} // namespace

result<std::unique_ptr<checkpoint_store>> checkpoint_store::open(const std::string& job,
                                                                 const checkpoint_config& config) {
  if (config.directory.empty())
    return error{errc::invalid_setting,
                 "checkpoint.directory is empty: checkpoints need a directory on a local disk"};
  std::error_code code;
  fs::create_directories(config.directory, code);
  if (code)
    return error{errc::io, "cannot create the checkpoint directory " + config.directory.string() +
                               ": " + code.message()};
  result<directory_lock> lock = directory_lock::acquire(config.directory);
  if (!lock)
    return lock.failure();

  const detail::lmdb_file file{config.directory / "checkpoints.mdb", config.map_size};
  bool exists = fs::exists(fs::symlink_status(file.path, code));
  if (exists) {
    const auto checked = detail::check_lmdb_file(file.path);
    if (!checked && !(config.discard && is_replaceable(checked.failure())))
      return with_advice(checked.failure(), file.path);
    if (!checked) {
      if (const status aside = set_aside(file.path, checked.failure()); !aside)
        return aside.failure();
      exists = false;
    }
  }
  if (!exists)
    if (const status created = detail::create_store_file(file, job); !created)
      return created.failure();
  auto store = detail::lmdb_checkpoint_store::open(std::move(*lock), file, job, config.retained);
  if (store)
    return store;
  if (!config.discard || !is_replaceable(store.failure()))
    return with_advice(store.failure(), file.path);

  if (const status aside = set_aside(file.path, store.failure()); !aside)
    return aside.failure();
  checkpoint_config again = config;
  again.discard = false;
  return open(job, again);
}

} // namespace weir
