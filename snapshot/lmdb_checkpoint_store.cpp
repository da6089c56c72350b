#include <weir/snapshot/lmdb_checkpoint_store.hpp>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include <weir/base/bytes.hpp>
#include <weir/base/log.hpp>
#include <weir/snapshot/store_draft.hpp>
#include <weir/snapshot/store_format.hpp>
#include <weir/snapshot/store_retention.hpp>

namespace weir::detail {

namespace {

/// A transaction keeps all that it writes in memory: what is larger is written in several.
constexpr std::size_t largest_transaction = std::size_t{64} << 20;

} // namespace

result<std::unique_ptr<checkpoint_store>> lmdb_checkpoint_store::open(directory_lock&& lock,
                                                                      lmdb_file file,
                                                                      const std::string& job,
                                                                      std::uint32_t retained) {
  auto opened = store_file::open(file, job);
  if (!opened)
    return opened.failure();
  std::unique_ptr<lmdb_checkpoint_store> store{
      new lmdb_checkpoint_store{std::move(lock), std::move(file), job, retained}};
  store->open_->file.emplace(std::move(*opened));
  return std::unique_ptr<checkpoint_store>{std::move(store)};
}

lmdb_checkpoint_store::~lmdb_checkpoint_store() {
  const std::lock_guard alone(open_->mutex);
  open_->file.reset();
}

status lmdb_checkpoint_store::ensure_open() {
  if (open_->file && !open_->file->environment().is_broken())
    return {};
  const std::lock_guard alone(open_->mutex);
  open_->file.reset();
  auto file = store_file::open(file_, job_);
  if (!file)
    return file.failure();
  open_->file.emplace(std::move(*file));
  return {};
}

result<lmdb_transaction> lmdb_checkpoint_store::begin_read() {
  if (const status ready = ensure_open(); !ready)
    return ready.failure();
  return open_->file->environment().begin_read();
}

result<lmdb_transaction> lmdb_checkpoint_store::begin_write() {
  if (const status ready = ensure_open(); !ready)
    return ready.failure();
  return open_->file->environment().begin_write();
}

result<epoch> lmdb_checkpoint_store::continue_after(epoch last) {
  return count_attempt(last, false);
}

result<epoch> lmdb_checkpoint_store::begin_attempt() {
  return count_attempt({}, true);
}

result<epoch> lmdb_checkpoint_store::count_attempt(epoch at_least, bool count_on) {
  auto transaction = begin_write();
  if (!transaction)
    return transaction.failure();
  const auto record = read_meta(*transaction, open_->file->meta(), "attempt", file_);
  if (!record)
    return record.failure();
  if (record->size() != sizeof(epoch::rep))
    return error{errc::corrupt, file_.path.string() + " is damaged: its record \"attempt\" has " +
                                    std::to_string(record->size()) + " bytes"};
  epoch next{byte_reader{*record}.read_raw<epoch::rep>()};
  if (next < at_least)
    next = at_least;
  if (count_on)
    next = next.next();
  byte_writer content;
  content.write_raw(next.value);
  status done = transaction->write(open_->file->meta(), "attempt", sealed(content.view()));
  if (done)
    done = transaction->commit();
  if (!done)
    return done.failure();
  return next;
}

result<std::vector<completed_checkpoint>> lmdb_checkpoint_store::list() {
  auto transaction = begin_read();
  if (!transaction)
    return transaction.failure();
  store_reader reader{*transaction, *open_->file};
  const auto ids = reader.ids();
  if (!ids)
    return ids.failure();
  std::vector<completed_checkpoint> found;
  for (const checkpoint_id id : *ids) {
    completed_checkpoint& checkpoint = found.emplace_back();
    if (const auto stored = reader.read_manifest(id))
      checkpoint = stored->checkpoint;
    checkpoint.id = id;
  }
  return found;
}

result<checkpoint_contents> lmdb_checkpoint_store::load(checkpoint_id id) {
  auto transaction = begin_read();
  if (!transaction)
    return transaction.failure();
  store_reader reader{*transaction, *open_->file};
  const auto ids = reader.ids();
  if (!ids)
    return ids.failure();
  if (std::find(ids->begin(), ids->end(), id) == ids->end())
    return missing_checkpoint(id, *ids, file_.path);
  auto contents = read(id, reader);
  if (contents)
    return contents;
  error cause = std::move(contents.failure());
  const bool is_foreign = cause.code == errc::wrong_version;
  cause.message = name_of(id) + (is_foreign ? " was written by another version: " : " is damaged: ") +
                  cause.message;
  std::optional<checkpoint_id> older;
  for (auto at = ids->rbegin(); at != ids->rend() && !older; ++at)
    if (*at < id && read(*at, reader))
      older = *at;
  return with_older_checkpoint(std::move(cause), older);
}

std::string lmdb_checkpoint_store::name_of(checkpoint_id id) const {
  return "checkpoint " + to_string(id) + " in " + file_.path.string();
}

result<checkpoint_contents> lmdb_checkpoint_store::read(checkpoint_id id, store_reader& reader) const {
  const auto description = reader.read_manifest(id);
  if (!description)
    return description.failure();
  const auto read_blob = [open = open_](const blob_reference& blob) -> result<bytes> {
    const std::shared_lock open_meanwhile(open->mutex);
    if (!open->file)
      return error{errc::io, "the file is closed"};
    auto transaction = open->file->environment().begin_read();
    if (!transaction)
      return std::move(transaction.failure());
    return store_reader{*transaction, *open->file}.read_blob(blob);
  };
  return read_contents(*description, read_blob, name_of(id) + " cannot be read");
}

result<completed_checkpoint> lmdb_checkpoint_store::store(
    completed_checkpoint checkpoint,
    const std::vector<std::shared_ptr<const operator_snapshot>>& operators, checkpoint_id keep_from) {
  auto stored = write(checkpoint, operators, keep_from);
  if (!stored)
    return in_context("checkpoint " + to_string(checkpoint.id) + " could not be stored",
                      std::move(stored.failure()));
  return stored;
}

result<completed_checkpoint> lmdb_checkpoint_store::write(
    const completed_checkpoint& checkpoint,
    const std::vector<std::shared_ptr<const operator_snapshot>>& operators, checkpoint_id keep_from) {
  auto draft = store_draft::make(checkpoint, operators,
                                 [this](checkpoint_id base) { return read_manifest(base); });
  if (!draft)
    return draft.failure();
  if (const status fits = check_number(checkpoint.id); !fits)
    return fits.failure();
  // What readers that were killed have pinned can be used again.
  if (const status cleared = open_->file->environment().clear_dead_readers(); !cleared)
    return cleared.failure();
  std::optional<lmdb_transaction> transaction;
  std::size_t pending = 0;
  bool is_divided = false;
  const auto put = [&](std::string_view key, const value_seal& seal,
                       std::string_view content) -> status {
    if (pending > largest_transaction) {
      is_divided = true;
      pending = 0;
      status done = transaction->commit();
      transaction.reset();
      if (!done)
        return done;
    }
    if (!transaction) {
      auto begun = begin_write();
      if (!begun)
        return std::move(begun.failure());
      transaction.emplace(std::move(*begun));
    }
    const auto room = transaction->reserve(open_->file->blobs(), key, seal_size + content.size());
    if (!room)
      return room.failure();
    std::memcpy(*room, &seal, seal_size);
    content.copy(*room + seal_size, content.size());
    pending += seal_size + content.size();
    return {};
  };
  status done = draft->write_blobs(put);
  if (done && !transaction) {
    auto begun = begin_write();
    if (!begun)
      return std::move(begun.failure());
    transaction.emplace(std::move(*begun));
  }
  if (done)
    done = draft->check_inherited([&](const blob_reference& blob) -> status {
      const auto value = transaction->read(open_->file->blobs(), blob.key.encoded());
      if (!value)
        return value.failure();
      if (!*value || (*value)->size() != seal_size + blob.bytes)
        return error{errc::corrupt, *value ? "it has another length than it had" : "it is missing"};
      return {};
    });
  if (done)
    done = transaction->write(open_->file->checkpoints(), checkpoint_key(checkpoint.id),
                              sealed(encode_manifest(draft->content())));
  if (done)
    done = expire_checkpoints(*transaction, *open_->file, retained_, keep_from);
  if (done)
    done = transaction->commit();
  transaction.reset();
  if (!done) {
    if (is_divided)
      drop_unfinished();
    return done.failure();
  }
  return draft->content().checkpoint;
}

result<manifest> lmdb_checkpoint_store::read_manifest(checkpoint_id id) {
  auto transaction = begin_read();
  if (!transaction)
    return transaction.failure();
  return store_reader{*transaction, *open_->file}.read_manifest(id);
}

status lmdb_checkpoint_store::check_number(checkpoint_id id) {
  auto transaction = begin_read();
  if (!transaction)
    return transaction.failure();
  const auto ids = store_reader{*transaction, *open_->file}.ids();
  if (!ids)
    return ids.failure();
  const checkpoint_id newest = ids->empty() ? checkpoint_id{} : ids->back();
  if (id <= newest)
    return error{errc::checkpoint, "its number must be above " + to_string(newest) +
                                       ", that of the newest in " + file_.path.string()};
  return {};
}

// What no manifest refers to would go with the next checkpoint, but on a full disk there may be none.
void lmdb_checkpoint_store::drop_unfinished() {
  auto transaction = begin_write();
  status done = transaction ? erase_unneeded_blobs(*transaction, *open_->file)
                            : status{transaction.failure()};
  if (done)
    done = transaction->commit();
  if (!done)
    log_warning("a part of a checkpoint that could not be stored is left until the next one is complete",
                {{"file", file_.path.string()}, {"problem", done.failure().message}});
}

status lmdb_checkpoint_store::remove(checkpoint_id id) {
  auto transaction = begin_write();
  if (!transaction)
    return transaction.failure();
  const auto known = store_reader{*transaction, *open_->file}.ids();
  if (!known)
    return known.failure();
  const auto erased = transaction->erase(open_->file->checkpoints(), checkpoint_key(id));
  if (!erased)
    return erased.failure();
  if (!*erased)
    return missing_checkpoint(id, *known, file_.path);
  if (const status done = erase_unneeded_blobs(*transaction, *open_->file); !done)
    return done;
  return transaction->commit();
}

status lmdb_checkpoint_store::clear() {
  auto transaction = begin_write();
  if (!transaction)
    return transaction.failure();
  if (const status erased = erase_checkpoints(*transaction, *open_->file); !erased)
    return erased;
  return transaction->commit();
}

} // namespace weir::detail
