#include <weir/snapshot/checkpoint_store_actor.hpp>

#include <algorithm>
#include <utility>

namespace weir {

checkpoint_store_actor::checkpoint_store_actor(caf::actor_config& setup,
                                               std::shared_ptr<checkpoint_store> store)
    : actor_base(setup), store_(std::move(store)) {
  ignore_unknown_messages(*this);
}

void checkpoint_store_actor::on_exit() {
  store_.reset();
}

caf::behavior checkpoint_store_actor::make_behavior() {
  return {
      [this](const store_checkpoint& order) {
        auto outcome = store_->store(order.checkpoint, *order.operators, order.keep_from);
        std::optional<result<completed_checkpoint>> savepoint;
        if (outcome && !order.savepoint.empty())
          savepoint = store_->export_to(order.checkpoint.id, order.savepoint);
        answer(checkpoint_stored{order.attempt, order.checkpoint.id, std::move(outcome), std::move(savepoint)});
      },
      [this](const prepare_attempt& order) { answer(prepare(order)); },
      [this](const delete_checkpoints&) { answer(checkpoints_deleted{store_->clear()}); },
  };
}

attempt_prepared checkpoint_store_actor::prepare(const prepare_attempt& order) {
  const result<epoch> attempt = store_->begin_attempt();
  if (!attempt)
    return {attempt, nullptr, {}};
  const auto known = store_->list();
  if (!known)
    return {known.failure(), nullptr, {}};
  checkpoint_id from = order.otherwise;
  checkpoint_id highest = order.otherwise;
  for (const completed_checkpoint& checkpoint : *known) {
    highest = std::max(highest, checkpoint.id);
    if (checkpoint.attempt == order.failed)
      from = std::max(from, checkpoint.id);
  }
  if (from == checkpoint_id{})
    return {attempt, nullptr, highest};
  result<checkpoint_contents> contents = store_->load(from);
  if (!contents)
    return {contents.failure(), nullptr, {}};
  return {attempt, std::make_shared<const checkpoint_contents>(std::move(*contents)), highest};
}

} // namespace weir
