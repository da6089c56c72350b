#pragma once

#include <memory>
#include <utility>

#include <weir/base/caf.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/protocol.hpp>

namespace weir {

/// Owns the checkpoint store and does its blocking work. Spawn it detached.
class checkpoint_store_actor : public actor_base {
 public:
  checkpoint_store_actor(caf::actor_config& setup, std::shared_ptr<checkpoint_store> store);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  template <class Message>
  void answer(Message message) {
    tell(*this, caf::actor_cast<caf::actor>(current_sender()), std::move(message));
  }
  result<bool> adopt(checkpoint_id start);
  attempt_prepared prepare(const prepare_attempt& order);
  checkpoint_read read(const read_checkpoint& order);

  /// Reads the newest checkpoint of an attempt, or `otherwise`; null where that is 0. Raises `highest` to the highest
  /// id that is there.
  result<std::shared_ptr<const checkpoint_contents>> newest_of(epoch attempt, checkpoint_id otherwise,
                                                               checkpoint_id& highest);

  std::shared_ptr<checkpoint_store> store_;
};

} // namespace weir
