#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <weir/base/error.hpp>
#include <weir/runtime/job_access.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/job_order.hpp>
#include <weir/runtime/job_report.hpp>
#include <weir/runtime/topology.hpp>

namespace weir {

class leadership;

/// A running topology, in this process.
///
/// weir::main starts one; a program with a main of its own, or a test, can do it, too. Several jobs
/// may run in one process, each with its own checkpoint directory.
///
/// Ownership:     destroying a job that still runs stops it and waits.
/// Thread safety: any thread.
class job {
 public:
  /// Plans the topology, opens the checkpoints, checks what connectors can check, and starts.
  ///
  /// Errors: everything that is wrong before the first record, in one message; nothing runs then.
  ///
  /// `leads`: for a job of several coordinators, that this one leads; its record has been read. The job then completes
  /// no checkpoint, and begins no attempt, when another one leads.
  static result<std::unique_ptr<job>> start(const topology& what, const job_config& config,
                                            std::shared_ptr<leadership> leads = nullptr);

  ~job();
  job(const job&) = delete;
  job& operator=(const job&) = delete;

  const std::string& name() const noexcept;

  /// Where it listens for workers (cluster.listen); 0: it does not.
  std::uint16_t port() const noexcept;

  /// Waits until the job has ended.
  job_report wait();

  /// Takes a last checkpoint and stops. Returns at once; wait() tells the outcome.
  void stop();

  /// The same, with a savepoint, or as if all input had ended; or stops without a checkpoint. See job_order. Returns at
  /// once.
  void tell(job_order order);

  /// Goes on with another parallelism, as rescale() does. Returns at once.
  void tell(rescale_order order);

  /// Gives an order and waits for what comes of it.
  template <class Order>
  typename Order::answer ask(Order order) {
    return access().ask(std::move(order));
  }

  /// Takes a checkpoint now and writes it to `file`, which refers to no other and may be moved anywhere: a job started
  /// with it as checkpoint.from goes on from there. Waits until it is on disk, or cannot be taken.
  result<completed_checkpoint> savepoint(const std::filesystem::path& file);

  /// Takes a checkpoint, stops all tasks, and starts them again from it with another parallelism of the operators that do
  /// not set their own. Waits until they run. What is wrong with it is found before anything is stopped; when something
  /// fails later, the job restarts with the parallelism that it had.
  result<rescale_outcome> rescale(std::uint32_t parallelism);

  /// Ends one instance of an operator as if it had been killed. For tests.
  void kill_task(const std::string& operator_name, std::uint32_t instance);

 private:
  struct running;

  const job_access& access() const noexcept;
  void listen(const std::filesystem::path& directory);

  explicit job(std::unique_ptr<running> content);

  std::unique_ptr<running> running_;
};

/// Starts a job with the topology's own configuration and waits until it has ended.
result<job_report> run(const topology& what);

} // namespace weir
