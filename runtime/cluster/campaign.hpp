#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <weir/runtime/cluster/arbiter.hpp>
#include <weir/runtime/cluster/election.hpp>
#include <weir/runtime/cluster/job_record.hpp>
#include <weir/runtime/cluster/leadership.hpp>

namespace weir {

/// A coordinator's part in the election of a job's leader: asks the arbiter what the rule (`election`) says, on a thread
/// of its own, to become the leader, to stay it, and to become it again.
///
/// Ownership:     destroying it gives up what it leads.
/// Thread safety: any thread.
class campaign {
 public:
  struct setup {
    std::shared_ptr<arbiter> where;
    std::string job;
    std::string name; ///< of this coordinator, for the others' messages
    election::timing times{};
  };

  explicit campaign(setup what);
  ~campaign();
  campaign(const campaign&) = delete;
  campaign& operator=(const campaign&) = delete;

  /// Waits until this coordinator leads, and has not led by this before. Null when it was told to stop, or the job has
  /// ended.
  std::shared_ptr<leadership> await();

  /// How the job has ended while this one stood by.
  std::optional<job_end> end() const;

  /// Whether another coordinator, or this one before, has led since this one began to look.
  bool takes_over() const;

  /// await() returns. Returns at once.
  void stop();

 private:
  void run();
  void ask(election::request what);
  void look(time_point asked);
  void claim();
  void renew(time_point asked);
  void tell_what_has_changed();
  time_point deadline(time_point asked) const;
  void note_unanswered(const error& why);

  const setup setup_;
  const job_keys keys_;
  election rule_; // the thread's own
  std::string told_leader_;
  bool has_complained_ = false;

  mutable std::mutex mutex_; // of the following
  std::condition_variable changed_;
  bool is_stopping_ = false;
  std::shared_ptr<leadership> leading_;
  bool is_taken_ = false;
  bool takes_over_ = false;
  std::optional<job_end> end_;

  std::thread thread_;
};

/// Where the leader of a job listens. Null when nobody leads, or it does not listen yet; `end` is set if the job has
/// ended after `since`, which is set by the first call.
struct leader_lookup {
  std::shared_ptr<arbiter> where;
  std::string job;
  std::optional<arbiter_revision> since{};

  struct found {
    std::string address;
    bool has_ended = false;
  };

  /// Errors: io.
  result<found> look(time_point deadline);
};

} // namespace weir
