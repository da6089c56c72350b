#include <weir/runtime/cluster/replica_set.hpp>

#include <algorithm>
#include <utility>

namespace weir {

void replica_set::join(keeper who, caf::actor connection) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t worker = who.worker;
  members_[worker] = {std::move(who), std::move(connection), {}};
}

void replica_set::join_without(std::uint32_t worker) {
  join({.worker = worker, .name = {}, .is_near = false, .held = {}}, nullptr);
}

void replica_set::leave(std::uint32_t worker) {
  const std::lock_guard lock(mutex_);
  auto gone = members_.extract(worker);
  if (gone.empty())
    return;
  for (auto& [number, promise] : gone.mapped().asked)
    promise.set_value(error{errc::io, "worker " + gone.mapped().who.name + " was lost"});
}

void replica_set::close() {
  std::vector<std::uint32_t> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [worker, one] : members_)
      all.push_back(worker);
  }
  for (const std::uint32_t worker : all)
    leave(worker);
}

void replica_set::answered(std::uint32_t worker, replica_answered message) {
  const std::lock_guard lock(mutex_);
  const auto found = members_.find(worker);
  if (found == members_.end())
    return;
  auto question = found->second.asked.extract(message.question);
  if (question.empty())
    return;
  found->second.who.held = std::move(message.held);
  if (message.problem.empty())
    question.mapped().set_value(std::move(message.contents));
  else
    question.mapped().set_value(error{message.code, "worker " + found->second.who.name + ": " + message.problem});
}

std::vector<replica_set::keeper> replica_set::keepers() const {
  const std::lock_guard lock(mutex_);
  std::vector<keeper> all;
  for (const auto& [worker, one] : members_)
    if (one.connection)
      all.push_back(one.who);
  std::stable_partition(all.begin(), all.end(), [](const keeper& one) { return !one.is_near; });
  return all;
}

std::size_t replica_set::workers() const {
  const std::lock_guard lock(mutex_);
  return members_.size();
}

std::future<replica_set::answer> replica_set::ask(std::uint32_t worker, replica_order order) {
  const std::uint64_t question = ++last_question_;
  bytes message = encoded_message(to_worker{order_to_keeper{question, std::move(order)}}); // it may be large
  const std::lock_guard lock(mutex_);
  const auto found = members_.find(worker);
  if (found == members_.end() || !found->second.connection) {
    std::promise<answer> failed;
    failed.set_value(error{errc::io, "the worker was lost"});
    return failed.get_future();
  }
  auto answered = found->second.asked[question].get_future();
  tell_anonymously(found->second.connection, send_message{std::move(message)});
  return answered;
}

} // namespace weir
