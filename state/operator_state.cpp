#include <weir/state/operator_state.hpp>

#include <algorithm>
#include <stdexcept>

namespace weir {

void state_writer::add(list_snapshot made) {
  const bool is_known = std::any_of(lists_.begin(), lists_.end(), [&](const list_snapshot& other) {
    return other.name == made.name;
  });
  if (is_known)
    throw std::invalid_argument("the operator state '" + made.name +
                                "' is written twice: give each state of an operator its own name");
  lists_.push_back(std::move(made));
}

const std::vector<bytes>& state_reader::find(const std::string& name, const std::string& type) const {
  static const std::vector<bytes> nothing;
  claimed_.insert(name);
  const auto found = restored_.lists.find(name);
  if (found == restored_.lists.end())
    return nothing;
  if (found->second.type != type && !found->second.type.empty())
    throw std::runtime_error("the operator state '" + name + "' is of type " + type +
                             " now, and the checkpoint holds it as " + found->second.type +
                             ": restore the old type, or give the operator a new uid to start it empty");
  return found->second.items;
}

operator_list<bytes> operator_states::add_raw(std::string name, redistribution mode) {
  auto items = std::make_shared<std::vector<bytes>>();
  declared_.push_back({[name, mode, items](state_writer& out) { out.raw(name, *items, mode); },
                       [name, items](const state_reader& in) { *items = in.raw(name); }});
  return operator_list<bytes>(std::move(items));
}

void operator_states::note_name(std::string_view name) {
  if (name.starts_with("weir."))
    throw std::invalid_argument("the state '" + std::string(name) +
                                "' has a name that is Weir's own: leave `weir.` out");
  if (!names_.emplace(name).second)
    throw std::invalid_argument("the state '" + std::string(name) +
                                "' is declared twice: give each state of an operator its own name");
}

void operator_states::restore(const restored_state& restored, bool may_drop,
                              const std::function<void(const state_reader&)>& also) {
  const state_reader in(restored);
  for (const declared& one : declared_)
    one.read(in);
  also(in);
  if (may_drop)
    return;
  for (const auto& [name, list] : restored.lists)
    if (!list.items.empty() && !in.claimed().contains(name))
      throw std::runtime_error("the checkpoint holds the operator state '" + name + "' of type " +
                               list.type + ", which the operator does not restore: declare it, give the "
                               "operator a new uid to start it empty, or set "
                               "checkpoint.allow-dropped-state");
}

void operator_states::write(operator_snapshot& made) const {
  state_writer out(made.lists);
  for (const declared& one : declared_)
    one.write(out);
}

} // namespace weir
