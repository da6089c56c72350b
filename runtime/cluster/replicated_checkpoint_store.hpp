#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/runtime/cluster/replica_set.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// A checkpoint store whose checkpoints are complete only when so many processes have stored them as
/// checkpoint.replicas says: this one, and workers. With this process' disk lost, catch_up() brings the last of them
/// back from there.
///
/// Whole checkpoints go to workers that join later, or instead of one that was lost; those that have what a delta adds
/// to get the delta.
///
/// Errors: as checkpoint_store; store() and secure() where there are too few workers that keep copies, or one cannot
///         store its own.
/// Cost:   while a checkpoint is sent, its encoded form is in memory for each copy.
class replicated_checkpoint_store final : public checkpoint_store {
 public:
  replicated_checkpoint_store(std::unique_ptr<checkpoint_store> own, std::shared_ptr<replica_set> replicas,
                              checkpoint_config config);

  const std::string& job() const noexcept override { return own_->job(); }
  result<epoch> continue_after(epoch last) override { return own_->continue_after(last); }
  result<epoch> begin_attempt() override;
  result<std::vector<completed_checkpoint>> list() override { return own_->list(); }
  result<checkpoint_contents> load(checkpoint_id id) override { return own_->load(id); }
  result<completed_checkpoint> store(completed_checkpoint checkpoint,
                                     const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
                                     checkpoint_id keep_from = {}) override;
  result<bool> catch_up(std::optional<checkpoint_identity> wanted = {}) override;
  status secure(checkpoint_id id) override;
  status remove(checkpoint_id id) override { return own_->remove(id); }
  status clear() override;

 private:
  using keeper = replica_set::keeper;

  std::size_t copies();
  std::vector<keeper> keepers_with(const std::optional<completed_checkpoint>& what) const;
  void tell(const std::vector<keeper>& keepers, const std::function<replica_order(const keeper&)>& order);
  void forget_above(checkpoint_id id);
  status keep(const keeper& at, keep_replica what);
  status copy_whole(const completed_checkpoint& checkpoint, std::vector<keeper> to, std::size_t wanted);
  error too_few(std::size_t copies, const std::string& problems) const;
  result<std::optional<completed_checkpoint>> find(checkpoint_id id);
  result<bool> count_attempts_on(const std::vector<keeper>& keepers);
  result<bool> take_over(const keeper& from, const completed_checkpoint& what);

  std::unique_ptr<checkpoint_store> own_;
  std::shared_ptr<replica_set> replicas_;
  checkpoint_config config_;
  bool has_begun_ = false;      // an attempt
  bool has_counted_ = false;    // attempts that workers have heard of
  bool has_had_copies_ = false; // or could have had
};

} // namespace weir
