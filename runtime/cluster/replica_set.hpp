#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/base/error.hpp>
#include <weir/runtime/cluster/protocol.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// The workers that keep copies of a job's checkpoints, as their coordinator sees them.
///
/// Thread safety: any thread.
class replica_set {
 public:
  /// A worker, and what it holds.
  struct keeper {
    std::uint32_t worker = 0;
    std::string name;
    bool is_near = false; ///< on the coordinator's machine
    replicas_held held;
  };

  using answer = result<checkpoint_contents>;

  /// A worker that keeps copies has joined; `connection` is what it is told by.
  void join(keeper who, caf::actor connection);

  /// A worker that keeps none.
  void join_without(std::uint32_t worker);

  /// It is gone, and what it was asked fails.
  void leave(std::uint32_t worker);

  /// It has answered.
  void answered(std::uint32_t worker, replica_answered message);

  /// Nobody is asked any more.
  void close();

  /// Who keeps copies: those on other machines first.
  std::vector<keeper> keepers() const;

  /// How many workers there are in all.
  std::size_t workers() const;

  /// Asks a worker. Of the contents that come, only fetch_replica has any.
  ///
  /// Errors: in the future: what the worker says, and io when it is lost before it has answered.
  std::future<answer> ask(std::uint32_t worker, replica_order order);

 private:
  struct member {
    keeper who;
    caf::actor connection; // null: it keeps no copies
    std::map<std::uint64_t, std::promise<answer>> asked; // by number of the question
  };

  mutable std::mutex mutex_;
  std::map<std::uint32_t, member> members_; // by worker
  std::atomic<std::uint64_t> last_question_ = 0;
};

} // namespace weir
