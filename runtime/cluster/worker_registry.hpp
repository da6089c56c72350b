#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <weir/base/caf.hpp>
#include <weir/runtime/cluster/connection.hpp>
#include <weir/runtime/cluster/protocol.hpp>
#include <weir/runtime/cluster/replica_set.hpp>
#include <weir/runtime/cluster/shared_settings.hpp>

namespace weir {

/// What a coordinator knows of its job before any worker comes.
struct registry_setup {
  std::string job;
  std::uint64_t digest = 0;  ///< see topology_digest
  std::uint64_t program = 0; ///< see program_digest
  setting_texts settings;
  bool is_stored = false;
  std::shared_ptr<replica_set> replicas; ///< the workers that keep copies of checkpoints; null: none are to
  duration patience{};                   ///< with workers that come later than the first
  cluster_config config;
};

/// The coordinator's end of a worker's connection. Passes on what tasks say to the supervisor and the checkpoint
/// coordinator of the attempt.
class worker_connection : public connection_actor {
 public:
  worker_connection(caf::actor_config& setup, const cluster_config& config, joined_worker worker, worker_welcome welcome,
                    const caf::actor& peer, caf::actor registry, std::shared_ptr<replica_set> replicas);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;
  void begin() override;
  void receive(std::string_view message) override;
  void handle_loss(const std::string& reason) override;

 private:
  void handle(const worker_hello&) {}
  void handle(worker_joined& fact);
  void handle(replica_answered& fact);
  void handle(const peer_lost& fact);
  void handle(const worker_leaves& fact);
  void handle(snapshot_sent& fact);
  void handle(const snapshot_failed& fact) { tell(*this, coordinator_, fact); }
  void handle(const completion_handled& fact) { tell(*this, coordinator_, fact); }
  template <class Fact>
  void handle(const Fact& fact) {
    tell(*this, supervisor_, fact);
  }

  joined_worker worker_;
  worker_welcome welcome_;
  caf::actor first_peer_;
  caf::actor registry_;
  std::shared_ptr<replica_set> replicas_;
  caf::actor supervisor_;
  caf::actor coordinator_;
  bool is_released_ = false;
  bool is_leaving_ = false;
};

/// Whom workers ask to be let in, and who knows those that were. Published; lives as long as the job.
class worker_registry_actor : public actor_base {
 public:
  worker_registry_actor(caf::actor_config& setup, registry_setup what);

 protected:
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  struct claim {
    caf::actor by;
    std::uint32_t slots;
  };

  void admit(const bytes& greeting, const caf::actor& from);
  void serve(const client_text& request, const caf::actor& client);
  void confirm(const worker_confirmed& fact);
  void answer(const caf::actor& who, const to_worker& message);
  void refuse(const caf::actor& who, const std::string& reason);
  void answer_claim();
  void say_what_is_missing();
  void quit_if_done();
  std::uint32_t free_slots() const;

  registry_setup setup_;
  std::map<std::uint32_t, joined_worker> admitted_; // by number, until they have heard of it
  std::map<std::uint32_t, joined_worker> workers_;  // by number
  request_handler handle_; // of clients; empty: the job does not listen to them yet, or not any more
  std::set<caf::actor_addr> clients_;
  std::uint32_t last_ = 0;
  std::optional<claim> claim_;
  bool has_waited_ = false; // for those who come a little later than the first
  bool is_released_ = false;
};

} // namespace weir
