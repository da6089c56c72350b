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
      [this](const read_checkpoint& order) { answer(read(order)); },
      [this](const adopt_checkpoints& order) { answer(checkpoints_adopted{adopt(order.start)}); },
      [this](const delete_checkpoints&) { answer(checkpoints_deleted{store_->clear()}); },
  };
}

attempt_prepared checkpoint_store_actor::prepare(const prepare_attempt& order) {
  const result<epoch> attempt = store_->begin_attempt();
  if (!attempt)
    return {attempt, nullptr, {}};
  checkpoint_id highest = order.otherwise;
  auto restored = newest_of(order.failed, order.otherwise, highest);
  if (!restored)
    return {restored.failure(), nullptr, {}};
  if (const status safe = store_->secure(*restored ? (*restored)->checkpoint.id : checkpoint_id{}); !safe)
    return {safe.failure(), nullptr, {}};
  return {attempt, std::move(*restored), highest};
}

result<bool> checkpoint_store_actor::adopt(checkpoint_id start) {
  auto changed = store_->catch_up();
  if (!changed || *changed)
    return changed;
  if (const status safe = store_->secure(start); !safe)
    return safe.failure();
  return false;
}

checkpoint_read checkpoint_store_actor::read(const read_checkpoint& order) {
  checkpoint_id highest;
  return {order.attempt, newest_of(order.attempt, order.otherwise, highest)};
}

result<std::shared_ptr<const checkpoint_contents>>
checkpoint_store_actor::newest_of(epoch attempt, checkpoint_id otherwise, checkpoint_id& highest) {
  const auto known = store_->list();
  if (!known)
    return known.failure();
  checkpoint_id from = otherwise;
  for (const completed_checkpoint& checkpoint : *known) {
    highest = std::max(highest, checkpoint.id);
    if (checkpoint.attempt == attempt)
      from = std::max(from, checkpoint.id);
  }
  if (from == checkpoint_id{})
    return std::shared_ptr<const checkpoint_contents>{};
  result<checkpoint_contents> contents = store_->load(from);
  if (!contents)
    return std::move(contents.failure());
  return std::make_shared<const checkpoint_contents>(std::move(*contents));
}

} // namespace weir
