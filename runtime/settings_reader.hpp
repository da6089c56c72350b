#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <weir/runtime/job_config.hpp>
#include <weir/runtime/option_table.hpp>
#include <weir/runtime/settings.hpp>

namespace weir {

/// Puts together a job's settings and options from the places they come from. Each place overrides
/// those read before it, so the order of the calls is the order of precedence: the job's code, the
/// file, the environment, the command line.
///
/// Ownership:     borrows the option table, and writes the values of the job's options through it.
/// Thread safety: one thread.
/// Errors:        collected, not returned: problems() has one line for each, naming the place, the
///                key, what is allowed and what was found.
class settings_reader {
 public:
  settings_reader(const job_config& code, const option_table& options);
  settings_reader(const job_config& code, option_table&& options) = delete;

  void read_file(const std::filesystem::path& path);

  /// Reads the variables that start with WEIR_, except WEIR_CONFIG. `environment` ends in nullptr.
  void read_environment(const char* const* environment);

  /// Sets one value by its key in a file: "checkpoint.interval", "job.input". `place` is what an
  /// error is reported with. The key must exist.
  void assign(std::string_view key, std::string_view text, const std::string& place);

  /// Checks what no place sees alone: values that contradict each other, values of the job's code
  /// that are not allowed, and, if wanted, that every required option was given.
  void check(bool with_required_options);

  void add_problem(std::string problem) { problems_.push_back(std::move(problem)); }
  const std::vector<std::string>& problems() const noexcept { return problems_; }
  const job_config& config() const noexcept { return config_; }

 private:
  bool is_known(std::string_view key) const;
  void reject_key(const std::string& key, const std::string& place, bool is_table);
  void check_code();
  void check_contradictions();
  void check_required();
  std::string origin_of(std::string_view key) const;

  job_config config_;
  const option_table& options_;
  std::map<std::string, std::string, std::less<>> places_;
  std::vector<std::string> problems_;
};

/// The key of a job's own option in a file: "job.input".
std::string job_option_key(std::string_view name);

/// "; did you mean checkpoint.dir?", or nothing when no candidate is close.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

} // namespace weir
