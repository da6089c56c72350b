#pragma once

#include <string_view>

/// Calls take(word) for every run of ASCII letters in `line`, as it stands there.
template <class Take>
void for_each_word(std::string_view line, Take&& take) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t i = 0; i < line.size();) {
    while (i < line.size() && !is_letter(line[i]))
      ++i;
    const std::size_t first = i;
    while (i < line.size() && is_letter(line[i]))
      ++i;
    if (i != first)
      take(line.substr(first, i - first));
  }
}

/// One record per word of `line`, in lower case.
template <class Emitter>
void emit_words(std::string_view line, Emitter& out) {
  for_each_word(line, [&](std::string_view word) {
    auto& record = out.append();
    record.assign(word);
    for (char& c : record)
      c = static_cast<char>(c | 0x20);
  });
}
