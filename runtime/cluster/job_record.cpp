#include <weir/runtime/cluster/job_record.hpp>

#include <algorithm>

#include <nlohmann/json.hpp>

#include <weir/base/units.hpp>

namespace weir {

namespace {

using nlohmann::json;

/// Each restart begins a run, and what is retained is in the newest ones.
constexpr std::size_t most_runs = 100;

std::string text_of(const json& content) {
  return content.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text_in(const json& of, const char* name) {
  const auto found = of.is_object() ? of.find(name) : of.end();
  return found != of.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Throws json::exception.
std::uint64_t number_in(const json& of, const char* name) {
  return of.at(name).get<std::uint64_t>();
}

} // namespace

job_keys::job_keys(const std::string& job)
    : leader("/weir/" + job + "/leader"), record("/weir/" + job + "/checkpoint"), ended("/weir/" + job + "/ended") {}

bool job_record::holds(const completed_checkpoint& checkpoint) const {
  const bool is_damaged = checkpoint.completed_at_ms == 0 && checkpoint.attempt == epoch{};
  return std::ranges::any_of(complete, [&](const run& one) {
    return (is_damaged || one.attempt == checkpoint.attempt) && one.first <= checkpoint.id && checkpoint.id <= one.last;
  });
}

void job_record::add(const completed_checkpoint& checkpoint) {
  newest = {checkpoint.id, checkpoint.attempt};
  is_last = checkpoint.last;
  if (!complete.empty() && complete.back().attempt == checkpoint.attempt)
    complete.back().last = checkpoint.id;
  else
    complete.push_back({checkpoint.attempt, checkpoint.id, checkpoint.id});
  if (complete.size() > most_runs)
    complete.erase(complete.begin());
}

void job_record::cut_after(checkpoint_identity checkpoint) {
  newest = checkpoint;
  is_last = false;
  std::erase_if(complete, [&](const run& one) { return one.first > checkpoint.id; });
  if (!complete.empty())
    complete.back().last = std::min(complete.back().last, checkpoint.id);
}

std::string encode(const job_record& record) {
  json runs = json::array();
  for (const job_record::run& one : record.complete)
    runs.push_back({{"attempt", one.attempt.value}, {"first", one.first.value}, {"last", one.last.value}});
  return text_of({{"checkpoint", record.newest.id.value},
                  {"attempt", record.newest.attempt.value},
                  {"last", record.is_last},
                  {"attempts", record.attempts.value},
                  {"complete", runs}});
}

std::string encode(const job_end& end) {
  return text_of({{"outcome", end.outcome}, {"reason", end.reason}});
}

std::string encode(const elected_leader& leader) {
  return text_of({{"name", leader.name}, {"address", leader.address}});
}

result<job_record> decode_record(const std::string& key, std::string_view text) {
  try {
    const json content = json::parse(text);
    job_record made;
    made.newest = {checkpoint_id{number_in(content, "checkpoint")}, epoch{number_in(content, "attempt")}};
    made.is_last = content.at("last").get<bool>();
    made.attempts = epoch{number_in(content, "attempts")};
    for (const json& one : content.at("complete"))
      made.complete.push_back({epoch{number_in(one, "attempt")}, checkpoint_id{number_in(one, "first")},
                               checkpoint_id{number_in(one, "last")}});
    return made;
  } catch (const json::exception& why) {
    return error{errc::corrupt, "the key " + key + " in etcd holds " + in_quotes(text.substr(0, 200)) +
                                    ", and not what a coordinator writes there (" + why.what() +
                                    "): if nothing else uses it, remove it (`etcdctl del " + key +
                                    "`); the job then goes on from the checkpoint directory of the next coordinator "
                                    "that leads"};
  }
}

job_end decode_end(std::string_view text) {
  const json content = json::parse(text, nullptr, false);
  return {text_in(content, "outcome"), text_in(content, "reason")};
}

elected_leader decode_leader(const arbiter_value& value) {
  const json content = json::parse(value.value, nullptr, false);
  return {text_in(content, "name"), text_in(content, "address"), value.lease, value.created};
}

} // namespace weir
