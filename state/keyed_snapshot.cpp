#include <weir/state/keyed_snapshot.hpp>

#include <algorithm>

namespace weir {

status check_keyed_schema(const operator_snapshot& stored, const std::string& key_type,
                          const std::vector<state_schema>& declared) {
  if (stored.key_groups.empty())
    return {};
  if (stored.key_type != key_type)
    return error{errc::state_mismatch,
                 "expected keys of type " + key_type + ", found keys of type " + stored.key_type +
                     " in the checkpoint: restore the old key type, or give the operator a new uid "
                     "to start it empty"};
  for (const state_schema& old : stored.keyed_states) {
    const auto now = std::find_if(declared.begin(), declared.end(), [&](const state_schema& schema) {
      return schema.name == old.name;
    });
    if (now == declared.end())
      return error{errc::state_mismatch,
                   "the checkpoint holds the " + old.kind + " state '" + old.name + "' of type " +
                       old.type + ", which the operator no longer declares: declare it, or give the "
                       "operator a new uid to start it empty"};
    if (*now != old)
      return error{errc::state_mismatch,
                   "state '" + old.name + "' is declared as " + now->kind + " of type " + now->type +
                       ", but the checkpoint holds it as " + old.kind + " of type " + old.type +
                       ": restore the old type, or give the operator a new uid to start it empty"};
  }
  return {};
}

} // namespace weir
