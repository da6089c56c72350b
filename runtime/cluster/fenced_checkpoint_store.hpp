#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/runtime/cluster/job_record.hpp>
#include <weir/runtime/cluster/leadership.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// The checkpoints of a job that several coordinators may lead, each with a store of its own or all with one: complete is
/// what the job's record at the arbiter says, and only the leader writes that. A checkpoint is stored first, and then
/// the record is swapped; where that fails, because another one leads, the checkpoint is removed.
///
/// What the inner store holds beyond that, such as what a coordinator stored when it did not lead any more, is not
/// shown. Attempts are counted in the record, so that they grow across all coordinators.
///
/// A job without a record has run without an arbiter so far: all that the inner store holds is complete, and with the
/// first thing that is written it is in the record.
///
/// Errors:        as checkpoint_store, and those of leadership. While wanted() names a checkpoint, list() and load() are
///                errors of errc::checkpoint: the job does not silently start from an older one.
/// Cost:          store(), begin_attempt() and clear() ask the arbiter, and wait until it is known what has come of it.
class fenced_checkpoint_store final : public checkpoint_store {
 public:
  /// `inner` is the store in `directory`, with copies elsewhere or not; `leads` has read the record.
  static result<std::unique_ptr<fenced_checkpoint_store>> open(std::unique_ptr<checkpoint_store> inner,
                                                               std::filesystem::path directory,
                                                               std::shared_ptr<leadership> leads);

  /// The last complete checkpoint, if the inner store does not have it: until catch_up() has brought it there.
  result<std::optional<checkpoint_identity>> wanted();

  const std::string& job() const noexcept override { return inner_->job(); }
  result<epoch> continue_after(epoch last) override;
  result<epoch> begin_attempt() override;
  result<std::vector<completed_checkpoint>> list() override;
  result<checkpoint_contents> load(checkpoint_id id) override;
  result<completed_checkpoint> store(completed_checkpoint checkpoint,
                                     const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
                                     checkpoint_id keep_from = {}) override;
  result<bool> catch_up(std::optional<checkpoint_identity> wanted = {}) override;
  status secure(checkpoint_id id) override { return inner_->secure(id); }
  status remove(checkpoint_id id) override;
  status clear() override;

 private:
  fenced_checkpoint_store(std::unique_ptr<checkpoint_store> inner, std::filesystem::path directory,
                          std::shared_ptr<leadership> leads)
      : inner_(std::move(inner)), directory_(std::move(directory)), leads_(std::move(leads)) {}

  bool is_complete(const completed_checkpoint& checkpoint) const;

  /// The record, which is made if there is none.
  result<job_record> ensure_record();
  status remove_unfinished();
  error missing_here(const checkpoint_identity& checkpoint) const;

  std::unique_ptr<checkpoint_store> inner_;
  std::filesystem::path directory_;
  std::shared_ptr<leadership> leads_;
};

} // namespace weir
