#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include <weir/runtime/job_config.hpp>
#include <weir/runtime/option_table.hpp>

namespace weir {

/// What a job's process ends with.
inline constexpr int exit_success = 0;
inline constexpr int exit_job_failed = 1;
inline constexpr int exit_usage = 2;

/// How `plan` prints the topology.
enum class plan_format : std::uint8_t { text, json, dot };

/// What a job's process was asked to do, with all settings in their place.
struct command_line {
  enum class verb : std::uint8_t { run, coordinator, worker, plan };

  verb what = verb::run;
  plan_format format = plan_format::text;
  job_config config;
};

/// What a job's process says instead of doing anything: help, or what is wrong with its settings.
struct command_line_answer {
  std::string text;
  int exit_code = exit_success;
};

/// Prints an answer, to standard error if it is a failure, and returns its exit code.
int show(const command_line_answer& answer);

/// What `--help` says about a job besides its options.
struct job_description {
  std::string name;
  std::string summary; ///< one line, or empty
};

/// Reads what a job is to do: the command line, the environment, and the file that one of them
/// names, over the config that the job's code made.
///
/// `environment` is the process's, ending in nullptr. The values of the job's options are written
/// through their handles.
///
/// Thread safety: one thread.
/// Errors:        an answer with exit code 2 that lists all problems, each with its place. Options
///                that are required need not be there for a plan.
std::variant<command_line, command_line_answer>
read_command_line(const job_description& job, const job_config& code, const option_table& options,
                  int argc, const char* const* argv, const char* const* environment);

/// The text of `--help`, at most 100 columns wide. `program` is the file name of the binary.
std::string help_text(const job_description& job, std::string_view program, const job_config& code,
                      const option_table& options);

/// "0.1.0"
std::string_view version_text();

} // namespace weir
