#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// Where tasks go first when there are more slots than the job needs.
enum class task_placement : std::uint8_t {
  spread, ///< to the worker with the most free slots, so that all work
  pack,   ///< to the worker that has some already, so that few channels leave a process
};

/// How the processes of a job find each other.
struct cluster_config {
  /// HOST:PORT where a coordinator waits for workers; port 0: any free one. Empty: the job runs in this process.
  std::string listen;

  /// HOST:PORT of the coordinator that a worker belongs to.
  std::string join;

  /// etcd://HOST:PORT, or several with commas between them: who says which of several coordinators leads. Empty: there
  /// is one coordinator.
  std::string ha;

  /// Under which name or address other workers reach this one. Empty: the address from which it reaches the
  /// coordinator. With `ha`, also for a coordinator: where workers reach it; empty: as `listen` says.
  std::string host;

  /// How many instances of an operator a worker takes. 0: one per core.
  std::uint32_t slots = 0;

  /// Worker processes that `run` starts on this machine. 0: none, the job runs in this process.
  std::uint32_t workers = 0;

  /// After so long without a word from it, a process is lost.
  duration timeout = std::chrono::seconds{2};

  /// How often each tells the others that it is there. At most a third of `timeout`.
  duration heartbeat = std::chrono::milliseconds{100};

  task_placement placement = task_placement::spread;

  /// Files in PEM form: the certificates of those who sign for processes of this job, this process's certificate, and
  /// the key of that. All three, and every connection is encrypted and both ends of it have shown a certificate; or none.
  std::filesystem::path tls_ca;
  std::filesystem::path tls_cert;
  std::filesystem::path tls_key;

  bool is_encrypted() const noexcept { return !tls_cert.empty(); }

  /// Whether the tasks of the job run in other processes.
  bool is_coordinator() const noexcept { return !listen.empty(); }
};

/// Whether the times go together, and the keys; see check_tls.
///
/// Errors: invalid_setting.
status check_cluster(const cluster_config& config);

} // namespace weir
