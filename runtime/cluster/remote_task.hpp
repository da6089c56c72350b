#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/base/ids.hpp>
#include <weir/runtime/cluster/protocol.hpp>

namespace weir {

/// Stands, in the coordinator's process, for a task that a worker runs: what it is told, the task is. When the worker is
/// lost, so is the task.
class remote_task_actor : public actor_base {
 public:
  remote_task_actor(caf::actor_config& setup, epoch attempt, task_id task, joined_worker worker, caf::actor supervisor);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  template <class Order>
  void pass_on(const Order& order) {
    tell(*this, worker_.connection, send_message{encoded_message(to_worker{order_to_task{attempt_, task_, order}})});
  }

  epoch attempt_;
  task_id task_;
  joined_worker worker_;
  caf::actor supervisor_;
};

/// Makes what workers need for an attempt, and sends it to them; then it ends. It has a thread of its own, since the
/// content of a checkpoint may still have to be read.
class deploy_actor : public actor_base {
 public:
  struct share {
    joined_worker worker;
    std::function<bool(const std::string& uid, key_group group)> wants; ///< of the checkpoint's keyed state
  };

  /// `order` has no contents yet: they are `contents`, which may be null.
  deploy_actor(caf::actor_config& setup, deploy_tasks order, std::vector<share> shares,
               std::shared_ptr<const checkpoint_contents> contents, caf::actor supervisor);

 protected:
  caf::behavior make_behavior() override;

 private:
  void send(const share& to);

  deploy_tasks order_;
  std::vector<share> shares_;
  std::shared_ptr<const checkpoint_contents> contents_;
  caf::actor supervisor_;
};

} // namespace weir
