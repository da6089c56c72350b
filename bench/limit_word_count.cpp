#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#if defined(__SSE2__)
#  include <emmintrin.h>
#endif

#include "limit.hpp"
#include "limit_table.hpp"

namespace bench {

namespace {

/// A word of up to 7 characters in a register: the bytes behind it are 0. The workload has no longer
/// ones.
using packed_word = std::uint64_t;

static_assert(detail::longest_word < sizeof(packed_word));

struct slot {
  packed_word word; // 0: free
  std::uint64_t count;
};

/// One line's words on their way from the splitting to the table.
struct split_line {
  std::array<packed_word, words_per_line> words;
  std::array<std::size_t, words_per_line> homes;
};

constexpr std::uint64_t expected_words = 65'536;

/// The places of the spaces among the 16 characters at `text`, as bits.
std::uint32_t spaces_in(const char* text) noexcept {
#if defined(__SSE2__)
  __m128i block;
  std::memcpy(&block, text, sizeof block);
  return static_cast<std::uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(' '))));
#else
  std::uint32_t found = 0;
  for (int i = 0; i < 16; ++i)
    found |= std::uint32_t{text[i] == ' '} << i;
  return found;
#endif
}

/// Splits a line at its spaces. Nothing here branches on a word's length. `line` has room for
/// line_room characters, so whole blocks of them can be read.
void split(const std::string& line, split_line& into) {
  const char* const text = line.data();
  std::uint64_t spaces = 0;
  for (int i = 0; i < 4; ++i)
    spaces |= std::uint64_t{spaces_in(text + 16 * i)} << (16 * i);
  if (line.size() < 64)
    spaces = (spaces & ((std::uint64_t{1} << line.size()) - 1)) | std::uint64_t{1} << line.size();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < words_per_line; ++i) {
    // Past 64 characters there is at most one more space, and the end.
    std::size_t end = line.size();
    if (spaces != 0) [[likely]] {
      end = static_cast<std::size_t>(std::countr_zero(spaces));
      spaces &= spaces - 1;
    } else if (i + 1 != words_per_line) {
      end = line.find(' ', begin);
    }
    packed_word word;
    std::memcpy(&word, text + begin, sizeof word);
    into.words[i] = word & ((packed_word{1} << (8 * (end - begin))) - 1);
    begin = end + 1;
  }
}

/// fnv1a64 of a word without a branch on its length.
std::uint64_t hash_of(packed_word word) noexcept {
  std::uint64_t hash = fnv1a64_basis;
  for (std::size_t byte = 0; byte < detail::longest_word; ++byte) {
    const std::uint64_t c = (word >> (8 * byte)) & 0xFF;
    const std::uint64_t next = (hash ^ c) * fnv1a64_prime;
    hash = c != 0 ? next : hash;
  }
  return hash;
}

} // namespace

totals limit_word_count(std::uint64_t lines) {
  // Each line is counted when the next one has been split and the one after that is made: what a
  // stage reads has then left the store buffer, or has come into the cache.
  const slot_table<slot> table(expected_words, {0, 0});
  std::array<std::string, 2> texts;
  for (std::string& text : texts)
    text.reserve(line_room);
  std::array<split_line, 2> splits;
  totals results;
  for (std::uint64_t j = 0; j < lines + 2; ++j) {
    if (j < lines)
      make_line(j, texts[j % 2]);
    if (j >= 1 && j < lines + 1) {
      split_line& line = splits[j % 2];
      split(texts[(j - 1) % 2], line);
      for (std::size_t i = 0; i < words_per_line; ++i) {
        line.homes[i] = table.home(line.words[i]);
        table.prefetch(line.homes[i]);
      }
    }
    if (j >= 2) {
      const split_line& line = splits[(j - 1) % 2];
      for (std::size_t i = 0; i < words_per_line; ++i) {
        const packed_word word = line.words[i];
        slot& found = table.find(
            line.homes[i], [&](const slot& s) { return s.word == word; },
            [](const slot& s) { return s.word == 0; }, [&](slot& s) { s.word = word; });
        results.add(hash_of(word), ++found.count);
      }
    }
  }
  return results;
}

} // namespace bench
