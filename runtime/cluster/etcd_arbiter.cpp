#include <weir/runtime/cluster/etcd_arbiter.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include <weir/base/units.hpp>
#include <weir/runtime/cluster/base64.hpp>
#include <weir/runtime/cluster/etcd_client.hpp>

namespace weir {

namespace {

using nlohmann::json;

constexpr unsigned http_ok = 200;
constexpr int grpc_not_found = 5;

/// etcd writes 64-bit numbers as texts, and leaves out what is 0.
std::int64_t number_in(const json& of, const char* name) {
  if (!of.is_object())
    return 0;
  const auto found = of.find(name);
  if (found == of.end())
    return 0;
  if (found->is_number_integer())
    return found->get<std::int64_t>();
  const auto read = found->is_string() ? parse_integer(found->get_ref<const std::string&>()) : result<std::int64_t>(0);
  return read ? *read : 0;
}

json part_of(const json& of, const char* name) {
  return of.is_object() ? of.value(name, json()) : json();
}

error unexpected(const std::string& path, const etcd_client::answer& answer) {
  return {errc::io, "etcd answered " + path + " with HTTP code " + std::to_string(answer.code) + " and " +
                        in_quotes(std::string_view{answer.body}.substr(0, 200)) +
                        ": expected etcd 3.4 or later, without TLS and passwords, at this address"};
}

class etcd_arbiter final : public arbiter {
 public:
  explicit etcd_arbiter(std::vector<tcp_address> members) : client_(std::move(members)) {}

  result<granted_lease> grant(duration length, time_point deadline) override {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(length).count();
    const auto answer = ask("/v3/lease/grant", {{"TTL", std::to_string(seconds)}}, deadline);
    if (!answer)
      return answer.failure();
    const granted_lease granted{number_in(*answer, "ID"), std::chrono::seconds{number_in(*answer, "TTL")}};
    if (granted.id == 0 || granted.length <= duration::zero())
      return error{errc::io, "etcd granted no lease, but answered " + in_quotes(answer->dump().substr(0, 200))};
    return granted;
  }

  result<duration> renew(arbiter_lease lease, time_point deadline) override {
    const auto answer = ask("/v3/lease/keepalive", {{"ID", std::to_string(lease)}}, deadline);
    if (!answer)
      return answer.failure();
    const json renewed = part_of(*answer, "result");
    if (number_in(renewed, "ID") != lease)
      return error{errc::io, "etcd renewed no lease, but answered " + in_quotes(answer->dump().substr(0, 200))};
    return duration{std::chrono::seconds{number_in(renewed, "TTL")}};
  }

  status revoke(arbiter_lease lease, time_point deadline) override {
    const auto answer = ask("/v3/lease/revoke", {{"ID", std::to_string(lease)}}, deadline);
    if (!answer && answer.failure().code != errc::in_use)
      return answer.failure();
    return {};
  }

  result<arbiter_answer> carry_out(const arbiter_transaction& what, time_point deadline) override {
    json compare = json::array(), success = json::array(), failure = json::array();
    for (const auto& [key, of, expected] : what.conditions) {
      const bool is_created = of == arbiter_transaction::condition::of::created;
      compare.push_back({{"key", to_base64(key)},
                         {"result", "EQUAL"},
                         {"target", is_created ? "CREATE" : "MOD"},
                         {is_created ? "create_revision" : "mod_revision", std::to_string(expected)}});
    }
    for (const auto& [key, value, lease, removes] : what.writes)
      if (removes)
        success.push_back({{"requestDeleteRange", {{"key", to_base64(key)}}}});
      else
        success.push_back({{"requestPut",
                            {{"key", to_base64(key)}, {"value", to_base64(value)}, {"lease", std::to_string(lease)}}}});
    for (const std::string& key : what.keys) {
      const json read = {{"requestRange", {{"key", to_base64(key)}}}};
      success.push_back(read);
      failure.push_back(read);
    }
    const auto answer = ask("/v3/kv/txn", {{"compare", compare}, {"success", success}, {"failure", failure}}, deadline);
    if (!answer)
      return answer.failure();
    return read_answer(what, *answer);
  }

 private:
  /// What etcd does not find is errc::in_use: it was there, and somebody else has it now, or nobody.
  result<json> ask(const std::string& path, const json& request, time_point deadline) {
    const auto answer = client_.post(path, request.dump(), deadline);
    if (!answer)
      return answer.failure();
    json content = json::parse(answer->body, nullptr, false);
    if (answer->code != http_ok && number_in(content, "code") == grpc_not_found)
      return error{errc::in_use, "etcd answered " + path + " with " + in_quotes(answer->body.substr(0, 200))};
    if (answer->code != http_ok || !content.is_object())
      return unexpected(path, *answer);
    return content;
  }

  static result<arbiter_answer> read_answer(const arbiter_transaction& what, const json& answer) {
    const auto nonsense = [&] {
      return error{errc::io, "etcd's answer to a transaction makes no sense: " + in_quotes(answer.dump().substr(0, 300))};
    };
    arbiter_answer made;
    made.done = part_of(answer, "succeeded") == json(true);
    made.revision = number_in(part_of(answer, "header"), "revision");
    if (made.revision <= 0)
      return nonsense();
    const json parts = part_of(answer, "responses");
    const std::size_t before = made.done ? what.writes.size() : 0;
    if ((!parts.is_array() && !parts.is_null()) || parts.size() != before + what.keys.size())
      return nonsense();
    for (std::size_t i = 0; i < what.keys.size(); ++i) {
      const json range = part_of(parts[before + i], "response_range");
      arbiter_value& found = made.values[what.keys[i]];
      if (!range.is_object())
        return nonsense();
      const json entries = part_of(range, "kvs");
      if (!entries.is_array() || entries.empty())
        continue;
      const json& entry = entries.front();
      found.created = number_in(entry, "create_revision");
      found.changed = number_in(entry, "mod_revision");
      found.lease = number_in(entry, "lease");
      const json text = part_of(entry, "value");
      const auto value = from_base64(text.is_string() ? text.get<std::string>() : std::string());
      if (!value || found.created <= 0 || found.changed <= 0)
        return nonsense();
      found.value = *value;
    }
    return made;
  }

  etcd_client client_;
};

} // namespace

result<std::shared_ptr<arbiter>> connect_to_etcd(std::string_view members) {
  auto parsed = parse_etcd_members(members);
  if (!parsed)
    return std::move(parsed.failure());
  return std::shared_ptr<arbiter>(std::make_shared<etcd_arbiter>(std::move(*parsed)));
}

} // namespace weir
