#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/ids.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>

#include "output.hpp"

namespace weir {

/// What a verb was given.
struct verb_words {
  std::vector<std::string> arguments;
  std::optional<checkpoint_id> at;
  std::string format = "json";
  std::string savepoint; ///< where to write it
  bool as_json = false;
  bool drain = false;
  std::uint32_t parallelism = 0;
  cluster_config cluster;       ///< how coordinators are reached; `join` is their addresses, with commas between them
  bool is_by_name = false;      ///< whether a job is meant by its name, and not by its directory
};

/// Whether what was looked at is as it should be. unreached: there is no job that could be asked.
enum class outcome : std::uint8_t { good, bad, unreached };

/// One thing that the program does.
struct verb {
  const char* group;
  const char* name;      ///< empty: the group alone
  const char* arguments; ///< as in the help: those in brackets may be left out
  const char* options;   ///< of those that read_words() knows
  const char* summary;
  const char* help;
  result<outcome> (*run)(const verb_words& words, output& out);
};

std::span<const verb> verbs();

result<outcome> list_checkpoints(const verb_words& words, output& out);
result<outcome> show_checkpoint(const verb_words& words, output& out);
result<outcome> verify_checkpoints(const verb_words& words, output& out);
result<outcome> remove_one_checkpoint(const verb_words& words, output& out);
result<outcome> list_states(const verb_words& words, output& out);
result<outcome> get_state(const verb_words& words, output& out);
result<outcome> scan_state(const verb_words& words, output& out);
result<outcome> diff_states(const verb_words& words, output& out);
result<outcome> export_savepoint(const verb_words& words, output& out);
result<outcome> import_savepoint(const verb_words& words, output& out);
result<outcome> take_savepoint(const verb_words& words, output& out);
result<outcome> stop_job(const verb_words& words, output& out);
result<outcome> cancel_job(const verb_words& words, output& out);
result<outcome> rescale_job(const verb_words& words, output& out);
result<outcome> list_jobs(const verb_words& words, output& out);
result<outcome> show_job(const verb_words& words, output& out);
result<outcome> list_workers_of_job(const verb_words& words, output& out);

/// How keys and values look, for the help.
const char* help_of_entries();

/// Reads the number of a checkpoint.
result<checkpoint_id> parse_checkpoint_id(const std::string& text);

} // namespace weir
