#include <weir/snapshot/lmdb_check.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace weir::detail {

namespace {

static_assert(std::endian::native == std::endian::little && sizeof(void*) == 8,
              "the layout below is LMDB's on 64-bit little-endian machines");

constexpr std::uint64_t no_page = ~std::uint64_t{0};
constexpr std::size_t meta_pages = 2;
constexpr std::size_t maximum_depth = 32;
constexpr std::size_t maximum_key = 511;

enum page_flag : std::uint16_t { branch_page = 1, leaf_page = 2, overflow_page = 4, meta_page = 8 };
enum node_flag : std::uint16_t { big_data = 1, sub_database = 2 };
enum database_flag : std::uint16_t { integer_key = 0x08, no_subdirectory = 0x4000 };

struct page_header {
  std::uint64_t number;
  std::uint16_t pad;
  std::uint16_t flags;
  std::uint16_t lower; // on an overflow page lower and upper are one number: its count of pages
  std::uint16_t upper;
};
static_assert(sizeof(page_header) == 16);

struct database_record {
  std::uint32_t page_size; // in the first record of a meta page only
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branch_pages, leaf_pages, overflow_pages, entries;
  std::uint64_t root;
};
static_assert(sizeof(database_record) == 48);

struct meta_record {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_size;
  database_record free_list;
  database_record main;
  std::uint64_t last_page;
  std::uint64_t transaction;
};
static_assert(sizeof(meta_record) == 136);

struct node_header {
  std::uint16_t low, high, flags, key_size;
};
static_assert(sizeof(node_header) == 8);

struct node {
  std::size_t offset;
  node_header header;
  std::string_view key;
  const char* data;

  std::uint64_t data_size() const { return header.low | std::uint64_t{header.high} << 16; }
  std::uint64_t child() const { return data_size() | std::uint64_t{header.flags} << 32; }
};

template <class T>
T read_as(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

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
  explicit checker(const std::filesystem::path& file) : file_(file) {}
  ~checker() {
    if (descriptor_ >= 0)
      ::close(descriptor_);
  }
  checker(const checker&) = delete;
  checker& operator=(const checker&) = delete;

  result<lmdb_page_counts> run() {
    if (!open() || !read_meta_pages())
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
  bool damaged(const std::string& problem) {
    failure_ = error{errc::corrupt, file_.string() + " is damaged: " + problem};
    return false;
  }
  bool damaged_page(std::uint64_t number, const std::string& problem) {
    return damaged("page " + std::to_string(number) + " " + problem);
  }

  bool open() {
    descriptor_ = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
      failure_ = error{errc::io, "cannot open " + file_.string() + ": " + errno_text(errno)};
      return false;
    }
    if (!S_ISREG(status.st_mode)) {
      failure_ = error{errc::corrupt, file_.string() + " is not a regular file"};
      return false;
    }
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    if (file_size_ == 0)
      return damaged("it is empty");
    return true;
  }

  bool read(std::uint64_t offset, std::size_t size, char* out) {
    while (size > 0) {
      const ssize_t count = ::pread(descriptor_, out, size, static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0) {
        failure_ = error{errc::io, "cannot read " + file_.string() + " at byte " +
                                       std::to_string(offset) + ": " + errno_text(errno)};
        return false;
      }
      if (count == 0)
        return damaged("it ends at byte " + std::to_string(offset) + ", in the middle of a page");
      offset += static_cast<std::uint64_t>(count);
      out += count;
      size -= static_cast<std::size_t>(count);
    }
    return true;
  }

  bool read_meta_page(std::uint64_t number, std::uint64_t offset, meta_record& out) {
    char buffer[sizeof(page_header) + sizeof(meta_record)];
    if (!read(offset, sizeof buffer, buffer))
      return false;
    const auto header = read_as<page_header>(buffer);
    out = read_as<meta_record>(buffer + sizeof(page_header));
    if (out.magic != 0xBEEFC0DE)
      return damaged_page(number, "has not the magic number of an LMDB file (or the file never was "
                                  "one)");
    if (header.flags != meta_page)
      return damaged_page(number, "is not marked as a meta page");
    return true;
  }

  bool read_meta_pages() {
    meta_record metas[meta_pages];
    if (!read_meta_page(0, 0, metas[0]))
      return false;
    page_size_ = metas[0].free_list.page_size;
    if (!std::has_single_bit(page_size_) || page_size_ < 512 || page_size_ > 32768)
      return damaged("its page size is said to be " + std::to_string(page_size_));
    if (!read_meta_page(1, page_size_, metas[1]))
      return false;
    if (metas[0].version != 1 && metas[0].version == metas[1].version) {
      failure_ = error{errc::wrong_version, file_.string() + " has LMDB's data format " +
                                                std::to_string(metas[0].version) +
                                                "; this program reads format 1"};
      return false;
    }
    if (metas[0].version != 1 || metas[1].version != 1)
      return damaged("its meta pages disagree on the data format");
    if (metas[1].free_list.page_size != page_size_)
      return damaged("its meta pages disagree on the page size");

    // Each transaction writes the meta page of its parity: the two numbers are neighbours.
    const std::size_t newest = metas[1].transaction > metas[0].transaction ? 1 : 0;
    meta_ = metas[newest];
    const std::uint64_t other = metas[1 - newest].transaction;
    const bool fresh = meta_.transaction == 0 && other == 0;
    if (!fresh && (meta_.transaction != other + 1 || (meta_.transaction & 1) != newest))
      return damaged("its meta pages are of transactions " + std::to_string(metas[0].transaction) +
                     " and " + std::to_string(metas[1].transaction) +
                     ", which do not follow each other");
    if ((meta_.free_list.flags & ~no_subdirectory) != integer_key)
      return damaged("its meta page has unknown flags");
    pages_in_file_ = file_size_ / page_size_;
    if (pages_in_file_ < meta_pages)
      return damaged("it ends within its meta pages");
    if (meta_.last_page == no_page || meta_.last_page + 1 < meta_pages)
      return damaged("its last page is said to be " + std::to_string(meta_.last_page));
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
    std::vector<char>& page = buffers_[level];
    page.resize(page_size_);
    if (!read(number * page_size_, page_size_, page.data()))
      return false;
    const bool is_leaf = level == database.record.depth;
    std::vector<node> nodes;
    if (!read_nodes(page, number, is_leaf, database, nodes))
      return false;
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

  bool read_nodes(const std::vector<char>& page, std::uint64_t number, bool is_leaf,
                  const tree& database, std::vector<node>& out) {
    const auto header = read_as<page_header>(page.data());
    if (header.number != number)
      return damaged_page(number, "says it is page " + std::to_string(header.number));
    if (header.flags != (is_leaf ? leaf_page : branch_page))
      return damaged_page(number, "of " + database.name + " is not a " +
                                      (is_leaf ? "leaf" : "branch") + " page");
    if (header.lower < sizeof header || header.lower % 2 != 0 || header.lower > header.upper ||
        header.upper > page_size_)
      return damaged_page(number, "has impossible bounds");
    const std::size_t count = (header.lower - sizeof header) / 2;
    const std::size_t least = is_leaf || database.is_free_list ? 1 : 2;
    if (count < least)
      return damaged_page(number, "has too few entries");

    std::vector<std::pair<std::size_t, std::size_t>> extents;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t offset = read_as<std::uint16_t>(page.data() + sizeof header + 2 * i);
      if (offset % 2 != 0 || offset < header.upper || offset + sizeof(node_header) > page_size_)
        return damaged_page(number, "has an entry outside of itself");
      node entry{offset, read_as<node_header>(page.data() + offset), {}, nullptr};
      std::uint64_t size = sizeof(node_header) + entry.header.key_size;
      if (is_leaf)
        size += entry.header.flags & big_data ? sizeof(std::uint64_t) : entry.data_size();
      if (offset + size > page_size_)
        return damaged_page(number, "has an entry that goes beyond its end");
      if (entry.header.key_size > maximum_key)
        return damaged_page(number, "has a key that is too long");
      entry.key = {page.data() + offset + sizeof(node_header), entry.header.key_size};
      entry.data = entry.key.data() + entry.key.size();
      extents.emplace_back(offset, offset + size + size % 2);
      out.push_back(entry);
    }
    std::sort(extents.begin(), extents.end());
    std::size_t expected = header.upper;
    for (const auto& [from, to] : extents) {
      if (from != expected)
        return damaged_page(number, "has entries that overlap or leave gaps");
      expected = to;
    }
    if (expected != page_size_)
      return damaged_page(number, "is not filled to its end");
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
    const std::uint64_t pages = (sizeof(page_header) - 1 + size) / page_size_ + 1;
    if (!check_overflow(database, first, pages))
      return false;
    if (!database.is_free_list)
      return true;
    std::vector<char> body(size);
    return read(first * page_size_ + sizeof(page_header), size, body.data()) &&
           check_free_pages(body.data(), size, number);
  }

  bool check_overflow(const tree& database, std::uint64_t first, std::uint64_t least) {
    if (first < meta_pages || first >= pages_in_file_)
      return mark(first, least, database.name) && damaged_page(first, "is not in the file");
    char buffer[sizeof(page_header)];
    if (!read(first * page_size_, sizeof buffer, buffer))
      return false;
    const auto header = read_as<page_header>(buffer);
    const std::uint64_t count = header.lower | std::uint64_t{header.upper} << 16;
    if (header.number != first)
      return damaged_page(first, "says it is page " + std::to_string(header.number));
    if (header.flags != overflow_page)
      return damaged_page(first, "of " + database.name + " is not an overflow page");
    if (count < least)
      return damaged_page(first, "of " + database.name + " has a value longer than its " +
                                     std::to_string(count) + " pages");
    return mark(first, count, database.name);
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

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::uint64_t file_size_ = 0;
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

result<lmdb_page_counts> check_lmdb_file(const std::filesystem::path& file) {
  return checker{file}.run();
}

} // namespace weir::detail
