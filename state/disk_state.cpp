#include <weir/state/disk_state.hpp>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

#include <weir/base/bytes.hpp>
#include <weir/state/bit_order.hpp>

namespace weir {

namespace {

using detail::lmdb_cursor;
using detail::lmdb_database;
using detail::lmdb_environment;
using detail::lmdb_file;
using detail::lmdb_transaction;

constexpr std::size_t row_key_size = 11;
constexpr std::uint32_t most_ordinals = 255;

template <class T>
T must(result<T> outcome) {
  if (!outcome)
    throw std::runtime_error(outcome.failure().message);
  return std::move(*outcome);
}
void must(const status& outcome) {
  if (!outcome)
    throw std::runtime_error(outcome.failure().message);
}

template <class Integer>
void append_big_endian(std::string& key, Integer value) {
  for (int shift = (sizeof(Integer) - 1) * 8; shift >= 0; shift -= 8)
    key.push_back(static_cast<char>(value >> shift));
}

std::uint64_t big_endian(std::string_view bytes_of_it) {
  std::uint64_t value = 0;
  for (const char c : bytes_of_it)
    value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string group_prefix(key_group group) {
  std::string key;
  append_big_endian(key, static_cast<std::uint16_t>(group.value));
  return key;
}

std::string log_key(key_group group, std::uint64_t position) {
  std::string key = group_prefix(group);
  append_big_endian(key, position);
  return key;
}

std::string column_prefix(std::string_view row, std::uint32_t column) {
  std::string key(row);
  append_big_endian(key, static_cast<std::uint16_t>(column));
  return key;
}

bool is_row(std::string_view key) {
  return key.size() == row_key_size;
}
key_group group_in(std::string_view key) {
  return key_group{static_cast<std::uint32_t>(big_endian(key.substr(0, 2)))};
}
std::uint64_t hash_in(std::string_view key) {
  return reversed_bits(big_endian(key.substr(2, 8)));
}

struct row_record {
  std::string_view key;
  std::string_view heads;
};

row_record parse_row(std::string_view value) {
  byte_reader in(value);
  const std::string_view key = in.read_text();
  return {key, in.read_view(in.remaining())};
}

/// What a snapshot has to know of a column to copy its cells without knowing their type.
struct column_layout {
  enum class shape : std::uint8_t { value, list, map };
  shape what;
  bool skips_expired; // of those that have a stamp
  expiry life;

  bool leaves_out(std::string_view stamped, std::int64_t now) const {
    return skips_expired && life.is_expired(byte_reader(stamped).read_raw<std::int64_t>(), now);
  }
};

} // namespace

struct disk_state::content {
  lmdb_environment environment;
  lmdb_database rows;
  lmdb_database log;
};

struct disk_state::located {
  std::string key;
  bool is_there = false;
};

/// Copies rows without knowing their types.
class rows_at_one_moment final : public disk_view {
 public:
  rows_at_one_moment(std::shared_ptr<disk_state::content> content, lmdb_transaction transaction,
                     std::vector<column_layout> columns, std::int64_t now)
      : content_(std::move(content)), transaction_(std::move(transaction)),
        columns_(std::move(columns)), now_(now) {}

  void add(group_extent extent) override { extents_.emplace(extent.group, std::move(extent)); }

  result<key_group_snapshot> read(key_group group) const override {
    try {
      const auto node = extents_.extract(group);
      if (node.empty())
        return error{errc::io, "key group " + std::to_string(group.value) +
                                   " was to be read from state on disk a second time: a snapshot is stored once"};
      group_extent& extent = node.mapped();
      key_group_snapshot made;
      made.group = group;
      made.entries = extent.rows;
      made.is_delta = extent.is_delta;
      made.data = extent.is_delta ? copy_log(extent) : copy_rows(group);
      made.data += extent.newer;
      if (!extent.is_delta)
        *extent.whole_size = made.data.size();
      return made;
    } catch (const std::exception& cause) {
      return error{errc::io, cause.what()};
    }
  }

 private:
  /// Where a cell's number of entries is written, once it is known.
  struct open_cell {
    std::size_t begin_at = 0; // of a list: the index of its first element, and the one after it again
    std::size_t count_at = 0;
    std::uint64_t count = 0;
  };

  bytes copy_log(const group_extent& extent) const {
    bytes sections;
    const std::string prefix = group_prefix(extent.group);
    lmdb_cursor cursor = must(transaction_.cursor(content_->log));
    for (bool more = must(cursor.seek(log_key(extent.group, extent.log_begin)));
         more && cursor.key().starts_with(prefix); more = must(cursor.next()))
      sections.append(cursor.value());
    return sections;
  }

  bytes copy_rows(key_group group) const {
    std::uint64_t rows = 0;
    byte_writer out;
    out.write_raw(rows);
    std::vector<byte_writer> cells(columns_.size());
    std::vector<open_cell> open(columns_.size());
    const auto finish_row = [&] {
      for (std::size_t i = 0; i < columns_.size(); ++i)
        if (columns_[i].what != column_layout::shape::value && rows != 0)
          cells[i].patch_raw(open[i].count_at, open[i].count);
    };
    const std::string prefix = group_prefix(group);
    lmdb_cursor cursor = must(transaction_.cursor(content_->rows));
    for (bool more = must(cursor.seek(prefix)); more && cursor.key().starts_with(prefix);
         more = must(cursor.next())) {
      if (is_row(cursor.key())) {
        if (cursor.value().empty())
          continue;
        finish_row();
        ++rows;
        const row_record row = parse_row(cursor.value());
        out.write(row.key.data(), row.key.size());
        byte_reader heads(row.heads);
        for (std::size_t i = 0; i < columns_.size(); ++i)
          begin_cell(i, heads.read_text(), cells[i], open[i]);
      } else {
        const auto i = static_cast<std::size_t>(big_endian(cursor.key().substr(row_key_size, 2)));
        add_entry(i, cursor.key(), cursor.value(), cells[i], open[i]);
      }
    }
    finish_row();
    for (const byte_writer& column : cells)
      out.write_text(column.view());
    out.patch_raw(0, rows);
    return std::move(out).take();
  }

  void begin_cell(std::size_t i, std::string_view head, byte_writer& cell, open_cell& open) const {
    switch (columns_[i].what) {
    case column_layout::shape::value:
      if (head.size() > 1 && columns_[i].leaves_out(head.substr(1), now_))
        cell.write_raw(std::uint8_t{0});
      else
        cell.write(head.data(), head.size());
      return;
    case column_layout::shape::list: {
      const auto first = byte_reader(head).read_raw<std::uint64_t>();
      open.begin_at = cell.size();
      cell.write_raw(first);
      cell.write_raw(first);
      break;
    }
    case column_layout::shape::map:
      cell.write_raw(std::uint8_t{1});
      cell.write_raw(std::uint64_t{0});
      break;
    }
    open.count_at = cell.size();
    open.count = 0;
    cell.write_raw(open.count);
  }

  void add_entry(std::size_t i, std::string_view key, std::string_view entry, byte_writer& cell,
                 open_cell& open) const {
    if (columns_[i].leaves_out(entry, now_)) {
      if (columns_[i].what == column_layout::shape::map)
        return;
      // The elements of a list are without gaps: only what is before all others can be left out.
      if (open.count == 0) {
        const std::uint64_t next = big_endian(key.substr(row_key_size + 2, 8)) + 1;
        cell.patch_raw(open.begin_at, next);
        cell.patch_raw(open.begin_at + sizeof next, next);
        return;
      }
    }
    cell.write(entry.data(), entry.size());
    ++open.count;
  }

  std::shared_ptr<disk_state::content> content_;
  mutable lmdb_transaction transaction_; // one thread at a time reads
  std::vector<column_layout> columns_;
  std::int64_t now_;
  mutable std::map<key_group, group_extent> extents_; // of the groups that have not been read
};

disk_state::disk_state(std::shared_ptr<content> opened, std::uint32_t groups)
    : content_(std::move(opened)), sizes_(groups) {}
disk_state::~disk_state() = default;

result<std::unique_ptr<disk_state>> disk_state::open(const std::filesystem::path& directory,
                                                     std::uint64_t map_size, std::uint32_t groups) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  std::string name = (directory / "rows-XXXXXX").string();
  const int made = problem ? -1 : ::mkstemp(name.data());
  if (made < 0)
    return error{errc::io, "cannot make a file for working state in " + directory.string() + ": " +
                               (problem ? problem.message() : errno_text(errno)) +
                               "; set state.directory to a directory that the job may write to"};
  ::close(made);
  lmdb_file file{name, map_size, "state.map-size"};
  auto environment = lmdb_environment::open(file, detail::lmdb_durability::relaxed);
  ::unlink(name.c_str());
  ::unlink((name + "-lock").c_str());
  if (!environment)
    return environment.failure();
  auto transaction = environment->begin_write();
  if (!transaction)
    return transaction.failure();
  const auto rows = transaction->create_database("rows");
  if (!rows)
    return rows.failure();
  const auto log = transaction->create_database("log");
  if (!log)
    return log.failure();
  if (const status done = transaction->commit(); !done)
    return done.failure();
  return std::unique_ptr<disk_state>(
      new disk_state(std::make_shared<content>(content{std::move(*environment), *rows, *log}), groups));
}

lmdb_transaction& disk_state::transaction() {
  if (writing_)
    return *writing_;
  if (!reading_)
    reading_.emplace(must(content_->environment.begin_read()));
  return *reading_;
}

void disk_state::select(key_group group, std::uint64_t hash, std::string_view key, same_key is_same,
                        const void* object) {
  row_.clear();
  append_big_endian(row_, static_cast<std::uint16_t>(group.value));
  append_big_endian(row_, reversed_bits(hash));
  row_.push_back(0);
  key_ = key;
  is_same_ = is_same;
  object_ = object;
  is_there_.reset();
}

// Leaves row_ at the selected key's row, or at the first free ordinal.
bool disk_state::locate() {
  if (is_there_)
    return *is_there_;
  std::optional<char> free;
  for (std::uint32_t ordinal = 0; ordinal < most_ordinals; ++ordinal) {
    row_.back() = static_cast<char>(ordinal);
    const auto value = must(transaction().read(content_->rows, row_));
    if (!value || (value->empty() && !free))
      free = free.value_or(row_.back());
    if (!value)
      break;
    if (value->empty())
      continue;
    const row_record row = parse_row(*value);
    if (is_same_ ? !is_same_(row.key, object_) : row.key != key_)
      continue;
    heads_ = row.heads;
    is_there_ = true;
    return true;
  }
  if (!free)
    throw std::runtime_error("more than 255 keys have the same hash: specialize std::hash for the key "
                             "type with one that tells them apart");
  row_.back() = *free;
  is_there_ = false;
  return false;
}

std::optional<std::string_view> disk_state::read() {
  return locate() ? std::optional(heads_) : std::nullopt;
}

void disk_state::begin_write() {
  reading_.reset();
  writing_.emplace(must(content_->environment.begin_write()));
}

void disk_state::commit() {
  lmdb_transaction done = std::move(*writing_);
  writing_.reset();
  is_there_.reset();
  must(done.commit());
}

std::uint64_t& disk_state::selected_size() {
  return sizes_[group_in(row_).value];
}

std::uint64_t disk_state::size(key_group group) const {
  return sizes_[group.value];
}

void disk_state::write(std::string_view heads) {
  if (!locate())
    ++selected_size();
  byte_writer value;
  value.write_text(key_);
  value.write(heads.data(), heads.size());
  must(writing_->write(content_->rows, row_, value.view()));
  bytes_written_ += value.size();
  is_there_.reset();
}

void disk_state::erase() {
  if (!locate())
    return;
  std::string next = row_;
  next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
  const bool is_last = !must(writing_->read(content_->rows, next));
  erase_range(row_);
  --selected_size();
  if (!is_last)
    must(writing_->write(content_->rows, row_, {}));
  is_there_.reset();
}

void disk_state::erase(key_group group) {
  erase_range(group_prefix(group));
  sizes_[group.value] = 0;
  is_there_.reset();
}

std::uint64_t disk_state::log(key_group group, std::string_view section) {
  must(writing_->write(content_->log, log_key(group, log_position_), section));
  return log_position_++;
}

void disk_state::forget_log(key_group group, std::uint64_t before) {
  const std::string prefix = group_prefix(group);
  lmdb_cursor cursor = must(writing_->cursor(content_->log));
  while (must(cursor.seek(prefix)) && cursor.key().starts_with(prefix) &&
         big_endian(cursor.key().substr(prefix.size())) < before)
    must(cursor.erase());
}

void disk_state::erase_range(std::string_view prefix) {
  lmdb_cursor cursor = must(writing_->cursor(content_->rows));
  for (bool more = must(cursor.seek(prefix)); more && cursor.key().starts_with(prefix);
       more = must(cursor.seek(prefix)))
    must(cursor.erase());
}

void disk_state::for_each(key_group group, const visit_row& use) {
  for_each_row(group_prefix(group), use);
}

void disk_state::for_each(key_group group, std::uint64_t hash, const visit_row& use) {
  std::string prefix = group_prefix(group);
  append_big_endian(prefix, reversed_bits(hash));
  for_each_row(prefix, use);
}

void disk_state::for_each_row(const std::string& prefix, const visit_row& use) {
  lmdb_cursor cursor = must(transaction().cursor(content_->rows));
  for (bool more = must(cursor.seek(prefix)); more && cursor.key().starts_with(prefix);
       more = must(cursor.next())) {
    if (!is_row(cursor.key()) || cursor.value().empty())
      continue;
    const row_record row = parse_row(cursor.value());
    use(hash_in(cursor.key()), row.key, row.heads);
  }
}

void disk_state::walk(position& at, std::uint32_t count,
                      const std::function<void(key_group, std::uint64_t, std::string_view,
                                               std::string_view)>& use) {
  lmdb_cursor cursor = must(transaction().cursor(content_->rows));
  bool more = at.empty() ? must(cursor.first()) : must(cursor.seek(at));
  for (; more && count != 0; more = must(cursor.next())) {
    if (!is_row(cursor.key()) || cursor.value().empty())
      continue;
    --count;
    const row_record row = parse_row(cursor.value());
    use(group_in(cursor.key()), hash_in(cursor.key()), row.key, row.heads);
  }
  at = more ? std::string(cursor.key()) : std::string{};
}

std::shared_ptr<disk_view> disk_state::view(const std::vector<row_column>& columns, std::int64_t now) const {
  using shape = column_layout::shape;
  std::vector<column_layout> layout;
  for (const row_column& column : columns)
    layout.push_back({!column.has_entries             ? shape::value
                      : column.schema.kind == "list" ? shape::list
                                                      : shape::map,
                      column.life.is_set() && column.life.how().clean_in_snapshots, column.life});
  return std::make_shared<rows_at_one_moment>(content_, must(content_->environment.begin_read()), std::move(layout),
                                              now);
}

disk_state::located disk_state::locate_entry(std::uint32_t column, std::uint64_t place,
                                             const visit& is_it) {
  locate();
  located entry{column_prefix(row_, column)};
  append_big_endian(entry.key, place);
  entry.key.push_back(0);
  for (std::uint32_t ordinal = 0; ordinal < most_ordinals; ++ordinal) {
    entry.key.back() = static_cast<char>(ordinal);
    const auto value = must(transaction().read(content_->rows, entry.key));
    if (!value)
      return entry;
    if (is_it(*value)) {
      entry.is_there = true;
      return entry;
    }
  }
  throw std::runtime_error("more than 255 keys of a map state have the same hash: specialize std::hash "
                           "for the key type with one that tells them apart");
}

bool disk_state::find(std::uint32_t column, std::uint64_t place, const visit& is_it) {
  return locate() && locate_entry(column, place, is_it).is_there;
}

void disk_state::scan(std::uint32_t column, const visit& use) {
  if (!locate())
    return;
  const std::string prefix = column_prefix(row_, column);
  lmdb_cursor cursor = must(transaction().cursor(content_->rows));
  for (bool more = must(cursor.seek(prefix)); more && cursor.key().starts_with(prefix);
       more = must(cursor.next()))
    if (!use(cursor.value()))
      return;
}

void disk_state::put(std::uint32_t column, std::uint64_t place, std::string_view entry,
                     const visit& is_it) {
  const located at = locate_entry(column, place, is_it);
  must(writing_->write(content_->rows, at.key, entry));
  bytes_written_ += entry.size();
}

void disk_state::erase(std::uint32_t column, std::uint64_t place, const visit& is_it) {
  const located at = locate_entry(column, place, is_it);
  if (!at.is_there)
    return;
  // The last entry at the place moves up.
  std::string last = at.key;
  std::optional<std::string> moved;
  for (std::string next = last;; last = next) {
    next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
    const auto value = must(writing_->read(content_->rows, next));
    if (!value)
      break;
    moved = std::string(*value);
  }
  if (moved)
    must(writing_->write(content_->rows, at.key, *moved));
  must(writing_->erase(content_->rows, last));
}

void disk_state::erase_all(std::uint32_t column) {
  if (locate())
    erase_range(column_prefix(row_, column));
}

} // namespace weir
