#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include <weir/base/caf.hpp>
#include <weir/base/error.hpp>
#include <weir/runtime/cluster/protocol.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// Where a worker keeps copies of checkpoints of its job: workers/<n> in its own checkpoint.dir, the first that no other
/// process owns; without that, a temporary directory that goes with this object.
///
/// Thread safety: one thread at a time.
class replica_directory {
 public:
  explicit replica_directory(std::filesystem::path checkpoint_directory);
  ~replica_directory();
  replica_directory(const replica_directory&) = delete;
  replica_directory& operator=(const replica_directory&) = delete;

  /// Opens the copies, unless they are open. What is damaged is set aside: there are others.
  ///
  /// Errors: those of checkpoint_store::open.
  result<std::shared_ptr<checkpoint_store>> open(const std::string& job, const checkpoint_config& shared);

 private:
  result<std::filesystem::path> make_temporary();

  std::filesystem::path parent_; // empty: a temporary one
  std::filesystem::path temporary_;
  std::shared_ptr<checkpoint_store> store_;
};

/// Does what the coordinator wants of the copies of checkpoints that a worker keeps. It has a thread of its own, since
/// that blocks on the disk.
class replica_keeper_actor : public actor_base {
 public:
  replica_keeper_actor(caf::actor_config& setup, std::shared_ptr<replica_directory> directory, caf::actor worker);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  void open(const open_replicas& order);
  status read_held();
  void answer(const order_to_keeper& order);
  status carry_out(const keep_replica& order, replica_answered& answer);
  status carry_out(const fetch_replica& order, replica_answered& answer);
  status carry_out(const forget_replicas& order, replica_answered& answer);
  status carry_out(const note_attempt& order, replica_answered& answer);

  std::shared_ptr<replica_directory> directory_;
  std::shared_ptr<checkpoint_store> store_;
  replicas_held held_;
  caf::actor worker_;
};

} // namespace weir
