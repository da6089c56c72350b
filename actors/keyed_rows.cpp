#include <weir/actors/keyed_rows.hpp>

namespace weir {

keyed_state_setup keyed_setup(const operator_context& context) {
  return {groups_of(context.instance, context.parallelism, context.key_groups), context.key_groups,
          context.state, context.allow_dropped_state, context.incremental, context.buffers};
}

} // namespace weir
