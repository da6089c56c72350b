#include <weir/snapshot/store_file.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include <weir/base/bytes.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/lmdb_check.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir::detail {

namespace {

bool read_fully(int descriptor, std::uint64_t offset, char* out, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::pread(descriptor, out, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count == 0)
      errno = 0;
    if (count <= 0)
      return false;
    offset += static_cast<std::uint64_t>(count);
    out += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

status check_identity(lmdb_transaction& transaction, lmdb_database meta, const lmdb_file& file,
                      const std::string& job) {
  const std::string path = file.path.string();
  const auto format = read_meta(transaction, meta, "format", file);
  if (!format)
    return format.failure();
  const auto stored_job = read_meta(transaction, meta, "job", file);
  if (const status fits = check_format(file.path, *format); !fits)
    return fits;
  try {
    if (!stored_job)
      return stored_job.failure();
    const std::string name{byte_reader{*stored_job}.read_text()};
    if (name != job)
      return error{errc::state_mismatch,
                   path + " holds the checkpoints of job " + in_quotes(name) +
                       ", and this is job " + in_quotes(job) +
                       "; give this job a directory of its own (checkpoint.dir), or its old "
                       "name"};
  } catch (const malformed_bytes& problem) {
    return error{errc::corrupt, path +
                                    " is damaged: its record of the job is too short: " +
                                    problem.what()};
  }
  return {};
}

} // namespace

result<std::string> read_meta(lmdb_transaction& transaction, lmdb_database meta,
                              std::string_view key, const lmdb_file& file) {
  const auto value = transaction.read(meta, key);
  if (!value)
    return value.failure();
  const std::string where = file.path.string() + " is damaged: its record " + in_quotes(key);
  if (!*value)
    return error{errc::corrupt, where + " is missing"};
  const auto content = unsealed(**value);
  if (!content)
    return in_context(where, content.failure());
  return std::string{*content};
}

result<store_file> store_file::open(const lmdb_file& file, const std::string& job) {
  if (const auto checked = check_lmdb_file(file.path); !checked)
    return checked.failure();
  auto environment = lmdb_environment::open(file, lmdb_durability::durable);
  if (!environment)
    return environment.failure();
  auto transaction = environment->begin_read();
  if (!transaction)
    return transaction.failure();
  const auto meta = transaction->find_database("meta");
  if (!meta)
    return meta.failure();
  if (!*meta)
    return error{errc::corrupt, file.path.string() +
                                    " is an LMDB file of another program: a checkpoint file of "
                                    "Weir has a database \"meta\""};
  if (const status identity = check_identity(*transaction, **meta, file, job); !identity)
    return identity.failure();
  const auto checkpoints = transaction->find_database("checkpoint");
  if (!checkpoints)
    return checkpoints.failure();
  const auto blobs = transaction->find_database("blob");
  if (!blobs)
    return blobs.failure();
  if (!*checkpoints || !*blobs)
    return error{errc::corrupt, file.path.string() + " is damaged: its database " +
                                    (*checkpoints ? "\"blob\"" : "\"checkpoint\"") + " is missing"};
  store_file opened{std::move(*environment), **meta, **checkpoints, **blobs};
  if (const auto format = transaction->read(**meta, "format"); format && *format)
    opened.find_map(**format);
  if (const status committed = transaction->commit(); !committed)
    return committed.failure();
  return opened;
}

// LMDB does not say where it has mapped the file. A value that is known to lie in it does: its page
// starts with its own number.
void store_file::find_map(std::string_view value) {
  const std::size_t page = environment_.page_size();
  if (page > static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)))
    return;
  const std::size_t within = reinterpret_cast<std::uintptr_t>(value.data()) % page;
  const char* start = value.data() - within;
  std::uint64_t number = 0;
  std::memcpy(&number, start, sizeof number);
  std::string found(value.size(), '\0');
  if (read_fully(environment_.descriptor(), number * page + within, found.data(), found.size()) &&
      found == value)
    map_ = start - number * page;
}

status store_file::copy(std::string_view value, char* out) const {
  if (!map_) {
    value.copy(out, value.size());
    return {};
  }
  const auto offset = static_cast<std::uint64_t>(value.data() - map_);
  if (!read_fully(environment_.descriptor(), offset, out, value.size()))
    return error{errc::corrupt, "it cannot be read: " +
                                    (errno == 0 ? "the file ends before it" : errno_text(errno))};
  return {};
}

status create_store_file(const lmdb_file& file, const std::string& job) {
  const lmdb_file draft_file{file.path.string() + ".new", file.map_size};
  const std::filesystem::path draft_lock = draft_file.path.string() + "-lock";
  std::error_code code;
  std::filesystem::remove(draft_file.path, code);
  std::filesystem::remove(draft_lock, code);
  {
    auto environment = lmdb_environment::open(draft_file, lmdb_durability::relaxed);
    if (!environment)
      return environment.failure();
    auto transaction = environment->begin_write();
    if (!transaction)
      return transaction.failure();
    byte_writer format;
    format.write(checkpoint_format_magic.data(), checkpoint_format_magic.size());
    format.write_raw(checkpoint_format_version);
    byte_writer name;
    name.write_text(job);
    byte_writer attempt;
    attempt.write_raw(std::uint64_t{0});
    auto meta = transaction->create_database("meta");
    if (!meta)
      return meta.failure();
    for (const auto& [key, content] :
         {std::pair{"format", &format.view()}, {"job", &name.view()}, {"attempt", &attempt.view()}})
      if (const status written = transaction->write(*meta, key, sealed(*content)); !written)
        return written;
    for (const char* database : {"checkpoint", "blob"})
      if (const auto created = transaction->create_database(database); !created)
        return created.failure();
    if (const status committed = transaction->commit(); !committed)
      return committed;
    if (const status synced = environment->sync(); !synced)
      return synced;
  }
  std::filesystem::remove(draft_lock, code);
  std::filesystem::rename(draft_file.path, file.path, code);
  if (code)
    return error{errc::io, "cannot create " + file.path.string() + ": " + code.message()};
  if (const int cause = sync_directory(file.path.parent_path().string()); cause != 0)
    return file_error(errc::io, "make durable", file.path.parent_path().string(), cause);
  return {};
}

} // namespace weir::detail
