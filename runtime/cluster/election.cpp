#include <weir/runtime/cluster/election.hpp>

#include <algorithm>

namespace weir {

namespace {

constexpr std::int64_t renewals_per_lease = 3;
constexpr std::int64_t retries_per_lease = 12;

} // namespace

election::request election::next(time_point now) {
  if ((phase_ == phase::leading || phase_ == phase::claiming) && lease_ != 0 && now >= holds_until_)
    give_up_lease(now);
  if (phase_ == phase::ended || now < due_)
    return request::none;
  if (is_to_revoke_)
    return request::revoke;
  switch (phase_) {
  case phase::looking:
  case phase::standing_by: return request::look;
  case phase::claiming: return lease_ == 0 ? request::grant : request::claim;
  case phase::leading: return request::renew;
  case phase::ended: break;
  }
  return request::none;
}

void election::looked(time_point now, const election_view& view) {
  if (!began_at_)
    began_at_ = view.revision;
  if (view.ended && *view.ended > *began_at_) {
    phase_ = phase::ended;
    return;
  }
  leader_ = view.leader;
  if (leader_) {
    phase_ = phase::standing_by;
    takes_over_ = true;
    due_ = now + times_.look;
  } else if (now < claims_from_) {
    phase_ = phase::looking;
    due_ = now + times_.look;
  } else {
    phase_ = phase::claiming;
    due_ = now;
  }
}

void election::granted(time_point asked, const granted_lease& lease) {
  lease_ = lease.id;
  length_ = lease.length;
  holds_until_ = asked + length_;
  due_ = asked;
}

void election::claimed(time_point now, const elected_leader& leader) {
  leader_ = leader;
  if (leader.lease == lease_) {
    phase_ = phase::leading;
    due_ = std::min(now + length_ / renewals_per_lease, holds_until_);
    return;
  }
  takes_over_ = true;
  give_up_lease(now);
}

void election::renewed(time_point now, time_point asked, duration length) {
  if (length <= duration::zero()) {
    deposed(now);
    return;
  }
  length_ = length;
  holds_until_ = asked + length;
  due_ = std::min(asked + length_ / renewals_per_lease, holds_until_);
}

void election::revoked(time_point now) {
  is_to_revoke_ = false;
  lease_ = 0;
  due_ = now;
}

void election::unanswered(time_point now) {
  const bool has_lease = phase_ == phase::leading || (phase_ == phase::claiming && lease_ != 0);
  due_ = now + (has_lease ? length_ / retries_per_lease : times_.look);
  if (has_lease)
    due_ = std::min(due_, holds_until_);
}

void election::deposed(time_point now) {
  if (phase_ == phase::leading || phase_ == phase::claiming)
    give_up_lease(now);
}

void election::resigned(time_point now, duration pause) {
  claims_from_ = now + pause;
  deposed(now);
}

// Revoked rather than left to expire: the key may be there, and would keep everybody from leading, this one, too.
void election::give_up_lease(time_point now) {
  if (phase_ == phase::leading)
    takes_over_ = true;
  phase_ = phase::looking;
  is_to_revoke_ = lease_ != 0;
  leader_.reset();
  due_ = now;
}

} // namespace weir
