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
  attempt_prepared prepare(const prepare_attempt& order);

  std::shared_ptr<checkpoint_store> store_;
};

} // namespace weir
