#include <weir/snapshot/files_checkpoint_store.hpp>

#include <algorithm>
#include <charconv>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <weir/base/bytes.hpp>
#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/store_draft.hpp>
#include <weir/snapshot/store_format.hpp>
#include <weir/snapshot/store_reader.hpp>

namespace weir::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "checkpoint-";
constexpr std::string_view blobs_prefix = "blobs-"; // of a file whose checkpoint retention has deleted
constexpr std::string_view suffix = ".weir";
constexpr std::size_t digits = 20;

/// A checkpoint is in so many files at most.
constexpr std::size_t most_files = 256;

std::string name_of(checkpoint_id id, std::string_view begin) {
  std::string number = std::to_string(id.value);
  number.insert(0, digits - number.size(), '0');
  return std::string(begin) + number + std::string(suffix);
}

std::optional<checkpoint_id> id_of(const std::string& name, std::string_view begin) {
  if (!name.starts_with(begin) || !name.ends_with(suffix) ||
      name.size() != begin.size() + digits + suffix.size())
    return std::nullopt;
  std::uint64_t number = 0;
  const char* first = name.data() + begin.size();
  const auto [end, code] = std::from_chars(first, first + digits, number);
  if (code != std::errc{} || end != first + digits)
    return std::nullopt;
  return checkpoint_id{number};
}

/// The file that has the blobs stored under a checkpoint.
fs::path path_of_holder(const fs::path& directory, checkpoint_id id) {
  std::error_code ignored;
  const fs::path whole = directory / name_of(id, prefix);
  return fs::exists(whole, ignored) ? whole : directory / name_of(id, blobs_prefix);
}

/// A directory that cannot be read is not one without checkpoints.
template <class Use>
status for_each_name(const fs::path& directory, Use&& use) {
  std::error_code code;
  fs::directory_iterator at(directory, code);
  for (; !code && at != fs::directory_iterator{}; at.increment(code))
    use(at->path().filename().string());
  if (code)
    return error{errc::io, "cannot read the checkpoint directory " + directory.string() + ": " +
                               code.message()};
  return {};
}

bool is_unfinished(const std::string& name) {
  return name.starts_with(std::string(".") + std::string(prefix)) && name.ends_with(".new");
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
  if (const status read = for_each_name(
          directory,
          [&](const std::string& name) { found = found || id_of(name, prefix) || id_of(name, blobs_prefix); });
      !read)
    return read.failure();
  return found;
}

result<std::unique_ptr<checkpoint_store>>
files_checkpoint_store::open(directory_lock lock, const fs::path& directory, const std::string& job,
                             std::uint32_t retained) {
  const status cleaned = for_each_name(directory, [&](const std::string& name) {
    std::error_code ignored;
    if (is_unfinished(name))
      fs::remove(directory / name, ignored);
  });
  if (!cleaned)
    return cleaned.failure();
  std::unique_ptr<files_checkpoint_store> store(
      new files_checkpoint_store(std::move(lock), directory, job, retained));
  if (const auto attempt = store->read_attempt(); !attempt)
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
  return directory_ / name_of(id, prefix);
}

fs::path files_checkpoint_store::blobs_path_of(checkpoint_id id) const {
  return directory_ / name_of(id, blobs_prefix);
}

result<std::vector<checkpoint_id>> files_checkpoint_store::ids() const {
  return ids_of(prefix);
}

result<std::vector<checkpoint_id>> files_checkpoint_store::ids_of(std::string_view begin) const {
  std::vector<checkpoint_id> found;
  const status read = for_each_name(directory_, [&](const std::string& name) {
    if (const auto id = id_of(name, begin))
      found.push_back(*id);
  });
  if (!read)
    return read.failure();
  std::sort(found.begin(), found.end());
  return found;
}

result<epoch> files_checkpoint_store::read_attempt() const {
  const fs::path path = directory_ / "attempt";
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) {
    const int cause = errno;
    if (cause == ENOENT)
      return epoch{};
    return file_error(errc::io, "read", path.string(), cause);
  }
  const std::string value{std::istreambuf_iterator<char>(file), {}};
  const auto content = unsealed(value);
  if (!content || content->size() != sizeof(epoch::rep))
    return error{errc::corrupt, path.string() + " is damaged: it counts the job's attempts. Put a copy of "
                                                "it in its place, or remove it together with the checkpoints"};
  return epoch{byte_reader(*content).read_raw<epoch::rep>()};
}

status files_checkpoint_store::write_attempt(epoch attempt) {
  byte_writer content;
  content.write_raw(attempt.value);
  const std::string value = sealed(content.view());
  const fs::path unfinished = directory_ / ".checkpoint-attempt.new";
  const file_descriptor file(
      ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open() ||
      ::write(file.number(), value.data(), value.size()) != static_cast<ssize_t>(value.size()) ||
      ::fsync(file.number()) != 0 || ::rename(unfinished.c_str(), (directory_ / "attempt").c_str()) != 0)
    return file_error(errno == ENOSPC ? errc::capacity : errc::io, "write", unfinished.string(), errno);
  return sync(directory_);
}

status files_checkpoint_store::continue_after(epoch last) {
  const auto attempt = read_attempt();
  if (!attempt)
    return attempt.failure();
  return *attempt < last ? write_attempt(last) : status{};
}

result<epoch> files_checkpoint_store::begin_attempt() {
  const auto attempt = read_attempt();
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

/// The files of a directory, opened as blobs in them are asked for.
///
/// Thread safety: any thread.
class checkpoint_files {
 public:
  explicit checkpoint_files(fs::path directory) : directory_(std::move(directory)) {}

  result<bytes> read_blob(const blob_reference& blob) {
    const auto file = open(blob.key.checkpoint);
    if (!*file)
      return file->failure();
    auto content = (*file)->read_blob(blob);
    return content ? std::move(content)
                   : in_context("in " + path_of_holder(directory_, blob.key.checkpoint).string(),
                                std::move(content.failure()));
  }

  static error missing(checkpoint_id id) {
    return {errc::corrupt, "it should be in " + name_of(id, prefix) + " or " + name_of(id, blobs_prefix) +
                               ", and neither is there"};
  }

 private:
  using opened = std::shared_ptr<const result<checkpoint_file>>;

  opened open(checkpoint_id id) {
    const std::lock_guard only_one(mutex_);
    opened& file = files_[id];
    if (!file) {
      const fs::path path = path_of_holder(directory_, id);
      std::error_code ignored;
      file = std::make_shared<const result<checkpoint_file>>(
          fs::exists(path, ignored) ? checkpoint_file::open(path) : missing(id));
    }
    return file;
  }

  const fs::path directory_;
  std::mutex mutex_;
  std::map<checkpoint_id, opened> files_;
};

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
      write_checkpoint_file(path_of(checkpoint.id), job_, *draft, [&](const store_draft::put_blob& put) {
        return copy_from_sparse_files(*draft, put);
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
  const auto holders = ids_of(blobs_prefix);
  if (!known || !holders)
    return known ? holders.failure() : known.failure();
  std::set<checkpoint_id> needed;
  std::vector<checkpoint_id> expired;
  bool all_are_readable = true;
  std::uint32_t kept = 0;
  for (auto id = known->rbegin(); id != known->rend(); ++id) {
    if (kept >= retained_ && (keep_from == checkpoint_id{} || *id < keep_from)) {
      expired.push_back(*id);
      continue;
    }
    const auto file = checkpoint_file::open(path_of(*id));
    if (file)
      add_holders(file->content(), needed);
    kept += file.has_value();
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
