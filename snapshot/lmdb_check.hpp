#pragma once

#include <cstdint>
#include <filesystem>

#include <weir/base/error.hpp>
#include <weir/snapshot/lmdb_layout.hpp>

namespace weir::detail {

/// What the pages of a sound LMDB file are used for.
struct lmdb_page_counts {
  std::uint64_t total = 0; ///< up to the last one ever used, with the two meta pages
  std::uint64_t used = 0;  ///< by databases and by the list of free pages
  std::uint64_t free = 0;
};

/// Checks the structure of an LMDB file (data format 1) without mapping it into memory.
///
/// LMDB trusts its file: in a torn or garbled one it follows wrong page numbers and ends the
/// process. After this check it finds every page it can reach where it expects it. Values are not
/// looked at, except for the list of free pages.
///
/// With `of_reader`, the file is that of a process that goes on writing to it, and the structure is checked as it
/// is in the transaction with this meta page: a reader of that one must be in the lock table meanwhile.
///
/// Thread safety: any thread, while nobody writes to the file unless `of_reader` says what to check.
/// Errors:        corrupt (the message names the file, the page and what is wrong with it),
///                wrong_version when both meta pages agree on another data format, io when the file
///                cannot be read. Nothing is changed.
/// Cost:          reads each branch and leaf page, the list of free pages, and 16 bytes of each
///                value that is larger than half a page.
result<lmdb_page_counts> check_lmdb_file(const std::filesystem::path& file,
                                         const lmdb_layout::meta_record* of_reader = nullptr);

} // namespace weir::detail
