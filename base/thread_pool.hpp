#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include <sys/prctl.h>

#include <caf/policy/unprofiled.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/coordinator.hpp>

namespace weir {

/// How the threads of an actor system of CAF 0.17 divide work: one queue, as with CAF's policy `sharing`, but a
/// thread that gives an actor something to do does not wake another thread for it at once, since it most often
/// comes to it sooner itself: waking takes longer than handing over a batch. It does when there is more than one
/// actor to run, and when it has not rested for a while. What still waits behind a long function is found by one of
/// the threads that have nothing to do: it looks at the queue every two milliseconds while another is busy,
/// and for a while longer. When none does, work is handed to the first that waits.
///
/// Of the threads that run out of work after having had plenty of it, one looks for more for the time that a batch
/// takes before it sleeps: two tasks, one of which is a little faster, would otherwise wake each other for every batch.
class shared_queue_policy : public caf::policy::unprofiled {
 public:
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}

    std::mutex mutex;
    std::deque<caf::resumable*> queue;
    std::condition_variable has_work; // for threads that wait until they are woken
    std::size_t idle = 0;             // so many
    std::condition_variable has_work_for_watcher;
    bool is_watched = false; // by another one, which looks from time to time
    std::size_t staying = 0; // threads that look without sleeping
    std::atomic<bool> has_queued = false; // for them: whether the queue has anything
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}

    std::uint32_t without_rest = 0; // jobs since it last had none
  };

  /// From a thread that will not run it.
  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    enqueue(d(self), job, 1);
  }
  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    enqueue(d(self->parent()), job, 1);
  }

  /// From a thread that comes back to the queue soon.
  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    enqueue(d(self->parent()), job, d(self).without_rest < busy ? 2 : 1);
  }
  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    enqueue(d(self->parent()), job, 2);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    coordinator_data& shared = d(self->parent());
    std::unique_lock lock(shared.mutex);
    if (++d(self).without_rest > very_busy && shared.queue.empty() && shared.staying == 0)
      stay(shared, lock);
    for (int looks = 0; shared.queue.empty(); ++looks) {
      d(self).without_rest = 0;
      const bool any_busy = shared.idle + 1 != self->parent()->num_workers();
      if (!shared.is_watched && (any_busy || looks < most_looks)) {
        shared.is_watched = true;
        shared.has_work_for_watcher.wait_for(lock, time_between_looks);
        shared.is_watched = false;
      } else {
        ++shared.idle;
        shared.has_work.wait(lock);
        --shared.idle;
      }
    }
    caf::resumable* const job = shared.queue.front();
    shared.queue.pop_front();
    shared.has_queued.store(!shared.queue.empty(), std::memory_order_relaxed);
    if (!shared.queue.empty())
      wake_one(shared);
    return job;
  }

  template <class Worker, class Use>
  void foreach_resumable(Worker*, Use) {}

  template <class Coordinator, class Use>
  void foreach_central_resumable(Coordinator* self, Use use) {
    coordinator_data& shared = d(self);
    const std::lock_guard lock(shared.mutex);
    for (; !shared.queue.empty(); shared.queue.pop_front())
      use(shared.queue.front());
  }

 private:
  static constexpr std::uint32_t busy = 3; // jobs without a rest
  static constexpr std::uint32_t very_busy = 8;
  static constexpr std::chrono::microseconds time_of_staying{20};
  static constexpr std::chrono::milliseconds time_between_looks{2};
  static constexpr int most_looks = 5; // while no thread has anything to do

  /// Wakes a thread if there is as much as that to do.
  static void enqueue(coordinator_data& shared, caf::resumable* job, std::size_t wake_from) {
    const std::lock_guard lock(shared.mutex);
    shared.queue.push_back(job);
    shared.has_queued.store(true, std::memory_order_relaxed);
    if (shared.queue.size() <= shared.staying)
      return;
    if (shared.queue.size() >= wake_from || !shared.is_watched)
      wake_one(shared);
  }

  /// Waits for work without sleeping, for a while.
  static void stay(coordinator_data& shared, std::unique_lock<std::mutex>& lock) {
    ++shared.staying;
    lock.unlock();
    const auto end = std::chrono::steady_clock::now() + time_of_staying;
    while (!shared.has_queued.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end)
      for (int i = 0; i < 8; ++i)
        relax();
    lock.lock();
    --shared.staying;
  }

  /// Leaves the core to its other thread for a moment.
  static void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
  }

  static void wake_one(coordinator_data& shared) {
    if (shared.idle != 0)
      shared.has_work.notify_one();
    else if (shared.is_watched)
      shared.has_work_for_watcher.notify_one();
  }
};

/// The threads, whose waits end on time: with Linux's default they last up to 50 us longer.
class thread_pool final : public caf::scheduler::coordinator<shared_queue_policy> {
 public:
  using coordinator::coordinator;

  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>) {
    return new thread_pool(system);
  }

 private:
  void start() override {
    const int slack = ::prctl(PR_GET_TIMERSLACK);
    ::prctl(PR_SET_TIMERSLACK, 1UL); // in ns; threads have that of the one that starts them
    coordinator::start();
    if (slack > 0)
      ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack));
  }
};

} // namespace weir
