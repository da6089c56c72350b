#include <weir/runtime/settings_spelling.hpp>

#include <algorithm>
#include <vector>

namespace weir {

namespace {

// Insertions, deletions, replacements and swaps of neighbours.
std::size_t keystrokes_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last, last, current;
  for (std::size_t j = 0; j <= b.size(); ++j)
    last.push_back(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current.assign(1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      std::size_t least = std::min({replaced, last[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        least = std::min(least, before_last[j - 2] + 1);
      current.push_back(least);
    }
    before_last.swap(last);
    last.swap(current);
  }
  return last.back();
}

bool is_separator(char c) {
  return c == '.' || c == '-' || c == '_';
}

bool is_last_part(std::string_view name, std::string_view whole) {
  return whole.size() > name.size() && whole.ends_with(name) &&
         (is_separator(whole[whole.size() - name.size() - 1]));
}

} // namespace

std::string closest_name(std::string_view name, std::span<const std::string> candidates) {
  const std::string* closest = nullptr;
  std::size_t least = std::min<std::size_t>(3, 1 + name.size() / 5) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = keystrokes_between(name, candidate);
    if (distance < least) {
      least = distance;
      closest = &candidate;
    }
  }
  if (closest != nullptr)
    return *closest;
  std::string_view words = name;
  while (!words.empty() && is_separator(words.front()))
    words.remove_prefix(1);
  if (words.size() < 3)
    return {};
  for (const std::string& candidate : candidates)
    if (is_last_part(words, candidate))
      return candidate;
  for (const std::string& candidate : candidates)
    if (candidate.starts_with(name) || (name.starts_with(candidate) && candidate.size() > 4))
      return candidate;
  return {};
}

} // namespace weir
