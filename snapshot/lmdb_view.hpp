#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/snapshot/lmdb_layout.hpp>

struct MDB_env;
struct MDB_txn;

namespace weir::detail {

/// An LMDB file as it was at the end of one transaction, while another process may go on writing.
///
/// LMDB's lock table says that somebody reads this state of the file, so that its pages are not used again. The
/// pages themselves are read with ordinary reads and looked at before they are trusted: damage is an
/// error, not a crash.
///
/// Ownership:     must end before its view. The fewer pages change meanwhile the better: keep it short.
/// Thread safety: one thread.
/// Errors:        corrupt (the message names the file and the page), io.
class lmdb_snapshot {
 public:
  /// One of the databases in the file.
  struct database {
    std::string name;
    lmdb_layout::database_record record;
  };

  lmdb_snapshot(lmdb_snapshot&&) noexcept = default;

  const lmdb_layout::meta_record& meta() const noexcept { return meta_; }

  /// None when there is no such database.
  result<std::optional<database>> find_database(const std::string& name) const;

  /// None when there is no such key. A large value is read in full.
  result<std::optional<std::string>> find(const database& in, std::string_view key) const;

  /// Calls use(key) for each key in ascending order.
  status for_each_key(const database& in, const std::function<void(std::string_view key)>& use) const;

 private:
  friend class lmdb_view;

  struct reader_end {
    void operator()(MDB_txn* transaction) const noexcept;
  };

  lmdb_snapshot(std::unique_ptr<MDB_txn, reader_end> reader, const lmdb_layout::page_file& file,
                const lmdb_layout::meta_record& meta)
      : reader_(std::move(reader)), file_(&file), meta_(meta) {}

  status check_page(std::uint64_t number, const std::string& user) const;
  status walk(const database& in, std::uint64_t number, std::size_t level, std::string& previous,
              const std::function<void(std::string_view)>& use) const;
  result<std::string> value_of(const lmdb_layout::node& entry, std::uint64_t page, const std::string& user) const;

  std::unique_ptr<MDB_txn, reader_end> reader_;
  const lmdb_layout::page_file* file_;
  lmdb_layout::meta_record meta_;
};

/// An LMDB file of another process, opened to be read.
///
/// LMDB's own rule: a process opens a file once. Needs leave to write to the lock file beside it, except on a file
/// system that nobody can write to.
///
/// Thread safety: one thread at a time.
class lmdb_view {
 public:
  static result<lmdb_view> open(const std::filesystem::path& path);

  /// The file as it is now.
  result<lmdb_snapshot> begin();

 private:
  struct closer {
    void operator()(MDB_env* environment) const noexcept;
  };

  explicit lmdb_view(std::filesystem::path path) : path_(std::move(path)) {}

  status open_environment();

  std::filesystem::path path_;
  std::unique_ptr<lmdb_layout::page_file> file_;
  std::unique_ptr<MDB_env, closer> environment_;
};

} // namespace weir::detail
