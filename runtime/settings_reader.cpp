#include <weir/runtime/settings_reader.hpp>

#include <algorithm>

#include <weir/runtime/settings_file.hpp>
#include <weir/runtime/settings_spelling.hpp>

namespace weir {

namespace {

constexpr std::string_view job_prefix = "job.";
constexpr std::string_view environment_prefix = "WEIR_";

std::string text_of(const setting& row, const job_config& config) {
  const std::string text = row.show(config);
  return text.empty() ? "nothing" : text;
}

bool is_group(std::string_view key) {
  const std::string prefix = std::string{key} + ".";
  return prefix == job_prefix || std::ranges::any_of(settings(), [&](const setting& row) {
           return row.key.starts_with(prefix);
         });
}

std::vector<std::string> all_keys(const option_table& options) {
  std::vector<std::string> keys;
  for (const setting& row : settings())
    keys.emplace_back(row.key);
  for (const job_option& entry : options.options())
    keys.push_back(job_option_key(entry.name));
  return keys;
}

} // namespace

std::string job_option_key(std::string_view name) {
  return std::string{job_prefix} + std::string{name};
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string closest = closest_name(name, candidates);
  return closest.empty() ? std::string{} : "; did you mean " + closest + "?";
}

settings_reader::settings_reader(const job_config& code, const option_table& options)
    : config_(code), options_(options) {}

void settings_reader::read_file(const std::filesystem::path& path) {
  settings_file file = read_settings_file(path);
  for (std::string& problem : file.problems)
    add_problem(std::move(problem));
  for (const settings_file_entry& entry : file.entries) {
    if (entry.is_table && is_group(entry.key))
      continue;
    if (entry.is_table || !is_known(entry.key))
      reject_key(entry.key, entry.key_place, entry.is_table);
    else
      assign(entry.key, entry.text, entry.place);
  }
}

void settings_reader::read_environment(const char* const* environment) {
  std::map<std::string, std::string> keys;
  std::vector<std::string> names{"WEIR_CONFIG"};
  for (const std::string& key : all_keys(options_)) {
    names.push_back(environment_name(key));
    keys.emplace(names.back(), key);
  }
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const std::size_t equals = variable.find('=');
    if (!variable.starts_with(environment_prefix) || equals == std::string_view::npos)
      continue;
    const std::string name{variable.substr(0, equals)};
    if (name == "WEIR_CONFIG" || name == "WEIR_COORDINATOR") // which is for the program weir
      continue;
    const auto found = keys.find(name);
    if (found != keys.end())
      assign(found->second, variable.substr(equals + 1), "environment variable " + name);
    else
      add_problem("environment variable " + name + ": unknown: no setting or option of this job" +
                  suggestion(name, names));
  }
}

void settings_reader::assign(std::string_view key, std::string_view text,
                             const std::string& place) {
  places_[std::string{key}] = place;
  status done;
  if (const setting* row = find_setting(key))
    done = row->assign(config_, text);
  else if (const job_option* entry = options_.find(key.substr(job_prefix.size())))
    done = entry->assign(text);
  if (!done)
    add_problem(place + ": " + std::string{key} + ": " + done.failure().message);
}

void settings_reader::check(bool with_required_options) {
  check_code();
  check_contradictions();
  if (with_required_options)
    check_required();
}

bool settings_reader::is_known(std::string_view key) const {
  if (find_setting(key) != nullptr)
    return true;
  return key.starts_with(job_prefix) && options_.find(key.substr(job_prefix.size())) != nullptr;
}

void settings_reader::reject_key(const std::string& key, const std::string& place, bool is_table) {
  if (is_table || !is_group(key))
    add_problem(place + ": " + key + ": unknown " + (is_table ? "table" : "key") +
                suggestion(key, all_keys(options_)));
  else
    add_problem(place + ": " + key + ": expected a table, written as [" + key +
                "], found a single value");
}

void settings_reader::check_code() {
  for (const setting& row : settings()) {
    if (places_.contains(row.key))
      continue;
    job_config copy = config_;
    if (const status done = row.assign(copy, row.show(config_)); !done)
      add_problem("the job's code: " + std::string{row.key} + ": " + done.failure().message);
  }
}

void settings_reader::check_contradictions() {
  const checkpoint_config& checkpoint = config_.checkpoint;
  const restart_config& restart = config_.restart;
  const auto both = [&](std::string_view first, std::string_view second, std::string_view advice) {
    add_problem(origin_of(first) + " contradicts " + origin_of(second) + ": " +
                std::string{advice});
  };
  if (checkpoint.restore_from != 0 && checkpoint.discard)
    both("checkpoint.restore-from", "checkpoint.discard",
         "a checkpoint to start from cannot be deleted first; give one of the two");
  if (checkpoint.restore_from != 0 && checkpoint.directory.empty())
    both("checkpoint.restore-from", "checkpoint.dir",
         "set the directory that holds the checkpoint");
  const bool has_growing_delay = restart.strategy == restart_kind::automatic ||
                                 restart.strategy == restart_kind::exponential_delay;
  if (has_growing_delay && restart.delay > restart.maximum_delay)
    both("restart.delay", "restart.maximum-delay",
         "the first delay must not be longer than the longest one");
}

void settings_reader::check_required() {
  for (const job_option& entry : options_.options()) {
    const std::string key = job_option_key(entry.name);
    if (entry.is_required && !places_.contains(key))
      add_problem("--" + entry.name + " " + entry.word + " is missing: give it on the command " +
                  "line, as " + entry.name + " under [job] in the file, or as " +
                  environment_name(key));
  }
}

std::string settings_reader::origin_of(std::string_view key) const {
  const setting& row = *find_setting(key);
  const auto place = places_.find(key);
  std::string origin = "the job's code";
  if (place != places_.end())
    origin = place->second;
  else if (row.show(config_) == row.show(job_config{}))
    origin = "the default";
  return std::string{key} + " = " + text_of(row, config_) + " (" + origin + ")";
}

} // namespace weir
