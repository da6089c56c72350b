#include <weir/runtime/cluster/campaign.hpp>

#include <algorithm>
#include <utility>

#include <weir/base/log.hpp>

namespace weir {

namespace {

using namespace std::chrono_literals;

constexpr duration time_for_request = 2s;
constexpr duration time_to_leave = 1s;
constexpr duration time_for_others = 2s; // to claim what this one has resigned

time_point now() {
  return std::chrono::steady_clock::now();
}

} // namespace

campaign::campaign(setup what) : setup_(std::move(what)), keys_(setup_.job), rule_(setup_.times) {
  thread_ = std::thread([this] { run(); });
}

campaign::~campaign() {
  stop();
  thread_.join();
}

void campaign::stop() {
  const std::lock_guard lock(mutex_);
  is_stopping_ = true;
  changed_.notify_all();
}

std::shared_ptr<leadership> campaign::await() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_stopping_ || end_ || (leading_ && !is_taken_); });
  if (is_stopping_ || end_)
    return nullptr;
  is_taken_ = true;
  return leading_;
}

std::optional<job_end> campaign::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

bool campaign::takes_over() const {
  const std::lock_guard lock(mutex_);
  return takes_over_;
}

void campaign::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_ && !end_) {
    lock.unlock();
    if (leading_ && leading_->is_resigned())
      rule_.resigned(now(), time_for_others);
    else if (leading_ && leading_->is_over()) // by its own finding, too: what it wrote was refused
      rule_.deposed(now());
    const election::request what = rule_.next(now());
    tell_what_has_changed();
    if (what != election::request::none) {
      ask(what);
      tell_what_has_changed();
    }
    lock.lock();
    // Whoever leads looks now and then whether what it wrote was refused.
    const time_point wakeup = std::min(rule_.wakeup(), now() + setup_.times.look);
    changed_.wait_until(lock, wakeup, [this] { return is_stopping_; });
  }
  lock.unlock();
  if (leading_)
    leading_->end("it was told to stop");
  if (rule_.lease() != 0)
    if (const status left = setup_.where->revoke(rule_.lease(), now() + time_to_leave); !left)
      log_debug("a lease is left to expire", {{"reason", left.failure().message}});
}

time_point campaign::deadline(time_point asked) const {
  return rule_.now_in() == election::phase::leading ? std::min(rule_.leads_until(), asked + time_for_request)
                                                    : asked + time_for_request;
}

void campaign::note_unanswered(const error& why) {
  rule_.unanswered(now());
  if (!std::exchange(has_complained_, true))
    log_warning("etcd does not answer; it is asked until it does", {{"job", setup_.job}, {"reason", why.message}});
}

void campaign::ask(election::request what) {
  const time_point asked = now();
  switch (what) {
  case election::request::none: return;
  case election::request::look: look(asked); return;
  case election::request::grant:
    if (const auto granted = setup_.where->grant(setup_.times.lease, deadline(asked)))
      rule_.granted(asked, *granted);
    else
      note_unanswered(granted.failure());
    return;
  case election::request::claim: claim(); return;
  case election::request::renew: renew(asked); return;
  case election::request::revoke:
    if (const status revoked = setup_.where->revoke(rule_.lease(), deadline(asked)))
      rule_.revoked(now());
    else
      note_unanswered(revoked.failure());
    return;
  }
}

void campaign::look(time_point asked) {
  const auto answer = setup_.where->carry_out({{}, {}, {keys_.leader, keys_.ended}}, deadline(asked));
  if (!answer) {
    note_unanswered(answer.failure());
    return;
  }
  has_complained_ = false;
  election_view view{answer->revision, {}, {}};
  if (const arbiter_value& leader = answer->at(keys_.leader); leader.exists())
    view.leader = decode_leader(leader);
  const arbiter_value& ended = answer->at(keys_.ended);
  if (ended.exists())
    view.ended = ended.changed;
  rule_.looked(now(), view);
  if (rule_.now_in() == election::phase::ended) {
    const std::lock_guard lock(mutex_);
    end_ = decode_end(ended.value);
    changed_.notify_all();
  }
}

void campaign::claim() {
  elected_leader self;
  self.name = setup_.name;
  self.lease = rule_.lease();
  const auto answer =
      setup_.where->carry_out({{{keys_.leader, arbiter_transaction::condition::of::created, 0}},
                               {{keys_.leader, encode(self), self.lease}},
                               {keys_.leader}},
                              std::min(rule_.leads_until(), deadline(now())));
  if (answer)
    rule_.claimed(now(), decode_leader(answer->at(keys_.leader)));
  else if (answer.failure().code == errc::in_use)
    rule_.deposed(now());
  else
    note_unanswered(answer.failure());
}

/// The lease alone is not enough: somebody may have removed the key.
void campaign::renew(time_point asked) {
  const auto length = setup_.where->renew(rule_.lease(), deadline(asked));
  if (!length) {
    note_unanswered(length.failure());
    return;
  }
  has_complained_ = false;
  const arbiter_revision token = rule_.leader()->token;
  rule_.renewed(now(), asked, *length);
  if (rule_.now_in() != election::phase::leading)
    return;
  leading_->extend(rule_.leads_until());
  const auto leader = setup_.where->carry_out({{}, {}, {keys_.leader}}, deadline(now()));
  if (leader && leader->at(keys_.leader).created != token)
    rule_.deposed(now());
}

void campaign::tell_what_has_changed() {
  const election::phase phase = rule_.now_in();
  const std::string leader = phase == election::phase::standing_by ? rule_.leader()->name : std::string();
  if (leading_ && phase != election::phase::leading) {
    leading_->end("it could not renew its lease, or has lost it");
    const std::lock_guard lock(mutex_);
    leading_.reset();
  }
  if (phase == election::phase::standing_by && leader != std::exchange(told_leader_, leader))
    log_info("standing by: another coordinator leads", {{"job", setup_.job}, {"leader", leader}});
  if (phase == election::phase::leading && !leading_) {
    told_leader_.clear();
    log_info("this coordinator leads", {{"job", setup_.job}, {"token", rule_.leader()->token}});
    const std::lock_guard lock(mutex_);
    leading_ = std::make_shared<leadership>(setup_.where, keys_, *rule_.leader(), rule_.leads_until());
    is_taken_ = false;
    takes_over_ = rule_.takes_over();
    changed_.notify_all();
  }
}

result<leader_lookup::found> leader_lookup::look(time_point deadline) {
  const job_keys keys(job);
  const auto answer = where->carry_out({{}, {}, {keys.leader, keys.ended}}, deadline);
  if (!answer)
    return answer.failure();
  if (!since)
    since = answer->revision;
  return found{decode_leader(answer->at(keys.leader)).address, answer->at(keys.ended).changed > *since};
}

} // namespace weir
