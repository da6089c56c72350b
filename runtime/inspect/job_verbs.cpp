#include "verbs.hpp"

#include <filesystem>

#include <nlohmann/json.hpp>

#include <weir/base/units.hpp>
#include <weir/runtime/control_socket.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// The job may have another working directory.
std::string absolute(const std::string& target) {
  std::error_code code;
  const fs::path path = fs::absolute(target, code);
  return code ? target : path.string();
}

/// Has the job carry out a command, and prints what has come of it: `done`, and the savepoint.
result<outcome> tell_job(const verb_words& words, json request, const std::string& done, output& out) {
  const auto answer = ask_job(words.arguments[0], request.dump(-1, ' ', false, json::error_handler_t::replace));
  if (!answer)
    return answer.failure();
  const json told = json::parse(*answer, nullptr, false);
  if (!told.is_object())
    return error{errc::io, "the job has answered what this version does not understand: " + *answer};
  if (told.value("ok", json(false)) != json(true))
    return error{errc::checkpoint, told.value("problem", "the job says no more")};
  if (words.as_json) {
    out.write(told.dump() + "\n");
    return outcome::good;
  }
  if (told.contains("file"))
    out.write(told.value("file", "") + ": checkpoint " + std::to_string(told.value("checkpoint", std::uint64_t{0})) +
              ", " + rounded_size(told.value("bytes", std::uint64_t{0})) + "\n");
  if (!done.empty())
    out.write(done + "\n");
  return outcome::good;
}

} // namespace

result<outcome> take_savepoint(const verb_words& words, output& out) {
  json request = {{"command", "savepoint"}};
  if (words.arguments.size() > 1)
    request["target"] = absolute(words.arguments[1]);
  return tell_job(words, std::move(request), "", out);
}

result<outcome> stop_job(const verb_words& words, output& out) {
  json request = {{"command", "stop"}, {"drain", words.drain}};
  if (!words.savepoint.empty())
    request["target"] = absolute(words.savepoint);
  return tell_job(words, std::move(request), words.drain ? "the job has finished" : "the job has stopped", out);
}

result<outcome> cancel_job(const verb_words& words, output& out) {
  json request = {{"command", "cancel"}};
  if (!words.savepoint.empty())
    request["target"] = absolute(words.savepoint);
  return tell_job(words, std::move(request), "the job has stopped", out);
}

} // namespace weir
