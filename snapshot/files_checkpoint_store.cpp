#include <weir/snapshot/files_checkpoint_store.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <weir/base/bytes.hpp>
#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/checkpoint_files.hpp>
#include <weir/snapshot/store_draft.hpp>
#include <weir/snapshot/store_format.hpp>
#include <weir/snapshot/store_reader.hpp>

namespace weir::detail {

namespace {

namespace fs = std::filesystem;

/// A checkpoint is in so many files at most.
constexpr std::size_t most_files = 256;

bool is_unfinished(const std::string& name) {
  return name.starts_with("." + std::string(checkpoint_prefix)) && name.ends_with(".new");
}

status sync(const fs::path& directory) {
  if (const int cause = sync_directory(directory.string()); cause != 0)
    return file_error(errc::io, "make durable", directory.string(), cause);
  return {};
}

status remove_file(const fs::path& path) {
  std::error_code code;
  fs::remove(path, code);
  if (code)
    return error{errc::io, "cannot remove " + path.string() + ": " + code.message()};
  return {};
}

status rename_file(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::rename(from, to, code);
  if (code)
    return error{errc::io, "cannot rename " + from.string() + " to " + to.string() + ": " + code.message()};
  return {};
}

/// The checkpoints whose files hold what a manifest refers to.
void add_holders(const manifest& from, std::set<checkpoint_id>& into) {
  for (const stored_operator& part : from.operators)
    for (const stored_key_group& group : part.key_groups)
      for (const blob_reference& blob : group.blobs)
        into.insert(blob.key.checkpoint);
}

} // namespace

result<bool> files_checkpoint_store::is_in(const fs::path& directory) {
  bool found = false;
  if (const status read = for_each_file_name(
          directory,
          [&](const std::string& name) {
            found = found || id_of_file(name, checkpoint_prefix) || id_of_file(name, blobs_prefix);
          });
      !read)
    return read.failure();
  return found;
}

result<std::unique_ptr<checkpoint_store>>
files_checkpoint_store::open(directory_lock lock, const fs::path& directory, const std::string& job,
                             std::uint32_t retained) {
  const status cleaned = for_each_file_name(directory, [&](const std::string& name) {
    std::error_code ignored;
    if (is_unfinished(name))
      fs::remove(directory / name, ignored);
  });
  if (!cleaned)
    return cleaned.failure();
  std::unique_ptr<files_checkpoint_store> store(
      new files_checkpoint_store(std::move(lock), directory, job, retained));
  if (const auto attempt = read_attempt(directory); !attempt)
    return attempt.failure();
  const auto known = store->ids();
  if (!known)
    return known.failure();
  for (const checkpoint_id id : *known)
    if (const auto file = checkpoint_file::open(store->path_of(id)); file && file->job() != job)
      return error{errc::state_mismatch,
                   store->path_of(id).string() + " is a checkpoint of job " + in_quotes(file->job()) +
                       ", and this is job " + in_quotes(job) +
                       "; give this job a directory of its own (checkpoint.dir), or its old name"};
  return std::unique_ptr<checkpoint_store>(std::move(store));
}

fs::path files_checkpoint_store::path_of(checkpoint_id id) const {
  return directory_ / name_of_file(id, checkpoint_prefix);
}

fs::path files_checkpoint_store::blobs_path_of(checkpoint_id id) const {
  return directory_ / name_of_file(id, blobs_prefix);
}

result<std::vector<checkpoint_id>> files_checkpoint_store::ids() const {
  return ids_of(checkpoint_prefix);
}

result<std::vector<checkpoint_id>> files_checkpoint_store::ids_of(std::string_view begin) const {
  return ids_of_files(directory_, begin);
}

status files_checkpoint_store::write_attempt(epoch attempt) {
  byte_writer content;
  content.write_raw(attempt.value);
  return write_small_file(directory_ / "attempt", content.view());
}

result<epoch> files_checkpoint_store::continue_after(epoch last) {
  const auto attempt = read_attempt(directory_);
  if (!attempt || *attempt >= last)
    return attempt;
  if (const status written = write_attempt(last); !written)
    return written.failure();
  return last;
}

result<epoch> files_checkpoint_store::begin_attempt() {
  const auto attempt = read_attempt(directory_);
  if (!attempt)
    return attempt;
  if (const status written = write_attempt(attempt->next()); !written)
    return written.failure();
  return attempt->next();
}

result<std::vector<completed_checkpoint>> files_checkpoint_store::list() {
  const auto known = ids();
  if (!known)
    return known.failure();
  std::vector<completed_checkpoint> found;
  for (const checkpoint_id id : *known) {
    completed_checkpoint& checkpoint = found.emplace_back();
    if (const auto file = checkpoint_file::open(path_of(id)))
      checkpoint = file->content().checkpoint;
    checkpoint.id = id;
  }
  return found;
}

result<checkpoint_contents> files_checkpoint_store::read(checkpoint_id id) const {
  const auto file = checkpoint_file::open(path_of(id));
  if (!file)
    return file.failure();
  const auto files = std::make_shared<checkpoint_files>(directory_);
  auto contents = read_contents(
      file->content(), [files](const blob_reference& blob) { return files->read_blob(blob); },
      path_of(id).string() + " cannot be read");
  if (!contents)
    return in_context(path_of(id).string() +
                          (contents.failure().code == errc::io ? " cannot be read" : " is damaged"),
                      std::move(contents.failure()));
  return contents;
}

result<checkpoint_contents> files_checkpoint_store::load(checkpoint_id id) {
  const auto known = ids();
  if (!known)
    return known.failure();
  if (std::find(known->begin(), known->end(), id) == known->end())
    return missing_checkpoint(id, *known, directory_);
  auto contents = read(id);
  if (contents)
    return contents;
  std::optional<checkpoint_id> older;
  for (auto at = known->rbegin(); at != known->rend() && !older; ++at)
    if (*at < id && read(*at))
      older = *at;
  return with_older_checkpoint(std::move(contents.failure()), older);
}

result<completed_checkpoint> files_checkpoint_store::store(
    completed_checkpoint checkpoint,
    const std::vector<std::shared_ptr<const operator_snapshot>>& operators, checkpoint_id keep_from) {
  const std::string what = "checkpoint " + to_string(checkpoint.id) + " could not be stored";
  const auto known = ids();
  if (!known)
    return in_context(what, known.failure());
  if (!known->empty() && checkpoint.id <= known->back())
    return error{errc::checkpoint, what + ": its number must be above " + to_string(known->back()) +
                                       ", that of the newest in " + directory_.string()};
  const auto read_manifest = [this](checkpoint_id base) -> result<manifest> {
    std::error_code ignored;
    if (!fs::exists(path_of(base), ignored))
      return error{errc::corrupt, path_of(base).string() + " is not there"};
    const auto file = checkpoint_file::open(path_of(base));
    if (!file)
      return file.failure();
    return file->content();
  };
  auto draft = store_draft::make(checkpoint, operators, read_manifest);
  if (!draft)
    return in_context(what, std::move(draft.failure()));
  auto written =
      write_checkpoint_file(path_of(checkpoint.id), job_, draft->content(), [&](const store_draft::put_blob& put) {
        const status done = draft->write_blobs(put);
        return done ? copy_from_sparse_files(*draft, put) : done;
      });
  if (!written)
    return in_context(what, std::move(written.failure()));
  expire(keep_from);
  return written;
}

// Otherwise a file would stay for a few bytes of it, and the directory would grow without end.
status files_checkpoint_store::copy_from_sparse_files(store_draft& draft,
                                                      const store_draft::put_blob& put) const {
  checkpoint_files files(directory_);
  std::map<checkpoint_id, std::uint64_t> referred;
  status done = draft.check_inherited([&](const blob_reference& blob) -> status {
    std::error_code code;
    if (!fs::exists(path_of_holder(directory_, blob.key.checkpoint), code))
      return checkpoint_files::missing(blob.key.checkpoint);
    referred[blob.key.checkpoint] += blob.bytes;
    return {};
  });
  if (!done)
    return done;
  std::set<checkpoint_id> sparse;
  std::vector<std::pair<std::uint64_t, checkpoint_id>> full;
  for (const auto& [id, size] : referred) {
    std::error_code code;
    const auto whole = fs::file_size(path_of_holder(directory_, id), code);
    if (!code && size < whole / 2)
      sparse.insert(id);
    else
      full.emplace_back(size, id);
  }
  std::sort(full.begin(), full.end());
  for (std::size_t i = 0; full.size() - i > most_files; ++i)
    sparse.insert(full[i].second);
  return draft.copy_inherited(
      sparse, [&](const blob_reference& blob) { return files.read_blob(blob); }, put);
}

// The new checkpoint is complete, so that failing to delete an old one is no failure of it.
void files_checkpoint_store::expire(checkpoint_id keep_from) {
  if (const status done = expire_or_fail(keep_from); !done)
    log_warning("old checkpoints are left", {{"problem", done.failure().message}});
}

status files_checkpoint_store::expire_or_fail(checkpoint_id keep_from) {
  const auto known = ids();
  if (!known)
    return known.failure();
  std::vector<checkpoint_id> expired;
  std::uint32_t kept = 0;
  for (auto id = known->rbegin(); id != known->rend(); ++id) {
    if (kept >= retained_ && (keep_from == checkpoint_id{} || *id < keep_from))
      expired.push_back(*id);
    else
      kept += checkpoint_file::open(path_of(*id)).has_value();
  }
  return remove_files(expired);
}

// Of checkpoints, the newest first, and of blobs that no other one needs.
status files_checkpoint_store::remove_files(const std::vector<checkpoint_id>& expired) {
  const auto known = ids();
  const auto holders = ids_of(blobs_prefix);
  if (!known || !holders)
    return known ? holders.failure() : known.failure();
  std::set<checkpoint_id> needed;
  bool all_are_readable = true;
  for (const checkpoint_id id : *known) {
    if (std::find(expired.begin(), expired.end(), id) != expired.end())
      continue;
    const auto file = checkpoint_file::open(path_of(id));
    if (file)
      add_holders(file->content(), needed);
    all_are_readable = all_are_readable && file.has_value();
  }
  const auto is_needed = [&](checkpoint_id id) { return !all_are_readable || needed.contains(id); };
  status done;
  const auto keep_first = [&](status outcome) {
    if (done && !outcome)
      done = std::move(outcome);
  };
  for (const checkpoint_id id : expired)
    keep_first(is_needed(id) ? rename_file(path_of(id), blobs_path_of(id)) : remove_file(path_of(id)));
  if (!done)
    return done; // what could not be removed may need the others
  for (const checkpoint_id id : *holders)
    if (!is_needed(id))
      keep_first(remove_file(blobs_path_of(id)));
  return done;
}

status files_checkpoint_store::remove(checkpoint_id id) {
  const auto known = ids();
  if (!known)
    return known.failure();
  if (std::find(known->begin(), known->end(), id) == known->end())
    return missing_checkpoint(id, *known, directory_);
  const status removed = remove_files({id});
  return removed ? sync(directory_) : removed;
}

status files_checkpoint_store::clear() {
  const auto known = ids();
  const auto holders = ids_of(blobs_prefix);
  if (!known || !holders)
    return known ? holders.failure() : known.failure();
  // The newest first: what is left when this is interrupted needs nothing that is gone.
  for (auto id = known->rbegin(); id != known->rend(); ++id)
    if (status removed = remove_file(path_of(*id)); !removed)
      return removed;
  for (const checkpoint_id id : *holders)
    if (status removed = remove_file(blobs_path_of(id)); !removed)
      return removed;
  return sync(directory_);
}

} // namespace weir::detail
