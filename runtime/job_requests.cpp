#include <weir/runtime/job_requests.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>
#include <optional>
#include <system_error>

#include <nlohmann/json.hpp>

#include <weir/base/file_descriptor.hpp>
#include <weir/base/json_text.hpp>
#include <weir/base/units.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// One line; bytes that are not UTF-8, such as in the name of a file, are replaced.
std::string line_of(const json& answer) {
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string problem(const std::string& text) {
  return line_of({{"ok", false}, {"problem", text}});
}

/// "2026-11-22T02-33-41.123Z", as part of a file's name.
std::string time_for_names() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const std::string whole(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H-%M-%S", &parts));
  const std::string thousandths = std::to_string(1000 + now.time_since_epoch().count() % 1000);
  return whole + "." + thousandths.substr(1) + "Z";
}

/// The file to write: `target`, or one in it if it is a directory.
result<fs::path> file_for(const std::string& job, const fs::path& checkpoint_directory, const std::string& target) {
  if (target.empty() && checkpoint_directory.empty())
    return error{errc::invalid_setting, "the job stores no checkpoints (checkpoint.dir), so there is nothing to make a "
                                        "savepoint of"};
  const fs::path wanted = target.empty() ? checkpoint_directory / "savepoints" / "" : fs::path(target);
  if (!wanted.is_absolute() && !target.empty())
    return error{errc::invalid_setting, "expected an absolute path for the savepoint, found " + in_quotes(target)};
  std::error_code code;
  if (wanted.has_filename() && !fs::is_directory(wanted, code))
    return wanted;
  fs::create_directories(wanted, code);
  if (code)
    return error{errc::io, "cannot create the directory " + wanted.string() + ": " + code.message()};
  if (const int cause = sync_directory(wanted.parent_path().parent_path().string()); cause != 0)
    return file_error(errc::io, "sync", wanted.parent_path().parent_path().string(), cause);
  return wanted / (job + "-" + time_for_names() + ".weir");
}

/// The parallelism that is asked for; one that is out of range is one that the job refuses.
std::optional<std::uint32_t> parallelism_in(const json& words) {
  const auto found = words.find("parallelism");
  if (found == words.end() || !found->is_number_unsigned())
    return std::nullopt;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(found->get<std::uint64_t>(), std::numeric_limits<std::uint32_t>::max()));
}

std::string rescale(const job_access& of, const json& words) {
  const auto parallelism = parallelism_in(words);
  if (!parallelism)
    return problem("rescale: expected \"parallelism\" with a whole number, found " + line_of(words).substr(0, 200));
  const auto done = of.ask(rescale_order{.parallelism = *parallelism, .done = {}});
  if (!done)
    return problem(done.failure().message);
  json told = {{"ok", true},
               {"before", done->before},
               {"after", done->after},
               {"pause_ms", std::chrono::duration<double, std::milli>(done->pause).count()}};
  if (done->checkpoint) {
    told["checkpoint"] = done->checkpoint->id.value;
    told["bytes"] = done->checkpoint->bytes;
  }
  return line_of(told);
}

json time_or_null(std::optional<std::int64_t> unix_ms) {
  return unix_ms ? json(time_text(*unix_ms)) : json();
}

json as_json(const job_status& of) {
  json operators = json::array(), tasks = json::array();
  for (const operator_report& one : of.operators)
    operators.push_back(
        {{"operator", one.name}, {"in", one.counts.in}, {"late", one.counts.late}, {"dropped", one.counts.dropped}});
  for (const task_status& one : of.tasks)
    tasks.push_back({{"task", one.name}, {"state", one.state}, {"worker", one.worker}});
  json checkpoint;
  if (of.last_checkpoint)
    checkpoint = {{"checkpoint", of.last_checkpoint->id.value},
                  {"completed", time_text(of.last_checkpoint->completed_at_ms)},
                  {"bytes", of.last_checkpoint->bytes}};
  return {{"job", of.name},
          {"state", to_string(of.state)},
          {"parallelism", of.parallelism},
          {"attempt", of.attempt},
          {"started", time_text(of.started_ms)},
          {"running_since", time_or_null(of.running_since_ms)},
          {"restarts", of.restarts},
          {"last_failure", of.last_failure},
          {"checkpoints", of.checkpoints},
          {"failed_checkpoints", of.failed_checkpoints},
          {"last_checkpoint", checkpoint},
          {"workers", of.has_workers ? json(of.workers.size()) : json()},
          {"operators", operators},
          {"tasks", tasks}};
}

std::string describe(const job_access& of) {
  const auto now = of.ask(status_order{});
  return now ? line_of({{"ok", true}, {"job", as_json(*now)}}) : problem(now.failure().message);
}

std::string describe_workers(const job_access& of) {
  const auto now = of.ask(status_order{});
  if (!now)
    return problem(now.failure().message);
  if (!now->has_workers)
    return problem("the job runs in one process, and has no workers: start it with `coordinator --listen HOST:PORT`, or "
                   "`run --workers N`");
  json workers = json::array();
  for (const worker_status& one : now->workers)
    workers.push_back({{"worker", one.name}, {"address", one.address}, {"slots", one.slots}, {"tasks", one.tasks}});
  return line_of({{"ok", true}, {"workers", workers}});
}

} // namespace

std::string answer_request(const job_access& of, const fs::path& checkpoint_directory, const std::string& request) {
  const json words = json::parse(request, nullptr, false);
  if (!words.is_object() || !words.value("command", json()).is_string())
    return problem("expected {\"command\": ...}, found " + request.substr(0, 200));
  const std::string command = words["command"];
  const std::string target = words.value("target", json("")).is_string() ? words.value("target", "") : "";
  if (const json job = words.value("job", json()); !job.is_null() && job != json(of.name()))
    return problem("this is the job " + in_quotes(of.name()) + ", and not " +
                   (job.is_string() ? in_quotes(job.get<std::string>()) : line_of(job)));
  if (command == "rescale")
    return rescale(of, words);
  if (command == "job")
    return describe(of);
  if (command == "workers")
    return describe_workers(of);
  job_order order;
  order.drain = words.value("drain", json(false)) == json(true);
  if (command == "savepoint")
    order.what = job_order::kind::savepoint;
  else if (command == "stop")
    order.what = job_order::kind::stop;
  else if (command == "cancel")
    order.what = job_order::kind::cancel;
  else
    return problem("expected savepoint, stop, cancel, rescale, job or workers, found " + in_quotes(command));
  if (order.what == job_order::kind::savepoint || !target.empty()) {
    const auto file = file_for(of.name(), checkpoint_directory, target);
    if (!file)
      return problem(file.failure().message);
    order.savepoint = *file;
  }
  const std::string file = order.savepoint.string();
  const job_order::answer answer = of.ask(std::move(order));
  if (!answer)
    return problem(answer.failure().message);
  json told = {{"ok", true}};
  if (*answer) {
    told["file"] = file;
    told["checkpoint"] = (*answer)->id.value;
    told["bytes"] = (*answer)->bytes;
  }
  return line_of(told);
}

} // namespace weir
