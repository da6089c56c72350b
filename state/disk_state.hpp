#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/hash.hpp>
#include <weir/base/ids.hpp>
#include <weir/state/lmdb.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/row_column.hpp>
#include <weir/state/row_entries.hpp>

namespace weir {

/// What of one key group goes into a snapshot.
struct group_extent {
  key_group group;
  std::uint64_t rows = 0;       ///< how many it has
  bool is_delta = false;        ///< what is in the log; otherwise all rows
  std::uint64_t log_begin = 0;  ///< from this position on
  bytes newer;                  ///< sections of what was not on disk
  std::shared_ptr<std::atomic<std::uint64_t>> whole_size; ///< set to that of the data when all rows have been read
};

/// What was on disk at one moment. Key groups are read from it when the store asks for them.
///
/// Thread safety: add() where the snapshot is made; then one thread at a time, any.
/// Errors:        reading a group again is one: what was in memory is let go with the first time.
class disk_view : public group_source {
 public:
  virtual void add(group_extent extent) = 0;
};

/// The keyed state of one operator instance on disk: rows and the entries of their lists and maps, in
/// an LMDB environment of its own.
///
/// It is working state, not a checkpoint: nothing is synced, and the file has no name, so that it goes
/// with the process whatever ends it. What the environment holds:
///
///     group u16, hash u64, ordinal u8                                row: text key, then each
///                                                                    column's head as text
///     group u16, hash u64, ordinal u8, column u16, place u64, u8     an entry of a list or map
///     group u16, position u64, in a database of its own                    a section of changes: the log
///
/// in big-endian keys. The bits of the hash are reversed: so rows lie in the order in which a keyed_table can go over a
/// few of its own. What has one hash has different ordinals, without gaps: of two rows the first is
/// left empty when it is erased, of two entries the last takes its place.
///
/// The log lets a snapshot hold what has been written to the rows of a group since an earlier one.
///
/// Thread safety: task thread only.
/// Errors:        open() returns them; everything else throws std::runtime_error.
class disk_state final : public row_entries {
 public:
  /// `groups`: how many key groups the job has.
  static result<std::unique_ptr<disk_state>> open(const std::filesystem::path& directory,
                                                  std::uint64_t map_size, std::uint32_t groups);
  ~disk_state() override;

  /// Whether the bytes of a key on disk mean the key at this address.
  using same_key = bool (*)(std::string_view stored, const void* key);

  /// What comes next is about the row of this key. Borrows both its bytes and, where keys that are equal
  /// may have different bytes, the key itself.
  void select(key_group group, std::uint64_t hash, std::string_view key, same_key is_same = nullptr,
              const void* object = nullptr);

  /// The heads of the selected row; nothing where there is no such row. Valid until the next write.
  std::optional<std::string_view> read();

  /// Writing happens in batches. What has been written is seen at once.
  void begin_write();
  bool is_writing() const noexcept { return writing_.has_value(); }
  void commit();
  void write(std::string_view heads);
  void erase(); ///< with all its entries
  void erase(key_group group); ///< all its rows

  /// How many rows a group has.
  std::uint64_t size(key_group group) const;

  /// How many bytes have been written so far, without the log and the keys of entries.
  std::uint64_t bytes_written() const noexcept { return bytes_written_; }

  /// Appends a section to the log of a group, and returns its position; between begin_write and commit.
  std::uint64_t log(key_group group, std::string_view section);

  /// A position in all logs: behind what is there, and different at every call.
  std::uint64_t next_log_position() noexcept { return ++log_position_; }

  /// Removes what is in the log of a group before a position; between begin_write and commit.
  void forget_log(key_group group, std::uint64_t before);

  /// Calls visit(hash, key, heads) for the rows of a group.
  using visit_row = std::function<void(std::uint64_t hash, std::string_view key, std::string_view heads)>;
  void for_each(key_group group, const visit_row& use);

  /// The same for the rows with one hash.
  void for_each(key_group group, std::uint64_t hash, const visit_row& use);

  /// A place among all rows, for walking over them a few at a time. Empty: the beginning.
  using position = std::string;

  /// Visits the next `count` rows and moves the position on; it becomes empty behind the last one.
  void walk(position& at, std::uint32_t count,
            const std::function<void(key_group group, std::uint64_t hash, std::string_view key,
                                     std::string_view heads)>& use);

  /// What is on disk now; without what has expired at `now`.
  std::shared_ptr<disk_view> view(const std::vector<row_column>& columns, std::int64_t now) const;

  bool find(std::uint32_t column, std::uint64_t place, const visit& is_it) override;
  void scan(std::uint32_t column, const visit& use) override;
  void put(std::uint32_t column, std::uint64_t place, std::string_view entry,
           const visit& is_it) override;
  void erase(std::uint32_t column, std::uint64_t place, const visit& is_it) override;
  void erase_all(std::uint32_t column) override;

  struct content;

 private:
  struct located;

  disk_state(std::shared_ptr<content> opened, std::uint32_t groups);

  detail::lmdb_transaction& transaction();
  bool locate();
  located locate_entry(std::uint32_t column, std::uint64_t place, const visit& is_it);
  void for_each_row(const std::string& prefix, const visit_row& use);
  void erase_range(std::string_view prefix);
  std::uint64_t& selected_size();

  std::shared_ptr<content> content_;
  std::optional<detail::lmdb_transaction> reading_;
  std::optional<detail::lmdb_transaction> writing_;
  std::vector<std::uint64_t> sizes_; // rows of each group
  std::uint64_t log_position_ = 0;
  std::uint64_t bytes_written_ = 0;

  std::string row_;         // of the selected key: group, hash, ordinal
  std::string_view key_;
  same_key is_same_ = nullptr;
  const void* object_ = nullptr;
  std::optional<bool> is_there_; // unknown until it is looked for
  std::string_view heads_;
};

} // namespace weir
