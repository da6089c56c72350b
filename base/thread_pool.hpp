#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/prctl.h>

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/mailbox_element.hpp>
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
/// What an actor sends itself for later is kept here: a thread with nothing to do sleeps until the first such message
/// is due, and handles it itself, where CAF's clock would be woken to wake another thread. Threads that are busy look
/// between two jobs.
///
/// Of the threads that run out of work after having had plenty of it, one looks for more for the time that a batch
/// takes before it sleeps: two tasks, one of which is a little faster, would otherwise wake each other for every batch.
class shared_queue_policy : public caf::policy::unprofiled {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// A message that is to come later.
  struct delayed_message {
    time_point due;
    std::uint64_t number; // in the order in which they were sent, which several threads may change
    caf::strong_actor_ptr receiver;
    caf::mailbox_element_ptr content;

    /// For a heap with the earliest in front.
    friend bool operator<(const delayed_message& a, const delayed_message& b) noexcept {
      return a.due != b.due ? a.due > b.due : a.number > b.number;
    }
  };

  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}

    std::mutex mutex;
    std::deque<caf::resumable*> queue;
    std::condition_variable has_work; // for threads that wait until they are woken
    std::size_t idle = 0;             // so many
    std::condition_variable has_work_for_watcher;
    std::size_t watching = 0;                 // threads that look from time to time
    time_point next_look = time_point::max(); // when one of all that wait wakes up by itself
    std::size_t staying = 0;                  // threads that look without sleeping
    std::vector<delayed_message> delayed;     // a heap
    std::uint64_t delayed_so_far = 0;
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

  /// From the thread `self`, which comes back to the queue soon.
  template <class Worker>
  static void send_later(Worker* self, time_point due, caf::strong_actor_ptr receiver,
                         caf::mailbox_element_ptr content) {
    coordinator_data& shared = self->parent()->data();
    const std::lock_guard lock(shared.mutex);
    shared.delayed.push_back({due, shared.delayed_so_far++, std::move(receiver), std::move(content)});
    std::push_heap(shared.delayed.begin(), shared.delayed.end());
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    coordinator_data& shared = d(self->parent());
    std::unique_lock lock(shared.mutex);
    send_what_is_due(self, shared, lock);
    if (++d(self).without_rest > very_busy && shared.queue.empty() && shared.staying == 0) {
      stay(shared, lock);
      send_what_is_due(self, shared, lock);
    }
    for (int looks = 0; shared.queue.empty(); ++looks) {
      d(self).without_rest = 0;
      wait(self, shared, lock, looks < most_looks);
      send_what_is_due(self, shared, lock);
    }
    caf::resumable* const job = shared.queue.front();
    shared.queue.pop_front();
    shared.has_queued.store(!shared.queue.empty(), std::memory_order_relaxed);
    // Somebody must look while this one is away.
    if (!shared.queue.empty() || (!shared.delayed.empty() && shared.watching == 0))
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

  /// Lets the thread sleep until there may be something to do.
  template <class Worker>
  static void wait(Worker* self, coordinator_data& shared, std::unique_lock<std::mutex>& lock, bool looks_on) {
    const bool any_busy = shared.idle + shared.watching + 1 != self->parent()->num_workers();
    const bool watches = looks_on || any_busy;
    time_point next = shared.delayed.empty() ? time_point::max() : shared.delayed.front().due;
    if (watches)
      next = std::min(next, std::chrono::steady_clock::now() + time_between_looks);
    // One thread that wakes up by itself is enough, if it does in time.
    if (next < shared.next_look) {
      std::size_t& waiting = watches ? shared.watching : shared.idle;
      shared.next_look = next;
      ++waiting;
      (watches ? shared.has_work_for_watcher : shared.has_work).wait_until(lock, next);
      --waiting;
      if (shared.next_look == next)
        shared.next_look = time_point::max();
    } else {
      ++shared.idle;
      shared.has_work.wait(lock);
      --shared.idle;
    }
  }

  template <class Worker>
  static void send_what_is_due(Worker* self, coordinator_data& shared, std::unique_lock<std::mutex>& lock) {
    if (shared.delayed.empty()) [[likely]]
      return;
    const time_point now = std::chrono::steady_clock::now();
    ++shared.staying; // it comes back for what this makes ready
    while (!shared.delayed.empty() && shared.delayed.front().due <= now) {
      std::pop_heap(shared.delayed.begin(), shared.delayed.end());
      delayed_message next = std::move(shared.delayed.back());
      shared.delayed.pop_back();
      lock.unlock();
      caf::actor_cast<caf::abstract_actor*>(next.receiver)->enqueue(std::move(next.content), self);
      next.receiver = nullptr; // it may be the last reference
      lock.lock();
    }
    --shared.staying;
  }

  /// Wakes a thread if there is as much as that to do.
  static void enqueue(coordinator_data& shared, caf::resumable* job, std::size_t wake_from) {
    const std::lock_guard lock(shared.mutex);
    shared.queue.push_back(job);
    shared.has_queued.store(true, std::memory_order_relaxed);
    if (shared.queue.size() <= shared.staying)
      return;
    if (shared.queue.size() >= wake_from || shared.watching == 0)
      wake_one(shared);
  }

  /// Waits for work without sleeping, for a while.
  static void stay(coordinator_data& shared, std::unique_lock<std::mutex>& lock) {
    ++shared.staying;
    time_point end = std::chrono::steady_clock::now() + time_of_staying;
    if (!shared.delayed.empty())
      end = std::min(end, shared.delayed.front().due);
    lock.unlock();
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
    else if (shared.watching != 0)
      shared.has_work_for_watcher.notify_one();
  }
};

/// Sends a message later from the thread that runs as `where`. Returns whether it could: it must be one of the pool.
inline bool send_later_in_pool(caf::execution_unit* where, shared_queue_policy::time_point due,
                               const caf::strong_actor_ptr& receiver, caf::mailbox_element_ptr& content) {
  auto* const worker = dynamic_cast<caf::scheduler::worker<shared_queue_policy>*>(where);
  if (worker)
    shared_queue_policy::send_later(worker, due, receiver, std::move(content));
  return worker != nullptr;
}

/// The threads, whose waits end on time: with Linux's default they last up to 50 us longer.
class thread_pool final : public caf::scheduler::coordinator<shared_queue_policy> {
 public:
  using coordinator::coordinator;

  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>) {
    return new thread_pool(system);
  }

 private:
  void stop() override {
    coordinator::stop();
    data().delayed.clear(); // those who would have got them are gone
  }

  void start() override {
    const int slack = ::prctl(PR_GET_TIMERSLACK);
    ::prctl(PR_SET_TIMERSLACK, 1UL); // in ns; threads have that of the one that starts them
    coordinator::start();
    if (slack > 0)
      ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack));
  }
};

} // namespace weir
