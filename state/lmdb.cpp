#include <weir/state/lmdb.hpp>

#include <cerrno>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>

namespace weir::detail {

namespace {

constexpr unsigned maximum_readers = 512;
constexpr off_t lock_file_size = 64 * (maximum_readers + 64); // a cache line for each, and what LMDB has before them
constexpr unsigned maximum_databases = 8;

MDB_val value_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}

std::string_view view_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

void report_assertion(MDB_env* environment, const char* message) {
  const auto* file = static_cast<const lmdb_file*>(mdb_env_get_userctx(environment));
  log_error("LMDB found its file in an impossible state and ends the process",
            {{"file", file->path.string()}, {"assertion", message}});
}

// LMDB writes to the lock file through a map: without blocks behind it, a full disk is a SIGBUS.
status allocate_lock_file(const lmdb_file& file) {
  const std::string path = file.path.string() + "-lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return error{errc::io, "cannot open " + path + ": " + errno_text(errno)};
  const int code = ::posix_fallocate(descriptor, 0, lock_file_size);
  ::close(descriptor);
  if (code == ENOSPC || code == EDQUOT || code == EIO)
    return lmdb_failure("allocate the lock file of", code, file);
  return {};
}

bool is_full(const std::filesystem::path& directory) {
  struct statvfs about {};
  constexpr std::uint64_t little = std::uint64_t{1} << 20;
  return ::statvfs(directory.empty() ? "." : directory.c_str(), &about) == 0 &&
         std::uint64_t{about.f_bavail} * about.f_frsize < little;
}

std::string address_space_advice(const lmdb_file& file) {
  return "cannot map " + file.path.string() + ": there is no room for " + size_text(file.map_size) +
         " of address space; lower " + file.map_size_setting + " to what is needed, or raise "
         "the limit on virtual memory (ulimit -v)";
}

} // namespace

error lmdb_failure(std::string_view what, int code, const lmdb_file& file) {
  // LMDB reports a write that was cut short as EIO. On a full disk that is what it was.
  if (code == EIO && is_full(file.path.parent_path()))
    code = ENOSPC;
  const std::string path = file.path.string();
  const std::string start = "cannot " + std::string{what} + " " + path + ": ";
  const std::string text = code > 0 ? errno_text(code) : std::string{mdb_strerror(code)};
  switch (code) {
  case ENOSPC:
  case EDQUOT:
    return {errc::capacity,
            start + text + "; free some space on that disk. What was stored before is intact"};
  case MDB_MAP_FULL:
    return {errc::capacity, start + "it has reached its largest size of " +
                                size_text(file.map_size) +
                                "; raise " + file.map_size_setting + ". What was stored before is intact"};
  case EFBIG: return {errc::capacity, start + text + "; raise the limit on file sizes (ulimit -f)"};
  case ENOMEM: return {errc::capacity, start + text + "; the process is out of memory"};
  case EIO:
    return {errc::io,
            start + text +
                "; the disk fails: see the system's log (dmesg), and move the directory to "
                "another disk"};
  case EACCES:
  case EPERM:
  case EROFS: return {errc::io, start + text + "; the job must be allowed to write there"};
  case MDB_PANIC:
    return {errc::io, start + "an earlier failure has to be mended by opening it again"};
  case MDB_VERSION_MISMATCH:
    return {errc::in_use,
            start + "another program has it open with another version of LMDB; end it"};
  case MDB_CORRUPTED:
  case MDB_PAGE_NOTFOUND:
  case MDB_INVALID:
  case MDB_INCOMPATIBLE: return {errc::corrupt, start + "it is damaged (" + text + ")"};
  default: return {errc::io, start + text};
  }
}

lmdb_cursor::~lmdb_cursor() {
  if (cursor_)
    mdb_cursor_close(cursor_);
}

result<bool> lmdb_cursor::move(int operation) {
  MDB_val key{};
  MDB_val value{};
  const int code = mdb_cursor_get(cursor_, &key, &value, static_cast<MDB_cursor_op>(operation));
  if (code == MDB_NOTFOUND)
    return false;
  if (code != MDB_SUCCESS)
    return lmdb_failure("read", code, *file_);
  key_ = view_of(key);
  value_ = view_of(value);
  return true;
}

result<bool> lmdb_cursor::first() {
  return move(MDB_FIRST);
}
result<bool> lmdb_cursor::last() {
  return move(MDB_LAST);
}
result<bool> lmdb_cursor::next() {
  return move(MDB_NEXT);
}

result<bool> lmdb_cursor::seek(std::string_view key) {
  MDB_val wanted = value_of(key);
  MDB_val value{};
  const int code = mdb_cursor_get(cursor_, &wanted, &value, MDB_SET_RANGE);
  if (code == MDB_NOTFOUND)
    return false;
  if (code != MDB_SUCCESS)
    return lmdb_failure("read", code, *file_);
  key_ = view_of(wanted);
  value_ = view_of(value);
  return true;
}

status lmdb_cursor::erase() {
  if (const int code = mdb_cursor_del(cursor_, 0))
    return lmdb_failure("delete from", code, *file_);
  return {};
}

lmdb_transaction::~lmdb_transaction() {
  if (transaction_)
    mdb_txn_abort(transaction_);
}

result<std::optional<lmdb_database>> lmdb_transaction::find_database(const char* name) {
  MDB_dbi handle = 0;
  const int code = mdb_dbi_open(transaction_, name, 0, &handle);
  if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE)
    return std::optional<lmdb_database>{};
  if (code != MDB_SUCCESS)
    return lmdb_failure("read", code, *file_);
  return std::optional{lmdb_database{handle}};
}

result<lmdb_database> lmdb_transaction::create_database(const char* name) {
  MDB_dbi handle = 0;
  if (const int code = mdb_dbi_open(transaction_, name, MDB_CREATE, &handle))
    return lmdb_failure("write to", code, *file_);
  return lmdb_database{handle};
}

result<std::optional<std::string_view>> lmdb_transaction::read(lmdb_database database,
                                                               std::string_view key) {
  MDB_val k = value_of(key);
  MDB_val value{};
  const int code = mdb_get(transaction_, static_cast<MDB_dbi>(database), &k, &value);
  if (code == MDB_NOTFOUND)
    return std::optional<std::string_view>{};
  if (code != MDB_SUCCESS)
    return lmdb_failure("read", code, *file_);
  return std::optional{view_of(value)};
}

status lmdb_transaction::write(lmdb_database database, std::string_view key,
                               std::string_view value) {
  MDB_val k = value_of(key);
  MDB_val v = value_of(value);
  if (const int code = mdb_put(transaction_, static_cast<MDB_dbi>(database), &k, &v, 0))
    return lmdb_failure("write to", code, *file_);
  return {};
}

result<bool> lmdb_transaction::erase(lmdb_database database, std::string_view key) {
  MDB_val k = value_of(key);
  const int code = mdb_del(transaction_, static_cast<MDB_dbi>(database), &k, nullptr);
  if (code == MDB_NOTFOUND)
    return false;
  if (code != MDB_SUCCESS)
    return lmdb_failure("delete from", code, *file_);
  return true;
}

result<char*> lmdb_transaction::reserve(lmdb_database database, std::string_view key,
                                        std::size_t size) {
  MDB_val k = value_of(key);
  MDB_val value{size, nullptr};
  if (const int code =
          mdb_put(transaction_, static_cast<MDB_dbi>(database), &k, &value, MDB_RESERVE))
    return lmdb_failure("write to", code, *file_);
  return static_cast<char*>(value.mv_data);
}

result<lmdb_cursor> lmdb_transaction::cursor(lmdb_database database) {
  MDB_cursor* handle = nullptr;
  if (const int code = mdb_cursor_open(transaction_, static_cast<MDB_dbi>(database), &handle))
    return lmdb_failure("read", code, *file_);
  return lmdb_cursor{handle, *file_};
}

status lmdb_transaction::commit() {
  if (const int code = mdb_txn_commit(std::exchange(transaction_, nullptr))) {
    *broken_ = true;
    return lmdb_failure("write to", code, *file_);
  }
  return {};
}

void lmdb_environment::closer::operator()(MDB_env* environment) const noexcept {
  mdb_env_close(environment);
}

result<lmdb_environment> lmdb_environment::open(lmdb_file file, lmdb_durability durability) {
  const auto system_page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  file.map_size = (file.map_size + system_page - 1) / system_page * system_page;
  auto state = std::make_unique<shared>(shared{std::move(file), false});
  if (const status allocated = allocate_lock_file(state->file); !allocated)
    return allocated.failure();

  MDB_env* created = nullptr;
  if (const int code = mdb_env_create(&created))
    return lmdb_failure("open", code, state->file);
  std::unique_ptr<MDB_env, closer> environment{created};
  mdb_env_set_userctx(created, &state->file);
  mdb_env_set_assert(created, report_assertion);
  int code = mdb_env_set_mapsize(created, state->file.map_size);
  if (code == MDB_SUCCESS)
    code = mdb_env_set_maxdbs(created, maximum_databases);
  if (code == MDB_SUCCESS)
    code = mdb_env_set_maxreaders(created, maximum_readers);
  if (code == MDB_SUCCESS) {
    const unsigned flags =
        MDB_NOSUBDIR | MDB_NOTLS | (durability == lmdb_durability::relaxed ? MDB_NOSYNC : 0u);
    code = mdb_env_open(created, state->file.path.c_str(), flags, 0644);
    if (code == ENOMEM || code == EINVAL)
      return error{errc::capacity, address_space_advice(state->file)};
  }
  if (code == MDB_SUCCESS)
    code = mdb_reader_check(created, nullptr);
  if (code != MDB_SUCCESS)
    return lmdb_failure("open", code, state->file);
  return lmdb_environment{std::move(state), std::move(environment)};
}

result<lmdb_transaction> lmdb_environment::begin_read() {
  MDB_txn* transaction = nullptr;
  if (const int code = mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &transaction))
    return lmdb_failure("read", code, shared_->file);
  return lmdb_transaction{transaction, shared_->file, shared_->broken};
}

result<lmdb_transaction> lmdb_environment::begin_write() {
  MDB_txn* transaction = nullptr;
  if (const int code = mdb_txn_begin(environment_.get(), nullptr, 0, &transaction)) {
    shared_->broken = true;
    return lmdb_failure("write to", code, shared_->file);
  }
  return lmdb_transaction{transaction, shared_->file, shared_->broken};
}

status lmdb_environment::sync() {
  if (const int code = mdb_env_sync(environment_.get(), 1))
    return lmdb_failure("write to", code, shared_->file);
  return {};
}

status lmdb_environment::clear_dead_readers() {
  if (const int code = mdb_reader_check(environment_.get(), nullptr))
    return lmdb_failure("look for readers of", code, shared_->file);
  return {};
}

std::size_t lmdb_environment::page_size() const {
  MDB_stat statistics{};
  mdb_env_stat(environment_.get(), &statistics);
  return statistics.ms_psize;
}

int lmdb_environment::descriptor() const {
  int descriptor = -1;
  mdb_env_get_fd(environment_.get(), &descriptor);
  return descriptor;
}

} // namespace weir::detail
