#include <weir/runtime/cluster/local_workers.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/base/error.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/cluster/placement.hpp>
#include <weir/runtime/settings.hpp>

namespace weir {

namespace {

constexpr std::chrono::milliseconds time_between_looks{50};
constexpr std::chrono::milliseconds longest_wait{5000};
constexpr std::chrono::seconds patience{10};

/// Of each worker: more than there are cores would only take them away from each other.
std::uint32_t threads_of(const job_config& config) {
  return config.threads != 0 ? config.threads
                             : std::max(1u, std::thread::hardware_concurrency() / std::max(1u, config.cluster.workers));
}

} // namespace

local_workers::local_workers(std::uint16_t port, const job_config& config)
    : words_{"worker", "--cluster-join=127.0.0.1:" + std::to_string(port), "--cluster-slots=" + std::to_string(slots_of_local_worker(config)),
             "--threads=" + std::to_string(threads_of(config)), "--cluster-workers=0", "--cluster-listen="},
      workers_(config.cluster.workers) {
  for (const char* key : {"log.level", "log.format", "state.directory", "checkpoint.dir", "cluster.tls-ca",
                          "cluster.tls-cert", "cluster.tls-key"})
    if (std::string value = find_setting(key)->show(config); !value.empty())
      words_.push_back(flag_name(key) + "=" + value);
  thread_ = std::thread([this] { watch(); });
}

local_workers::~local_workers() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  stopping_.notify_all();
  thread_.join();
}

void local_workers::start(pid_t& worker) {
  std::vector<char*> words{const_cast<char*>("weir-worker")};
  for (std::string& word : words_)
    words.push_back(word.data());
  words.push_back(nullptr);
  const pid_t parent = ::getpid();
  worker = ::fork();
  if (worker < 0) {
    log_error("a worker cannot be started", {{"reason", errno_text(errno)}});
    worker = 0;
  } else if (worker == 0) {
    // Between fork and exec only what a signal handler may do.
    ::setpgid(0, 0); // Ctrl-C is for the job, which then takes a last checkpoint with its workers
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent)
      ::_exit(1);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execv("/proc/self/exe", words.data());
    ::_exit(127);
  }
}

/// PR_SET_PDEATHSIG is about the thread that forks, so all are started here, on the thread that lives as long as they may.
void local_workers::watch() {
  std::unique_lock lock(mutex_);
  std::chrono::milliseconds wait = time_between_looks; // until one that has ended is started again
  auto not_before = std::chrono::steady_clock::now();
  while (!is_stopping_) {
    const auto now = std::chrono::steady_clock::now();
    for (pid_t& worker : workers_) {
      int how = 0;
      if (worker != 0 && ::waitpid(worker, &how, WNOHANG) == worker) {
        log_warning("a worker process has ended and is started again",
                    {{"pid", worker}, {"exit_code", WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how)}});
        worker = 0;
        wait = std::min<std::chrono::milliseconds>(longest_wait, 2 * wait);
        not_before = now + wait;
      }
      if (worker == 0 && now >= not_before)
        start(worker);
    }
    if (now > not_before + longest_wait)
      wait = time_between_looks;
    stopping_.wait_for(lock, time_between_looks, [this] { return is_stopping_; });
  }
  // The coordinator has let those go that have joined it.
  for (const pid_t worker : workers_)
    if (worker != 0)
      ::kill(worker, SIGTERM);
  const auto end = std::chrono::steady_clock::now() + patience;
  for (const pid_t worker : workers_)
    while (worker != 0 && ::waitpid(worker, nullptr, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > end)
        ::kill(worker, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

} // namespace weir
