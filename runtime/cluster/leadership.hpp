#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <weir/runtime/cluster/arbiter.hpp>
#include <weir/runtime/cluster/job_record.hpp>

namespace weir {

/// The time in which one coordinator leads, from its election to the loss of its lease. Everything that it writes at the
/// arbiter is written under the condition that its token is still the leader's, so one that wrongly believes to lead
/// writes nothing.
///
/// Thread safety: any thread; of reading and writing the record one at a time.
/// Errors:        in_use when it is over, and what was to be written is not and will not be. io when it is over and
///                nobody has answered whether it was written. corrupt when the record is not a leader's.
/// Cost:          a write blocks until its outcome is known, or leading is over.
class leadership {
 public:
  /// `self` leads until `until`, unless extended.
  leadership(std::shared_ptr<arbiter> where, job_keys keys, elected_leader self, time_point until);

  arbiter_revision token() const noexcept { return self_.token; }

  /// Whether it is lost: somebody else leads, or may by now.
  bool is_over() const noexcept;

  /// Why it is over; empty where only the clock says so.
  std::string end_reason() const;

  /// Called once, when it is over, on any thread; at once if it is. Empty: not any more, and no call runs on return.
  void on_end(std::function<void()> tell);

  /// Reads the job's record; to be done before it is asked for. There is none before the job's first start.
  status read_record();
  const std::optional<job_record>& record() const noexcept { return record_; }

  /// Compares with what was read or written last, and swaps. After an error record() is what has been found, if anything
  /// has.
  status write_record(const job_record& wanted);

  /// Tells workers where this coordinator listens.
  status announce(const std::string& address);

  /// Tells those that stand by that the job has ended, and leads no more. Tries for a second or two.
  status note_end(const job_end& how);

  /// Ends it of this coordinator's own will, so that another one may lead.
  void resign(const std::string& why);
  bool is_resigned() const noexcept { return is_resigned_; }

  /// For whoever keeps the lease.
  void extend(time_point until) noexcept { until_ = until.time_since_epoch().count(); }
  void end(const std::string& why);

 private:
  time_point deadline() const noexcept;
  error over(bool may_be_written);
  arbiter_transaction::condition still_leads() const;

  /// Carries out what only the leader may, until somebody answers.
  result<arbiter_answer> insist(const arbiter_transaction& what, bool& may_be_written);

  const std::shared_ptr<arbiter> arbiter_;
  const job_keys keys_;
  const elected_leader self_;
  std::atomic<time_point::rep> until_;
  std::atomic<bool> is_ended_{false};
  std::atomic<bool> is_resigned_{false};
  std::optional<job_record> record_;
  arbiter_revision record_changed_ = 0;
  mutable std::mutex mutex_; // of the following
  std::function<void()> tell_end_;
  std::string why_;
};

} // namespace weir
