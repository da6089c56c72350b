#include <weir/state/keyed_snapshot.hpp>

#include <algorithm>

namespace weir {

namespace {

const char* advice = ": restore the old one, or give the operator a new uid to start it empty";

} // namespace

const migration* detail::migration_of(const row_column& column, const state_schema& stored) {
  if (column.schema.type == stored.type)
    return nullptr;
  const auto found = std::find_if(column.migrations.begin(), column.migrations.end(),
                                  [&](const migration& one) { return one.old_schema == stored.type; });
  return found == column.migrations.end() ? nullptr : &*found;
}

status check_keyed_schema(const operator_snapshot& stored, const std::string& key_type,
                          const std::vector<row_column>& declared, bool may_drop) {
  if (stored.key_groups.empty())
    return {};
  if (stored.key_type != key_type)
    return error{errc::state_mismatch, "the keys are of type " + key_type +
                                           " now, and the checkpoint holds keys of type " +
                                           stored.key_type + advice};
  for (const state_schema& old : stored.keyed_states) {
    const auto column = std::find_if(declared.begin(), declared.end(), [&](const row_column& one) {
      return one.schema.name == old.name;
    });
    if (column == declared.end()) {
      if (may_drop)
        continue;
      return error{errc::state_mismatch,
                   "the checkpoint holds the " + old.kind + " state '" + old.name + "' of type " +
                       old.type + ", which the operator no longer declares: declare it, give the "
                       "operator a new uid to start it empty, or set checkpoint.allow-dropped-state"};
    }
    const state_schema& now = column->schema;
    const std::string name = "the state '" + old.name + "' ";
    if (now.kind != old.kind)
      return error{errc::state_mismatch, name + "is declared as " + now.kind + " of type " + now.type +
                                         ", and the checkpoint holds it as " + old.kind + " of type " +
                                         old.type + advice};
    if (now.expires != old.expires)
      return error{errc::state_mismatch,
                   name + (now.expires ? "has a time to live now, and had none in the checkpoint"
                                       : "has no time to live now, and had one in the checkpoint") +
                       advice};
    if (now.type != old.type && !detail::migration_of(*column, old))
      return error{errc::state_mismatch,
                   name + "is of type " + now.type + " now, and the checkpoint holds it as " + old.type +
                       ": register a migration from the old type, restore it, or give the operator a "
                       "new uid to start it empty"};
  }
  return {};
}

} // namespace weir
