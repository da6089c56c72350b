#include <weir/snapshot/lmdb_check.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/snapshot/lmdb_layout.hpp>

namespace weir::detail {

namespace {

using namespace lmdb_layout;

struct tree {
  std::string name;
  database_record record;
  bool is_free_list = false;
  std::string previous{}; // the key before, in the order of a walk
  bool has_previous = false;
  bool previous_separates = false; // it is a branch's key: the next leaf's first may equal it
};

class checker {
 public:
  explicit checker(page_file file) : file_(std::move(file)) {}

  result<lmdb_page_counts> run(const meta_record* of_reader) {
    if (!read_meta_pages(of_reader))
      return *failure_;
    tree free_list{"the list of free pages", meta_.free_list, true};
    tree main{"the main database", meta_.main};
    if (!walk(free_list) || !walk(main))
      return *failure_;
    for (tree& database : sub_databases_)
      if (!walk(database))
        return *failure_;
    if (!check_tail())
      return *failure_;
    return lmdb_page_counts{meta_.last_page + 1, used_, free_};
  }

 private:
  bool fail(error problem) {
    failure_ = std::move(problem);
    return false;
  }
  bool damaged(const std::string& problem) { return fail(file_.damaged(problem)); }
  bool damaged_page(std::uint64_t number, const std::string& problem) {
    return fail(file_.damaged_page(number, problem));
  }

  bool read_meta_pages(const meta_record* of_reader) {
    const auto metas = file_.read_meta_pages();
    if (!metas)
      return fail(metas.failure());
    page_size_ = file_.page_size();
    if (of_reader) {
      meta_ = *of_reader;
    } else {
      if (const status ordered = file_.check_order(*metas); !ordered)
        return fail(ordered.failure());
      meta_ = (*metas)[(*metas)[1].transaction > (*metas)[0].transaction ? 1 : 0];
    }
    if (const status checked = file_.check(meta_); !checked)
      return fail(checked.failure());
    pages_in_file_ = file_.size() / page_size_;
    marked_.assign(std::min(pages_in_file_, meta_.last_page + 1), false);
    buffers_.resize(maximum_depth + 1);
    used_ = meta_pages;
    return true;
  }

  bool mark(std::uint64_t first, std::uint64_t count, const std::string& user) {
    if (first < meta_pages || first > meta_.last_page || count > meta_.last_page + 1 - first)
      return damaged(user + " refers to page " + std::to_string(first) + ", and the last page is " +
                     std::to_string(meta_.last_page));
    if (first + count > pages_in_file_)
      return damaged("it was cut short: " + user + " uses page " +
                     std::to_string(first + count - 1) + ", and the file has " +
                     std::to_string(pages_in_file_) + " pages of " + std::to_string(page_size_) +
                     " bytes");
    for (std::uint64_t number = first; number < first + count; ++number) {
      if (marked_[number])
        return damaged_page(number,
                            "is used by " + user + ", and is in use already or listed as free");
      marked_[number] = true;
    }
    used_ += count;
    return true;
  }

  bool walk(tree& database) {
    const database_record& record = database.record;
    if (!database.is_free_list && record.flags != 0)
      return damaged(database.name + " has flags that a checkpoint file does not have");
    if (record.root == no_page)
      return record.depth == 0 || damaged(database.name + " has no root, but a depth");
    if (record.depth == 0 || record.depth > maximum_depth)
      return damaged(database.name + " is said to be " + std::to_string(record.depth) + " deep");
    return walk_page(database, record.root, 1);
  }

  bool walk_page(tree& database, std::uint64_t number, std::size_t level) {
    if (!mark(number, 1, database.name))
      return false;
    const bool is_leaf = level == database.record.depth;
    const std::size_t least = is_leaf || database.is_free_list ? 1 : 2;
    const auto read = file_.read_page(number, is_leaf, least, database.name, buffers_[level]);
    if (!read)
      return fail(read.failure());
    const std::vector<node>& nodes = *read;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const bool has_key = is_leaf || i > 0;
      if (has_key && !check_order(database, nodes[i].key, !is_leaf, number))
        return false;
      if (is_leaf ? !check_value(database, nodes[i], number)
                  : !walk_page(database, nodes[i].child(), level + 1))
        return false;
    }
    return true;
  }

  bool check_order(tree& database, std::string_view key, bool separates, std::uint64_t number) {
    if (key.empty() || (database.is_free_list && key.size() != sizeof(std::uint64_t)))
      return damaged_page(number, "of " + database.name + " has a key of " +
                                      std::to_string(key.size()) + " bytes");
    if (database.has_previous) {
      int order = 0;
      if (database.is_free_list) {
        const auto a = read_as<std::uint64_t>(database.previous.data());
        const auto b = read_as<std::uint64_t>(key.data());
        order = a < b ? -1 : a > b;
      } else {
        order = std::string_view{database.previous}.compare(key);
      }
      if (order > 0 || (order == 0 && (separates || !database.previous_separates)))
        return damaged_page(number, "of " + database.name + " has keys out of order");
    }
    database.previous = key;
    database.has_previous = true;
    database.previous_separates = separates;
    return true;
  }

  bool check_value(const tree& database, const node& entry, std::uint64_t number) {
    const std::uint64_t size = entry.data_size();
    if (entry.header.flags == sub_database && database.name == "the main database") {
      if (size != sizeof(database_record))
        return damaged_page(number, "has a database of an impossible size");
      sub_databases_.push_back(
          {"database \"" + std::string{entry.key} + "\"", read_as<database_record>(entry.data)});
      return true;
    }
    if ((entry.header.flags & ~big_data) != 0)
      return damaged_page(number, "has an entry of an unknown kind");
    if (entry.header.flags == 0)
      return !database.is_free_list || check_free_pages(entry.data, size, number);
    const auto first = read_as<std::uint64_t>(entry.data);
    if (!check_overflow(database, first, size))
      return false;
    if (!database.is_free_list)
      return true;
    std::vector<char> body(size);
    if (const status done = file_.read(first * page_size_ + sizeof(page_header), size, body.data()); !done)
      return fail(done.failure());
    return check_free_pages(body.data(), size, number);
  }

  bool check_overflow(const tree& database, std::uint64_t first, std::uint64_t value_size) {
    if (first < meta_pages || first >= pages_in_file_)
      return mark(first, 1, database.name) && damaged_page(first, "is not in the file");
    const auto count = file_.read_overflow(first, value_size, database.name);
    if (!count)
      return fail(count.failure());
    return mark(first, *count, database.name);
  }

  bool check_free_pages(const char* data, std::uint64_t size, std::uint64_t number) {
    const std::uint64_t room = size / sizeof(std::uint64_t);
    const std::uint64_t count = room == 0 ? 0 : read_as<std::uint64_t>(data);
    if (room == 0 || count > room - 1)
      return damaged_page(number, "has a list of free pages with an impossible length");
    std::uint64_t before = no_page;
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto page = read_as<std::uint64_t>(data + i * sizeof(std::uint64_t));
      if (page < meta_pages || page > meta_.last_page || page >= before)
        return damaged_page(number, "lists free page " + std::to_string(page) +
                                        ", which is impossible at that place");
      before = page;
      ++free_;
      if (page >= pages_in_file_)
        free_beyond_file_.push_back(page);
      else if (marked_[page])
        return damaged_page(page, "is listed as free, and is in use or listed twice");
      else
        marked_[page] = true;
    }
    return true;
  }

  // Pages that were taken and given back in one transaction are never written: a file may end
  // before its last page, if all that is missing is free.
  bool check_tail() {
    std::sort(free_beyond_file_.begin(), free_beyond_file_.end());
    if (std::adjacent_find(free_beyond_file_.begin(), free_beyond_file_.end()) !=
        free_beyond_file_.end())
      return damaged("a page is listed as free twice");
    if (meta_.last_page >= pages_in_file_ &&
        meta_.last_page + 1 - pages_in_file_ != free_beyond_file_.size())
      return damaged("it was cut short: its last page is " + std::to_string(meta_.last_page) +
                     ", and it has " + std::to_string(pages_in_file_) + " pages of " +
                     std::to_string(page_size_) + " bytes");
    return true;
  }

  page_file file_;
  std::uint64_t pages_in_file_ = 0;
  std::size_t page_size_ = 0;
  meta_record meta_{};
  std::vector<bool> marked_;
  std::vector<std::uint64_t> free_beyond_file_;
  std::vector<std::vector<char>> buffers_;
  std::vector<tree> sub_databases_;
  std::uint64_t used_ = 0;
  std::uint64_t free_ = 0;
  std::optional<error> failure_;
};

} // namespace

result<lmdb_page_counts> check_lmdb_file(const std::filesystem::path& file,
                                         const lmdb_layout::meta_record* of_reader) {
  auto opened = page_file::open(file);
  if (!opened)
    return std::move(opened.failure());
  return checker{std::move(*opened)}.run(of_reader);
}

} // namespace weir::detail
