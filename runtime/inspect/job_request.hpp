#pragma once

#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "verbs.hpp"

namespace weir {

/// What a job has answered: its words, or, where there is no job that could be asked, why.
struct job_unreached {
  std::string reason;
};
using job_answer = std::variant<nlohmann::json, job_unreached>;

/// Sends a request to the job that the words of a verb name: in a directory, or by the name that its coordinator knows it by.
/// `job` may be empty where a coordinator is known: it has one.
///
/// Errors: what the job has refused, or could not do; invalid_setting when nobody is named.
result<job_answer> ask(const verb_words& words, const std::string& job, nlohmann::json request);

/// Whether the path that is sent along is one of this machine.
bool is_in_directory(const verb_words& words, const std::string& job);

/// Says on standard error why a job could not be asked. Returns outcome::unreached.
outcome say(const job_unreached& what);

} // namespace weir
