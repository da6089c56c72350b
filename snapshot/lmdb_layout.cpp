#include <weir/snapshot/lmdb_layout.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace weir::detail::lmdb_layout {

result<page_file> page_file::open(const std::filesystem::path& path) {
  file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file.is_open() || ::fstat(file.number(), &about) != 0)
    return error{errc::io, "cannot open " + path.string() + ": " + errno_text(errno)};
  if (!S_ISREG(about.st_mode))
    return error{errc::corrupt, path.string() + " is not a regular file"};
  page_file opened(path, std::move(file), static_cast<std::uint64_t>(about.st_size));
  if (opened.size_ == 0)
    return opened.damaged("it is empty");
  return opened;
}

error page_file::damaged(const std::string& problem) const {
  return {errc::corrupt, path_.string() + " is damaged: " + problem};
}

error page_file::damaged_page(std::uint64_t number, const std::string& problem) const {
  return damaged("page " + std::to_string(number) + " " + problem);
}

status page_file::read(std::uint64_t offset, std::size_t size, char* out) const {
  while (size > 0) {
    const ssize_t count = ::pread(file_.number(), out, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return error{errc::io, "cannot read " + path_.string() + " at byte " + std::to_string(offset) + ": " +
                                 errno_text(errno)};
    if (count == 0)
      return damaged("it ends at byte " + std::to_string(offset) + ", in the middle of a page");
    offset += static_cast<std::uint64_t>(count);
    out += count;
    size -= static_cast<std::size_t>(count);
  }
  return {};
}

result<meta_record> page_file::read_meta_page(std::uint64_t number, std::uint64_t offset) const {
  char buffer[sizeof(page_header) + sizeof(meta_record)];
  if (const status done = read(offset, sizeof buffer, buffer); !done)
    return done.failure();
  const auto header = read_as<page_header>(buffer);
  const auto meta = read_as<meta_record>(buffer + sizeof(page_header));
  if (meta.magic != 0xBEEFC0DE)
    return damaged_page(number, "has not the magic number of an LMDB file (or the file never was one)");
  if (header.flags != meta_page)
    return damaged_page(number, "is not marked as a meta page");
  return meta;
}

result<std::array<meta_record, meta_pages>> page_file::read_meta_pages() {
  const auto first = read_meta_page(0, 0);
  if (!first)
    return first.failure();
  page_size_ = first->free_list.page_size;
  if (!std::has_single_bit(page_size_) || page_size_ < 512 || page_size_ > 32768)
    return damaged("its page size is said to be " + std::to_string(page_size_));
  const auto second = read_meta_page(1, page_size_);
  if (!second)
    return second.failure();
  if (first->version != 1 && first->version == second->version)
    return error{errc::wrong_version, path_.string() + " has LMDB's data format " + std::to_string(first->version) +
                                          "; this program reads format 1"};
  if (first->version != 1 || second->version != 1)
    return damaged("its meta pages disagree on the data format");
  if (second->free_list.page_size != page_size_)
    return damaged("its meta pages disagree on the page size");
  return std::array{*first, *second};
}

status page_file::check(const meta_record& meta) const {
  if ((meta.free_list.flags & ~no_subdirectory) != integer_key)
    return damaged("its meta page has unknown flags");
  if (size_ / page_size_ < meta_pages)
    return damaged("it ends within its meta pages");
  if (meta.last_page == no_page || meta.last_page + 1 < meta_pages)
    return damaged("its last page is said to be " + std::to_string(meta.last_page));
  return {};
}

status page_file::check_order(const std::array<meta_record, meta_pages>& metas) const {
  const std::uint64_t first = metas[0].transaction, second = metas[1].transaction;
  const bool is_fresh = first == 0 && second == 0;
  const std::uint64_t newest = std::max(first, second);
  if (is_fresh || (newest == std::min(first, second) + 1 && metas[newest & 1].transaction == newest))
    return {};
  return damaged("its meta pages are of transactions " + std::to_string(first) + " and " + std::to_string(second) +
                 ", which do not follow each other");
}

result<std::vector<node>> page_file::read_page(std::uint64_t number, bool is_leaf, std::size_t least,
                                               const std::string& user, std::vector<char>& buffer) const {
  buffer.resize(page_size_);
  const char* const page = buffer.data();
  if (const status done = read(number * page_size_, page_size_, buffer.data()); !done)
    return done.failure();
  const auto header = read_as<page_header>(page);
  if (header.number != number)
    return damaged_page(number, "says it is page " + std::to_string(header.number));
  if (header.flags != (is_leaf ? leaf_page : branch_page))
    return damaged_page(number, "of " + user + " is not a " + (is_leaf ? "leaf" : "branch") + " page");
  if (header.lower < sizeof header || header.lower % 2 != 0 || header.lower > header.upper ||
      header.upper > page_size_)
    return damaged_page(number, "has impossible bounds");
  const std::size_t count = (header.lower - sizeof header) / 2;
  if (count < least)
    return damaged_page(number, "has too few entries");

  std::vector<node> nodes;
  std::vector<std::pair<std::size_t, std::size_t>> extents;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t offset = read_as<std::uint16_t>(page + sizeof header + 2 * i);
    if (offset % 2 != 0 || offset < header.upper || offset + sizeof(node_header) > page_size_)
      return damaged_page(number, "has an entry outside of itself");
    node entry{offset, read_as<node_header>(page + offset), {}, nullptr};
    std::uint64_t size = sizeof(node_header) + entry.header.key_size;
    if (is_leaf)
      size += entry.header.flags & big_data ? sizeof(std::uint64_t) : entry.data_size();
    if (offset + size > page_size_)
      return damaged_page(number, "has an entry that goes beyond its end");
    if (entry.header.key_size > maximum_key)
      return damaged_page(number, "has a key that is too long");
    entry.key = {page + offset + sizeof(node_header), entry.header.key_size};
    entry.data = entry.key.data() + entry.key.size();
    extents.emplace_back(offset, offset + size + size % 2);
    nodes.push_back(entry);
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
  return nodes;
}

result<std::uint64_t> page_file::read_overflow(std::uint64_t first, std::uint64_t value_size,
                                               const std::string& user) const {
  char buffer[sizeof(page_header)];
  if (const status done = read(first * page_size_, sizeof buffer, buffer); !done)
    return done.failure();
  const auto header = read_as<page_header>(buffer);
  const std::uint64_t count = header.lower | std::uint64_t{header.upper} << 16;
  if (header.number != first)
    return damaged_page(first, "says it is page " + std::to_string(header.number));
  if (header.flags != overflow_page)
    return damaged_page(first, "of " + user + " is not an overflow page");
  if (count < (sizeof(page_header) - 1 + value_size) / page_size_ + 1)
    return damaged_page(first, "of " + user + " has a value longer than its " + std::to_string(count) + " pages");
  return count;
}

} // namespace weir::detail::lmdb_layout
