#include "job_request.hpp"

#include <cstdio>
#include <filesystem>

#include <weir/base/units.hpp>
#include <weir/runtime/cluster/coordinator_client.hpp>
#include <weir/runtime/control_socket.hpp>

namespace weir {

using nlohmann::json;

bool is_in_directory(const verb_words& words, const std::string& job) {
  std::error_code ignored;
  return !job.empty() && !words.is_by_name &&
         (words.cluster.join.empty() || std::filesystem::is_directory(job, ignored));
}

result<job_answer> ask(const verb_words& words, const std::string& job, json request) {
  const bool by_directory = is_in_directory(words, job);
  if (!by_directory && words.cluster.join.empty())
    return error{errc::invalid_setting, "expected --coordinator HOST:PORT, or the job's checkpoint directory"};
  if (!by_directory && !job.empty())
    request["job"] = job;
  const std::string text = request.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto answer = by_directory ? ask_job(job, text) : ask_coordinator(words.cluster, text);
  if (!answer && answer.failure().code == errc::invalid_setting)
    return answer.failure();
  if (!answer)
    return job_answer(job_unreached{answer.failure().message});
  json told = json::parse(*answer, nullptr, false);
  if (!told.is_object())
    return error{errc::io, "the job has answered what this version does not understand: " + *answer};
  if (told.value("ok", json(false)) != json(true))
    return error{errc::checkpoint, told.value("problem", "the job says no more")};
  return job_answer(std::move(told));
}

outcome say(const job_unreached& what) {
  std::fprintf(stderr, "weir: %s\n", what.reason.c_str());
  return outcome::unreached;
}

} // namespace weir
