#include <weir/runtime/cluster/remote_task.hpp>

#include <stdexcept>
#include <utility>

#include <weir/actors/operator_error.hpp>

namespace weir {

remote_task_actor::remote_task_actor(caf::actor_config& setup, epoch attempt, task_id task, joined_worker worker,
                                     caf::actor supervisor)
    : actor_base(setup), attempt_(attempt), task_(task), worker_(std::move(worker)), supervisor_(std::move(supervisor)) {
  ignore_unknown_messages(*this);
  on_watched_end(*this, [this](const caf::actor_addr&, const std::string&) {
    tell(*this, supervisor_, task_failed{attempt_, task_, "worker " + worker_.name + " was lost", true});
    quit(); // which says that the task has stopped
  });
  watch(*this, worker_.connection);
}

caf::behavior remote_task_actor::make_behavior() {
  return {
      [this](const run_task& order) { pass_on(order); },
      [this](const probe_loop& order) { pass_on(order); },
      [this](const pass_last_watermark& order) { pass_on(order); },
      [this](const close_loop& order) { pass_on(order); },
      [this](const drain_source& order) { pass_on(order); },
      [this](const stop_task& order) { pass_on(order); },
      [this](const take_snapshot& order) { pass_on(order); },
      [this](const overtake_records& order) { pass_on(order); },
      [this](const checkpoint_completed& order) { pass_on(order); },
      [this](const checkpoint_aborted& order) { pass_on(order); },
      [this](const kill_hosted_task& order) { pass_on(order); },
  };
}

void remote_task_actor::on_exit() {
  worker_.connection = nullptr;
  supervisor_ = nullptr;
}

deploy_actor::deploy_actor(caf::actor_config& setup, deploy_tasks order, std::vector<share> shares,
                           std::shared_ptr<const checkpoint_contents> contents, caf::actor supervisor)
    : actor_base(setup), order_(std::move(order)), shares_(std::move(shares)), contents_(std::move(contents)),
      supervisor_(std::move(supervisor)) {
  on_exception(*this, [this] {
    tell(*this, supervisor_, task_failed{order_.attempt, task_id{0}, "the tasks could not be sent to their workers: " +
                                                                         current_exception_text(), false});
  });
}

caf::behavior deploy_actor::make_behavior() {
  return {
      [this](send_deployment) {
        for (const share& one : shares_)
          send(one);
        quit();
      },
  };
}

void deploy_actor::send(const share& to) {
  order_.is_restored = contents_ != nullptr;
  if (contents_) {
    order_.contents.checkpoint = contents_->checkpoint;
    order_.contents.operators.clear();
    for (const operator_snapshot& from : contents_->operators) {
      auto read = with_all_data(from, [&](key_group group) { return to.wants(from.uid, group); });
      if (!read)
        throw std::runtime_error(read.failure().message);
      order_.contents.operators.push_back(std::move(*read));
    }
  }
  tell(*this, to.worker.connection, send_message{encoded_message(to_worker{order_})});
}

} // namespace weir
