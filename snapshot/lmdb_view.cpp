#include <weir/snapshot/lmdb_view.hpp>

#include <algorithm>
#include <cerrno>
#include <lmdb.h>
#include <utility>

#include <weir/base/units.hpp>

namespace weir::detail {

using namespace lmdb_layout;

namespace {

// The writer may be in the middle of a meta page, or finish two transactions between two steps of ours.
constexpr int attempts = 1000;

error cannot_read(const std::filesystem::path& path, int code) {
  const std::string start = "cannot read " + path.string() + ": ";
  const std::string text = code > 0 ? errno_text(code) : std::string{mdb_strerror(code)};
  switch (code) {
  case EACCES:
  case EPERM:
    return {errc::io, start + text + "; a reader must be allowed to write to " + path.filename().string() +
                          "-lock beside it, so that the job knows of him: run this as the job's user, or read a copy "
                          "of the directory"};
  case ENOMEM:
    return {errc::capacity, start + "there is no room for its map; raise the limit on virtual memory (ulimit -v)"};
  case MDB_READERS_FULL:
    return {errc::capacity, start + "too many others read it; try again when some have ended"};
  case MDB_VERSION_MISMATCH:
    return {errc::in_use, start + "another program has it open with another version of LMDB"};
  case MDB_INVALID:
  case MDB_CORRUPTED: return {errc::corrupt, path.string() + " is damaged (" + text + ")"};
  default: return {errc::io, start + text};
  }
}

} // namespace

void lmdb_snapshot::reader_end::operator()(MDB_txn* transaction) const noexcept {
  mdb_txn_abort(transaction);
}

void lmdb_view::closer::operator()(MDB_env* environment) const noexcept {
  mdb_env_close(environment);
}

result<lmdb_view> lmdb_view::open(const std::filesystem::path& path) {
  lmdb_view view(path);
  auto file = page_file::open(path);
  if (!file)
    return std::move(file.failure());
  view.file_ = std::make_unique<page_file>(std::move(*file));
  if (const status opened = view.open_environment(); !opened)
    return opened.failure();
  return view;
}

// LMDB maps the file, but looks only at its meta pages, which are checked first.
status lmdb_view::open_environment() {
  environment_.reset();
  auto metas = file_->read_meta_pages();
  for (int left = attempts; !metas && left > 0; --left)
    metas = file_->read_meta_pages();
  if (!metas)
    return metas.failure();
  const meta_record& newest = (*metas)[(*metas)[1].transaction > (*metas)[0].transaction ? 1 : 0];
  if (const status checked = file_->check(newest); !checked)
    return checked;
  MDB_env* created = nullptr;
  if (const int code = mdb_env_create(&created))
    return cannot_read(path_, code);
  std::unique_ptr<MDB_env, closer> environment(created);
  if (const int code = mdb_env_open(created, path_.c_str(), MDB_RDONLY | MDB_NOSUBDIR | MDB_NOTLS, 0644))
    return cannot_read(path_, code);
  if (const int code = mdb_reader_check(created, nullptr))
    return cannot_read(path_, code);
  environment_ = std::move(environment);
  return {};
}

result<lmdb_snapshot> lmdb_view::begin() {
  for (int left = attempts; left > 0; --left) {
    MDB_txn* begun = nullptr;
    const int code = mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &begun);
    if (code == MDB_MAP_RESIZED) { // the file has grown beyond what is mapped
      if (const status opened = open_environment(); !opened)
        return opened.failure();
      continue;
    }
    if (code != MDB_SUCCESS)
      return cannot_read(path_, code);
    std::unique_ptr<MDB_txn, lmdb_snapshot::reader_end> reader(begun);
    const std::uint64_t transaction = mdb_txn_id(begun);
    const auto metas = file_->read_meta_pages();
    if (!metas || !file_->check_order(*metas))
      continue;
    const meta_record& meta = (*metas)[transaction & 1];
    if (meta.transaction != transaction)
      continue;
    if (const status checked = file_->check(meta); !checked)
      return checked.failure();
    return lmdb_snapshot(std::move(reader), *file_, meta);
  }
  return file_->damaged("its meta pages do not agree with each other");
}

status lmdb_snapshot::check_page(std::uint64_t number, const std::string& user) const {
  if (number < meta_pages || number > meta_.last_page)
    return file_->damaged(user + " refers to page " + std::to_string(number) + ", and the last page is " +
                          std::to_string(meta_.last_page));
  return {};
}

result<std::optional<lmdb_snapshot::database>> lmdb_snapshot::find_database(const std::string& name) const {
  const auto record = find({"the main database", meta_.main}, name);
  if (!record)
    return record.failure();
  if (!*record)
    return std::optional<database>{};
  if ((*record)->size() != sizeof(database_record))
    return file_->damaged("its database " + in_quotes(name) + " has a record of an impossible size");
  database found{"database " + in_quotes(name), read_as<database_record>((*record)->data())};
  if (found.record.flags != 0 || found.record.depth > maximum_depth ||
      (found.record.root == no_page) != (found.record.depth == 0))
    return file_->damaged("its " + found.name + " has an impossible record");
  return std::optional(std::move(found));
}

result<std::optional<std::string>> lmdb_snapshot::find(const database& in, std::string_view key) const {
  if (in.record.root == no_page)
    return std::optional<std::string>{};
  std::vector<char> buffer;
  std::uint64_t number = in.record.root;
  for (std::size_t level = 1; level <= maximum_depth; ++level) {
    if (const status checked = check_page(number, in.name); !checked)
      return checked.failure();
    const bool is_leaf = level == in.record.depth;
    const auto nodes = file_->read_page(number, is_leaf, is_leaf ? 1 : 2, in.name, buffer);
    if (!nodes)
      return nodes.failure();
    // The first entry of a branch has no key: all that is less than the second's is below it.
    const auto from = nodes->begin() + (is_leaf ? 0 : 1);
    const auto after = std::upper_bound(from, nodes->end(), key,
                                        [](std::string_view wanted, const node& one) { return wanted < one.key; });
    if (!is_leaf) {
      number = std::prev(after)->child();
      continue;
    }
    if (after == nodes->begin() || std::prev(after)->key != key)
      return std::optional<std::string>{};
    auto value = value_of(*std::prev(after), number, in.name);
    if (!value)
      return std::move(value.failure());
    return std::optional(std::move(*value));
  }
  return file_->damaged(in.name + " has no leaves");
}

result<std::string> lmdb_snapshot::value_of(const node& entry, std::uint64_t page, const std::string& user) const {
  const std::uint64_t size = entry.data_size();
  if ((entry.header.flags & big_data) == 0)
    return std::string(entry.data, size);
  const auto first = read_as<std::uint64_t>(entry.data);
  if (const status checked = check_page(first, user); !checked)
    return checked.failure();
  const auto count = file_->read_overflow(first, size, user);
  if (!count)
    return count.failure();
  if (*count > meta_.last_page + 1 - first)
    return file_->damaged_page(page, "of " + user + " has a value that goes beyond the last page");
  std::string value(size, '\0');
  if (const status done = file_->read(first * file_->page_size() + sizeof(page_header), size, value.data()); !done)
    return done.failure();
  return value;
}

status lmdb_snapshot::for_each_key(const database& in, const std::function<void(std::string_view)>& use) const {
  std::string previous;
  return in.record.root == no_page ? status{} : walk(in, in.record.root, 1, previous, use);
}

status lmdb_snapshot::walk(const database& in, std::uint64_t number, std::size_t level, std::string& previous,
                           const std::function<void(std::string_view)>& use) const {
  if (const status checked = check_page(number, in.name); !checked)
    return checked;
  const bool is_leaf = level == in.record.depth;
  if (level > maximum_depth)
    return file_->damaged(in.name + " has no leaves");
  std::vector<char> buffer;
  const auto nodes = file_->read_page(number, is_leaf, is_leaf ? 1 : 2, in.name, buffer);
  if (!nodes)
    return nodes.failure();
  for (const node& one : *nodes) {
    if (!is_leaf) {
      if (const status done = walk(in, one.child(), level + 1, previous, use); !done)
        return done;
      continue;
    }
    if (one.key <= previous) // none is empty
      return file_->damaged_page(number, "of " + in.name + " has keys out of order");
    previous = one.key;
    use(one.key);
  }
  return {};
}

} // namespace weir::detail
