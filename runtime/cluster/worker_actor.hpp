#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/connection.hpp>
#include <weir/runtime/cluster/messages.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/replica_keeper.hpp>
#include <weir/runtime/deployment.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/option_table.hpp>

namespace weir {

/// Why a worker is not part of its cluster any more.
struct worker_end {
  enum class cause : std::uint8_t {
    released, ///< the job has ended
    refused,  ///< it does not belong there
    lost,     ///< the coordinator was, or was never found
    left,     ///< on request
  };
  cause why = cause::lost;
  bool has_joined = false;
  std::string reason;
};

struct worker_setup {
  std::shared_ptr<const topology_graph> graph;
  const option_table* options = nullptr; ///< outlives the worker; written when it joins
  job_config config;
  tcp_address coordinator;
  std::string name; ///< for messages
  std::shared_ptr<replica_directory> replicas;
  std::function<void(worker_end)> done;
};

/// Tells the coordinator what tasks of this process say about checkpoints. It has a thread of its own, since what a
/// snapshot holds may still have to be read from disk.
class snapshot_sender_actor : public actor_base {
 public:
  snapshot_sender_actor(caf::actor_config& setup, caf::actor worker);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override { worker_ = nullptr; }

 private:
  void send(const to_coordinator& message) { tell(*this, worker_, send_message{encoded_message(message)}); }

  caf::actor worker_;
};

/// A worker's end of the connection to its coordinator: runs tasks as it is told. To them it is the supervisor.
///
/// When it has lost the coordinator, or the coordinator lets it go, it stops all tasks, waits until each has let go of
/// what it held, and then calls `done`, once.
class worker_actor : public connection_actor {
 public:
  worker_actor(caf::actor_config& setup, worker_setup what);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;
  void receive(std::string_view message) override;
  void handle_loss(const std::string& reason) override;

 private:
  static constexpr std::chrono::seconds patience_with_tasks{10};

  struct hosted_task {
    std::string name;
    caf::actor actor;
    bool stopped = false;
  };

  void begin() override;
  void join(const caf::actor& registry);
  void handle(const worker_welcome& message);
  void handle(const worker_refused& message);
  void handle(const worker_released&);
  void handle(deploy_tasks& order);
  void handle(const order_to_task& order);
  void handle(order_to_keeper& order) { tell(*this, keeper_, std::move(order)); }
  void replicas_were_opened(const replicas_opened& answer);
  void make_tasks(deploy_tasks& order);
  void connect_tasks(const std::vector<planned_channel>& channels, const deploy_tasks& order);
  void task_has_stopped(const task_stopped& fact);
  void peer_has_connected(const peer_connected& fact);
  void end(worker_end::cause why, const std::string& reason);
  void end_if_stopped();
  void log_unstopped();
  template <class Fact>
  void report(const Fact& fact) {
    send(encoded_message(to_coordinator{fact}));
  }

  worker_setup setup_;
  job_config config_; // with what the coordinator says
  std::uint32_t number_ = 0;
  bool has_joined_ = false;
  caf::actor pulse_;
  std::unique_ptr<guarded_port> port_; // to which other workers connect
  caf::actor snapshots_;
  caf::actor keeper_; // of copies of checkpoints

  epoch attempt_{};
  std::uint64_t run_ = 0; // see link_greeting
  epoch stopped_attempt_{}; // a deployment of this one or an earlier one comes too late
  std::map<task_id, hosted_task> tasks_;
  std::map<std::uint32_t, caf::actor> links_; // by worker
  std::map<std::uint32_t, peer_connected> connected_; // by worker; of attempts that have not been deployed here yet
  std::optional<worker_end> ending_;
};

} // namespace weir
