#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/file_descriptor.hpp>

/// How an LMDB file (data format 1) is laid out, for those who read it without mapping it into memory.
namespace weir::detail::lmdb_layout {

static_assert(std::endian::native == std::endian::little && sizeof(void*) == 8,
              "the layout below is LMDB's on 64-bit little-endian machines");

inline constexpr std::uint64_t no_page = ~std::uint64_t{0};
inline constexpr std::size_t meta_pages = 2;
inline constexpr std::size_t maximum_depth = 32;
inline constexpr std::size_t maximum_key = 511;

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

/// An open file, read with ordinary reads: a failing disk is an error and not a signal.
///
/// Errors: corrupt and wrong_version; the messages name the file, the page and what is wrong with it. io.
class page_file {
 public:
  static result<page_file> open(const std::filesystem::path& path);

  std::uint64_t size() const noexcept { return size_; } ///< when it was opened
  std::size_t page_size() const noexcept { return page_size_; }

  status read(std::uint64_t offset, std::size_t size, char* out) const;

  /// Both meta pages, which agree on version and page size. The page size is known after that.
  result<std::array<meta_record, meta_pages>> read_meta_pages();

  /// Whether a meta page says what one of this file can say.
  status check(const meta_record& meta) const;

  /// Whether both are of transactions that follow each other: each writes the meta page of its parity.
  status check_order(const std::array<meta_record, meta_pages>& metas) const;

  /// The entries of a branch or leaf page of `user`, which are in `buffer` then.
  result<std::vector<node>> read_page(std::uint64_t number, bool is_leaf, std::size_t least, const std::string& user,
                                      std::vector<char>& buffer) const;

  /// The number of pages of a value that is larger than a page, which begins with page `first`.
  result<std::uint64_t> read_overflow(std::uint64_t first, std::uint64_t value_size, const std::string& user) const;

  error damaged(const std::string& problem) const;
  error damaged_page(std::uint64_t number, const std::string& problem) const;

 private:
  page_file(std::filesystem::path path, file_descriptor file, std::uint64_t size)
      : path_(std::move(path)), file_(std::move(file)), size_(size) {}

  result<meta_record> read_meta_page(std::uint64_t number, std::uint64_t offset) const;

  std::filesystem::path path_;
  file_descriptor file_;
  std::uint64_t size_;
  std::size_t page_size_ = 0;
};

} // namespace weir::detail::lmdb_layout
