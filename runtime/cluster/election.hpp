#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <weir/base/clock.hpp>
#include <weir/runtime/cluster/arbiter.hpp>

namespace weir {

/// Who leads, as an arbiter says.
struct elected_leader {
  std::string name;    ///< host and process
  std::string address; ///< HOST:PORT where workers join it; empty: it does not listen yet
  arbiter_lease lease = 0;
  arbiter_revision token = 0; ///< higher than that of every leader before it
};

/// What a look at the arbiter shows.
struct election_view {
  arbiter_revision revision = 0;         ///< of the arbiter's last change
  std::optional<elected_leader> leader;
  std::optional<arbiter_revision> ended; ///< when the job's last end was noted
};

/// The rule by which one of several coordinators leads: whoever makes the leader's key leads for as long as the lease
/// holds that the key is under.
///
/// The rule alone, without clock and network: it is told what time it is and what the arbiter answered, and says what to
/// ask next. A leader that cannot renew its lease stops leading by its own clock, counted from the moment it asked for
/// the last renewal, which is before the moment from which the arbiter counts.
///
/// Thread safety: one thread.
class election {
 public:
  enum class phase : std::uint8_t {
    looking,     ///< nothing is known yet, or any more
    standing_by, ///< another one leads
    claiming,    ///< nobody does
    leading,
    ended,       ///< the job has, while this one stood by
  };

  /// What to ask the arbiter next.
  enum class request : std::uint8_t { none, look, grant, claim, renew, revoke };

  struct timing {
    duration lease = std::chrono::seconds{3};
    duration look = std::chrono::milliseconds{250}; ///< between two looks
  };

  election() : election(timing{}) {}
  explicit election(timing times) : times_(times) {}

  /// What to ask now. To be called again after the answer, or at wakeup().
  request next(time_point now);

  /// When next() has something new to say without having been told anything.
  time_point wakeup() const noexcept { return due_; }

  void looked(time_point now, const election_view& view);
  void granted(time_point asked, const granted_lease& lease);

  /// `leader`: who leads after the claim.
  void claimed(time_point now, const elected_leader& leader);

  /// `length`: for how long the lease holds; zero: it is gone.
  void renewed(time_point now, time_point asked, duration length);

  void revoked(time_point now);

  /// The last request had no answer.
  void unanswered(time_point now);

  /// The lease that was asked for is not there any more, or the arbiter says that somebody else leads.
  void deposed(time_point now);

  /// The same of its own will: it claims nothing for so long, so that another one can.
  void resigned(time_point now, duration pause);

  phase now_in() const noexcept { return phase_; }
  arbiter_lease lease() const noexcept { return lease_; }

  /// Of the leader; of this one if it leads.
  const std::optional<elected_leader>& leader() const noexcept { return leader_; }

  /// Until when this one leads if it cannot renew its lease.
  time_point leads_until() const noexcept { return holds_until_; }

  /// Whether another one, or this one before, has led since this one began to look.
  bool takes_over() const noexcept { return takes_over_; }

 private:
  void give_up_lease(time_point now);

  timing times_;
  phase phase_ = phase::looking;
  time_point due_{};
  arbiter_lease lease_ = 0; // granted, or to be revoked
  bool is_to_revoke_ = false;
  duration length_{};       // of the lease
  time_point holds_until_{};
  time_point claims_from_{};
  std::optional<elected_leader> leader_;
  std::optional<arbiter_revision> began_at_;
  bool takes_over_ = false;
};

} // namespace weir
