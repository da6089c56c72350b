#include <weir/runtime/job_requests.hpp>

#include <chrono>
#include <ctime>
#include <future>
#include <system_error>

#include <nlohmann/json.hpp>

#include <weir/base/units.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json problem(const std::string& text) {
  return {{"ok", false}, {"problem", text}};
}

/// "2026-11-22T02-33-41Z", as part of a file's name.
std::string time_for_names() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H-%M-%SZ", &parts)};
}

/// The file to write: `target`, or one in it if it is a directory.
result<fs::path> file_for(const std::string& job, const fs::path& checkpoint_directory, const std::string& target) {
  const fs::path wanted = target.empty() ? checkpoint_directory / "savepoints" / "" : fs::path(target);
  if (!wanted.is_absolute() && !target.empty())
    return error{errc::invalid_setting, "expected an absolute path for the savepoint, found " + in_quotes(target)};
  std::error_code code;
  if (wanted.has_filename() && !fs::is_directory(wanted, code))
    return wanted;
  fs::create_directories(wanted, code);
  if (code)
    return error{errc::io, "cannot create the directory " + wanted.string() + ": " + code.message()};
  return wanted / (job + "-" + time_for_names() + ".weir");
}

} // namespace

std::string answer_request(job& of, const fs::path& checkpoint_directory, const std::string& request) {
  const json words = json::parse(request, nullptr, false);
  if (!words.is_object() || !words.value("command", json()).is_string())
    return problem("expected {\"command\": ...}, found " + request.substr(0, 200)).dump();
  const std::string command = words["command"];
  const std::string target = words.value("target", json("")).is_string() ? words.value("target", "") : "";
  job_order order;
  order.drain = words.value("drain", json(false)) == json(true);
  if (command == "savepoint")
    order.what = job_order::kind::savepoint;
  else if (command == "stop")
    order.what = job_order::kind::stop;
  else if (command == "cancel")
    order.what = job_order::kind::cancel;
  else
    return problem("expected savepoint, stop or cancel, found " + in_quotes(command)).dump();
  if (order.what == job_order::kind::savepoint || !target.empty()) {
    const auto file = file_for(of.name(), checkpoint_directory, target);
    if (!file)
      return problem(file.failure().message).dump();
    order.savepoint = *file;
  }
  const std::string file = order.savepoint.string();
  std::promise<job_order::answer> answered;
  order.done = {[&](job_order::answer answer) { answered.set_value(std::move(answer)); }};
  of.tell(std::move(order));
  const job_order::answer answer = answered.get_future().get();
  if (!answer)
    return problem(answer.failure().message).dump();
  json told = {{"ok", true}};
  if (*answer) {
    told["file"] = file;
    told["checkpoint"] = (*answer)->id.value;
    told["bytes"] = (*answer)->bytes;
  }
  return told.dump();
}

} // namespace weir
