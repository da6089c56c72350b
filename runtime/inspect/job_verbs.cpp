#include "verbs.hpp"

#include <cstdio>
#include <filesystem>

#include <nlohmann/json.hpp>

#include <weir/base/units.hpp>

#include "job_request.hpp"

namespace weir {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A path of this machine: the job may have another working directory. One of another machine stays as it is.
std::string target_of(const verb_words& words, const std::string& target) {
  if (!is_in_directory(words, words.arguments[0]))
    return target;
  std::error_code code;
  const fs::path path = fs::absolute(target, code);
  return code ? target : path.string();
}

/// Has the job carry out a command, and prints what has come of it: `done`, and the savepoint.
result<outcome> tell_job(const verb_words& words, json request, const std::string& done, output& out) {
  const auto answer = ask(words, words.arguments[0], std::move(request));
  if (!answer)
    return answer.failure();
  if (const auto* why = std::get_if<job_unreached>(&*answer))
    return say(*why);
  const json& told = std::get<json>(*answer);
  if (words.as_json) {
    out.write(told.dump() + "\n");
    return outcome::good;
  }
  if (told.contains("file"))
    out.write(told.value("file", "") + ": checkpoint " + std::to_string(told.value("checkpoint", std::uint64_t{0})) +
              ", " + rounded_size(told.value("bytes", std::uint64_t{0})) + "\n");
  if (told.contains("pause_ms")) {
    char pause[32];
    std::snprintf(pause, sizeof pause, "%.1f ms", told.value("pause_ms", 0.0));
    const std::string now = std::to_string(told.value("after", 0));
    if (told.contains("checkpoint"))
      out.write("parallelism " + std::to_string(told.value("before", 0)) + " -> " + now + ", from checkpoint " +
                std::to_string(told.value("checkpoint", std::uint64_t{0})) + ", after a pause of " + pause + "\n");
    else
      out.write("the job runs with a parallelism of " + now + " already\n");
  }
  if (!done.empty())
    out.write(done + "\n");
  return outcome::good;
}

} // namespace

result<outcome> take_savepoint(const verb_words& words, output& out) {
  json request = {{"command", "savepoint"}};
  if (words.arguments.size() > 1)
    request["target"] = target_of(words, words.arguments[1]);
  return tell_job(words, std::move(request), "", out);
}

result<outcome> stop_job(const verb_words& words, output& out) {
  json request = {{"command", "stop"}, {"drain", words.drain}};
  if (!words.savepoint.empty())
    request["target"] = target_of(words, words.savepoint);
  return tell_job(words, std::move(request), words.drain ? "the job has finished" : "the job has stopped", out);
}

result<outcome> cancel_job(const verb_words& words, output& out) {
  json request = {{"command", "cancel"}};
  if (!words.savepoint.empty())
    request["target"] = target_of(words, words.savepoint);
  return tell_job(words, std::move(request), "the job has stopped", out);
}

result<outcome> rescale_job(const verb_words& words, output& out) {
  return tell_job(words, {{"command", "rescale"}, {"parallelism", words.parallelism}}, "", out);
}

} // namespace weir
