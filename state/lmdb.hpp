#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <weir/base/error.hpp>

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace weir::detail {

/// A named database inside an LMDB file. Valid as long as its environment is open.
enum class lmdb_database : unsigned int {};

/// When a commit returns.
enum class lmdb_durability : std::uint8_t {
  durable, ///< when the disk has it
  relaxed, ///< at once; lmdb_environment::sync() makes it durable
};

/// Which LMDB file, and how large it may grow. Error messages name both.
struct lmdb_file {
  std::filesystem::path path;
  std::uint64_t map_size = 0;
  const char* map_size_setting = "checkpoint.map-size"; ///< what a user raises
};

/// What LMDB or the system reported, as an error that says what failed, where, and what to do.
error lmdb_failure(std::string_view what, int code, const lmdb_file& file);

/// Walks over the entries of one database in the order of their keys.
///
/// Ownership:     belongs to its transaction and must go before it. What key() and value() return
///                points into the file and holds until the transaction writes or ends.
/// Thread safety: the transaction's thread.
class lmdb_cursor {
 public:
  lmdb_cursor(MDB_cursor* cursor, const lmdb_file& file) : cursor_(cursor), file_(&file) {}
  lmdb_cursor(lmdb_cursor&& other) noexcept
      : cursor_(std::exchange(other.cursor_, nullptr)), file_(other.file_), key_(other.key_),
        value_(other.value_) {}
  lmdb_cursor& operator=(lmdb_cursor&&) = delete;
  ~lmdb_cursor();

  /// Go to an entry; false when there is none.
  result<bool> first();
  result<bool> last();
  result<bool> next();

  /// Goes to the first entry whose key is not less than `key`.
  result<bool> seek(std::string_view key);

  std::string_view key() const noexcept { return key_; }
  std::string_view value() const noexcept { return value_; }

  /// Deletes the entry that the cursor is at; next() then goes to the one after it.
  status erase();

 private:
  result<bool> move(int operation);

  MDB_cursor* cursor_;
  const lmdb_file* file_;
  std::string_view key_;
  std::string_view value_;
};

/// A transaction. Ends without effect unless it is committed.
///
/// Ownership:     must end before its environment closes. A view that it returns holds until it
///                writes or ends.
/// Thread safety: one thread, from begin to end.
/// Errors:        io, capacity or corrupt; after any, drop the transaction: the file is as it was
///                before it.
/// Cost:          a writing one keeps in memory all that it wrote, until it is committed.
class lmdb_transaction {
 public:
  lmdb_transaction(MDB_txn* transaction, const lmdb_file& file, bool& broken)
      : transaction_(transaction), file_(&file), broken_(&broken) {}
  lmdb_transaction(lmdb_transaction&& other) noexcept
      : transaction_(std::exchange(other.transaction_, nullptr)), file_(other.file_),
        broken_(other.broken_) {}
  lmdb_transaction& operator=(lmdb_transaction&&) = delete;
  ~lmdb_transaction();

  /// The database of that name, or none when there is no such. Its handle outlives the transaction
  /// if that one is committed.
  result<std::optional<lmdb_database>> find_database(const char* name);
  result<lmdb_database> create_database(const char* name);

  result<std::optional<std::string_view>> read(lmdb_database database, std::string_view key);
  status write(lmdb_database database, std::string_view key, std::string_view value);

  /// Deletes an entry. Returns whether it was there.
  result<bool> erase(lmdb_database database, std::string_view key);

  /// Writes an entry whose value the caller fills in, completely, before the next call.
  result<char*> reserve(lmdb_database database, std::string_view key, std::size_t size);

  result<lmdb_cursor> cursor(lmdb_database database);

  status commit();

 private:
  MDB_txn* transaction_;
  const lmdb_file* file_;
  bool* broken_;
};

/// An open LMDB file.
///
/// LMDB's own rule: a process opens a file once. Whoever opens one holds a directory_lock.
///
/// Thread safety: transactions of several threads at a time, one of them writing.
/// Errors:        capacity when the address space is too small for the map size, io, corrupt. The
///                file's structure is not looked at: that is check_lmdb_file()'s part, and without
///                it a damaged file ends the process.
class lmdb_environment {
 public:
  static result<lmdb_environment> open(lmdb_file file, lmdb_durability durability);

  result<lmdb_transaction> begin_read();
  result<lmdb_transaction> begin_write();
  status sync();

  /// Takes readers that ended without saying so out of the lock table, so that the pages that they could see are
  /// used again. LMDB does so itself only when the map is full.
  status clear_dead_readers();

  /// A commit failed in a way after which LMDB refuses to go on: close it and open it again.
  bool is_broken() const noexcept { return shared_->broken; }
  const lmdb_file& file() const noexcept { return shared_->file; }
  std::size_t page_size() const;
  int descriptor() const;

 private:
  struct closer {
    void operator()(MDB_env* environment) const noexcept;
  };
  struct shared {
    lmdb_file file;
    bool broken = false;
  };

  lmdb_environment(std::unique_ptr<shared> state, std::unique_ptr<MDB_env, closer> environment)
      : shared_(std::move(state)), environment_(std::move(environment)) {}

  std::unique_ptr<shared> shared_;
  std::unique_ptr<MDB_env, closer> environment_;
};

} // namespace weir::detail
