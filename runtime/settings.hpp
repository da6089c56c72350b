#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/runtime/job_config.hpp>

namespace weir {

/// One thing about a job that can be set from outside its code: a row of the table behind the TOML
/// file, the environment, the command line, `--help` and docs/settings.md.
///
/// Thread safety: any thread; a row is never changed.
struct setting {
  std::string_view key;       ///< its name in a file: "checkpoint.interval"
  std::string_view group{};   ///< the heading it is listed under
  std::string_view word{};    ///< stands for the value in `--help`: "DURATION"
  std::string allowed{};      ///< what a value may be: "a duration from 0 to 365d"
  std::string_view meaning{}; ///< one or two sentences
  std::string_view short_name{}; ///< "listen": it has the flag --listen, too, unless the job has an option of that name
  bool is_boolean = false;    ///< the flag needs no value, and has a `--no-` form

  /// Reads a value into the config. The error says what is allowed and what was found.
  std::function<status(job_config&, std::string_view)> assign{};

  /// The value in a config, as a person would write it. Empty where nothing is set.
  std::function<std::string(const job_config&)> show{};
};

/// The table: all settings in the order of the documentation, those of a group together.
std::span<const setting> settings();

/// The setting with this key, or nullptr.
const setting* find_setting(std::string_view key);

/// "checkpoint.interval" to "--checkpoint-interval".
std::string flag_name(std::string_view key);

/// "checkpoint.interval" to "WEIR_CHECKPOINT_INTERVAL".
std::string environment_name(std::string_view key);

/// docs/settings.md, generated from the table and a config that nothing has changed.
std::string settings_markdown();

} // namespace weir
