#include <weir/runtime/option_table.hpp>

#include <algorithm>
#include <array>
#include <map>

#include <weir/runtime/settings.hpp>

namespace weir {

namespace {

bool is_well_formed(std::string_view name) {
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || !is_lower(name.front()) || name.back() == '-' ||
      name.find("--") != std::string_view::npos)
    return false;
  return std::ranges::all_of(name, [&](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

std::map<std::string, std::string> flags_in_use() {
  std::map<std::string, std::string> flags;
  for (const char* flag : {"help", "version", "config", "format", "markdown"})
    flags.emplace(std::string{"--"} + flag, "an option of every job");
  for (const setting& row : settings()) {
    const std::string flag = flag_name(row.key);
    flags.emplace(flag, "the flag of the setting " + std::string{row.key});
    if (row.is_boolean)
      flags.emplace("--no-" + flag.substr(2), "the flag of the setting " + std::string{row.key});
  }
  return flags;
}

} // namespace

const job_option* option_table::find(std::string_view name) const {
  const auto found = std::ranges::find(options_, name, &job_option::name);
  return found == options_.end() ? nullptr : &*found;
}

std::vector<std::string> option_table::problems() const {
  std::vector<std::string> problems;
  if (options_.empty())
    return problems;
  std::map<std::string, std::string> flags = flags_in_use();
  for (const job_option& entry : options_) {
    const std::string subject = "option " + in_quotes(entry.name) + ": ";
    if (!is_well_formed(entry.name)) {
      problems.push_back(subject + "expected a name of lower-case letters, digits and single "
                                   "dashes that starts with a letter");
      continue;
    }
    std::vector<std::string> names{"--" + entry.name};
    if (entry.is_boolean)
      names.push_back("--no-" + entry.name);
    for (const std::string& name : names) {
      const auto [taken, is_free] = flags.emplace(name, "declared by the job already");
      if (!is_free)
        problems.push_back(subject + name + " is " + taken->second + "; choose another name");
    }
  }
  return problems;
}

} // namespace weir
