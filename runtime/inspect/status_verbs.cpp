#include "verbs.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "job_request.hpp"

namespace weir {

namespace {

using nlohmann::json;

/// A member as text; empty: it is not there, or null.
std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null())
    return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string checkpoint_text(const json& job) {
  const json last = job.value("last_checkpoint", json());
  return last.is_object() ? text_of(last, "checkpoint") + ", " + text_of(last, "completed") + ", " +
                                rounded_size(last.value("bytes", std::uint64_t{0}))
                          : "none yet";
}

std::string first_argument(const verb_words& words) {
  return words.arguments.empty() ? std::string() : words.arguments[0];
}

/// The addresses of "a:1,b:2", or one that is empty.
std::vector<std::string> addresses_of(const std::string& text) {
  std::vector<std::string> all;
  std::size_t begin = 0;
  for (std::size_t comma; (comma = text.find(',', begin)) != std::string::npos; begin = comma + 1)
    all.push_back(text.substr(begin, comma - begin));
  all.push_back(text.substr(begin));
  return all;
}

} // namespace

result<outcome> list_jobs(const verb_words& words, output& out) {
  const std::string job = first_argument(words);
  const bool by_directory = is_in_directory(words, job);
  outcome all = outcome::good;
  json jobs = json::array();
  text_table table({"JOB", "STATE", "PARALLELISM", "WORKERS", "RESTARTS", "CHECKPOINT", by_directory ? "" : "COORDINATOR"});
  for (const std::string& address : by_directory ? std::vector{std::string()} : addresses_of(words.cluster.join)) {
    verb_words one = words;
    one.cluster.join = address;
    auto answer = ask(one, job, {{"command", "job"}});
    if (!answer && answer.failure().code == errc::invalid_setting)
      return answer.failure();
    if (!answer) {
      say({answer.failure().message});
      all = outcome::bad;
      continue;
    }
    if (const auto* why = std::get_if<job_unreached>(&*answer)) {
      all = say(*why);
      continue;
    }
    json found = std::get<json>(*answer).value("job", json::object());
    for (const char* long_one : {"operators", "tasks"})
      found.erase(long_one);
    found["coordinator"] = by_directory ? json() : json(address);
    table.add({text_of(found, "job"), text_of(found, "state"), text_of(found, "parallelism"), text_of(found, "workers"),
               text_of(found, "restarts"), text_of(found.value("last_checkpoint", json::object()), "checkpoint"), address});
    jobs.push_back(std::move(found));
  }
  out.write(words.as_json ? jobs.dump() + "\n" : jobs.empty() ? std::string() : table.text());
  return all;
}

result<outcome> show_job(const verb_words& words, output& out) {
  const auto answer = ask(words, words.arguments[0], {{"command", "job"}});
  if (!answer)
    return answer.failure();
  if (const auto* why = std::get_if<job_unreached>(&*answer))
    return say(*why);
  const json job = std::get<json>(*answer).value("job", json::object());
  if (words.as_json) {
    out.write(job.dump() + "\n");
    return outcome::good;
  }
  std::string state = text_of(job, "state");
  if (const std::string since = text_of(job, "running_since"); state == "running" && !since.empty())
    state += " since " + since;
  std::string restarts = text_of(job, "restarts");
  if (const std::string why = text_of(job, "last_failure"); !why.empty())
    restarts += ", the last one because: " + why;
  text_table facts({"job", text_of(job, "job")});
  facts.add({"state", state});
  facts.add({"started", text_of(job, "started")});
  facts.add({"parallelism", text_of(job, "parallelism")});
  facts.add({"attempt", text_of(job, "attempt")});
  facts.add({"restarts", restarts});
  facts.add({"checkpoints", text_of(job, "checkpoints") + " complete, " + text_of(job, "failed_checkpoints") + " failed"});
  facts.add({"last checkpoint", checkpoint_text(job)});
  out.write(facts.text());
  text_table operators({"OPERATOR", "IN", "LATE", "DROPPED"});
  for (const json& one : job.value("operators", json::array()))
    operators.add({text_of(one, "operator"), text_of(one, "in"), text_of(one, "late"), text_of(one, "dropped")});
  out.write("\n" + operators.text());
  text_table tasks({"TASK", "STATE", "WORKER"});
  for (const json& one : job.value("tasks", json::array()))
    tasks.add({text_of(one, "task"), text_of(one, "state"), text_of(one, "worker")});
  out.write("\n" + tasks.text());
  return outcome::good;
}

result<outcome> list_workers_of_job(const verb_words& words, output& out) {
  const auto answer = ask(words, first_argument(words), {{"command", "workers"}});
  if (!answer)
    return answer.failure();
  if (const auto* why = std::get_if<job_unreached>(&*answer))
    return say(*why);
  const json workers = std::get<json>(*answer).value("workers", json::array());
  if (words.as_json) {
    out.write(workers.dump() + "\n");
    return outcome::good;
  }
  text_table table({"WORKER", "ADDRESS", "SLOTS", "TASKS"});
  for (const json& one : workers)
    table.add({text_of(one, "worker"), text_of(one, "address"), text_of(one, "slots"), text_of(one, "tasks")});
  out.write(table.text());
  return outcome::good;
}

} // namespace weir
