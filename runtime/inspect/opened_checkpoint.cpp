#include "opened_checkpoint.hpp"

#include <algorithm>

#include <weir/base/units.hpp>
#include <weir/runtime/settings_spelling.hpp>

namespace weir {

namespace {

constexpr int attempts = 10;

} // namespace

result<opened_checkpoint> opened_checkpoint::open(const std::string& directory, std::optional<checkpoint_id> at) {
  auto reader = checkpoint_reader::open(directory);
  if (!reader)
    return std::move(reader.failure());
  // A job with short intervals may delete the newest before it is read.
  for (int left = attempts;; --left) {
    const auto known = (*reader)->ids();
    if (!known)
      return known.failure();
    if (known->empty())
      return error{errc::invalid_input, directory + " holds no complete checkpoint yet: wait until the job has "
                                                    "completed its first (checkpoint.interval)"};
    auto content = (*reader)->read_manifest(at.value_or(known->back()));
    if (content)
      return opened_checkpoint{std::move(*reader), std::move(*content)};
    const errc code = content.failure().code;
    if (at || left == 0 || (code != errc::checkpoint && code != errc::invalid_setting))
      return std::move(content.failure());
  }
}

std::string suggestion_of(const std::string& name, std::vector<std::string> known) {
  std::ranges::sort(known);
  const auto twice = std::ranges::unique(known);
  known.erase(twice.begin(), twice.end());
  std::string text;
  if (const std::string closest = closest_name(name, known); !closest.empty())
    text = "; did you mean " + in_quotes(closest) + "?";
  std::string all;
  for (const std::string& one : known)
    all += (all.empty() ? "" : ", ") + in_quotes(one);
  return text + (text.empty() ? "; there" : " There") + (all.empty() ? " are none" : " are " + all);
}

result<std::vector<state_description>> choose_states(const detail::manifest& checkpoint, const std::string& uid,
                                                     const std::string& name) {
  std::vector<state_description> states = states_of(checkpoint);
  const std::string of_checkpoint = " in checkpoint " + to_string(checkpoint.checkpoint.id);
  if (uid.empty())
    return states;
  std::vector<std::string> uids;
  for (const detail::stored_operator& one : checkpoint.operators)
    uids.push_back(one.uid);
  if (std::ranges::find(uids, uid) == uids.end())
    return error{errc::invalid_setting,
                 "there is no operator " + in_quotes(uid) + of_checkpoint + suggestion_of(uid, std::move(uids))};
  std::erase_if(states, [&](const state_description& one) { return one.uid != uid; });
  if (name.empty())
    return states;
  std::vector<std::string> names;
  for (const state_description& one : states)
    names.push_back(one.name);
  std::erase_if(states, [&](const state_description& one) { return one.name != name; });
  if (states.empty())
    return error{errc::invalid_setting, "operator " + in_quotes(uid) + " has no state " + in_quotes(name) +
                                            of_checkpoint + suggestion_of(name, std::move(names))};
  return states;
}

} // namespace weir
