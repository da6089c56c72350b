#include <weir/runtime/cluster/replicated_checkpoint_store.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <tuple>
#include <utility>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>

namespace weir {

namespace {

using answer = replica_set::answer;

bool is_same(const completed_checkpoint& a, const completed_checkpoint& b) {
  return a.id == b.id && a.attempt == b.attempt && a.completed_at_ms == b.completed_at_ms;
}

bool holds(const replica_set::keeper& who, const completed_checkpoint& what) {
  return std::ranges::any_of(who.held.checkpoints, [&](const auto& one) { return is_same(one, what); });
}

/// What a keeper has to delete before it can take a checkpoint with this number.
std::vector<checkpoint_id> in_the_way(const replica_set::keeper& of, checkpoint_id id) {
  std::vector<checkpoint_id> all;
  for (const completed_checkpoint& one : of.held.checkpoints)
    if (one.id >= id)
      all.push_back(one.id);
  return all;
}

constexpr std::chrono::seconds longest_wait_for_news{10};

/// Whoever was asked answers, or is lost; a disk that hangs is given up.
result<checkpoint_contents> wait_for(std::future<answer>& asked, const std::string& name, duration patience) {
  if (asked.wait_for(patience) != std::future_status::ready)
    return error{errc::io, "worker " + name + " has not answered for " + duration_text(patience) +
                               ": look at its disk"};
  return asked.get();
}

} // namespace

replicated_checkpoint_store::replicated_checkpoint_store(std::unique_ptr<checkpoint_store> own,
                                                         std::shared_ptr<replica_set> replicas, checkpoint_config config)
    : own_(std::move(own)), replicas_(std::move(replicas)), config_(std::move(config)) {}

std::size_t replicated_checkpoint_store::copies() {
  if (config_.replicas != 0)
    return config_.replicas - 1;
  const std::vector<keeper> keepers = replicas_->keepers();
  // What has had a copy goes on having one, also while one of two workers is away.
  has_had_copies_ |= replicas_->workers() >= 2 ||
                     std::ranges::any_of(keepers, [](const keeper& one) { return !one.held.checkpoints.empty(); });
  return has_had_copies_ && !keepers.empty() ? 1 : 0;
}

/// Tells these keepers, and waits for them. It is for the time after this process is lost, so whoever cannot be told does
/// not hold up the others.
void replicated_checkpoint_store::tell(const std::vector<keeper>& keepers,
                                       const std::function<replica_order(const keeper&)>& order) {
  std::vector<std::future<answer>> asked;
  for (const keeper& one : keepers)
    asked.push_back(replicas_->ask(one.worker, order(one)));
  for (std::size_t i = 0; i < asked.size(); ++i)
    if (const auto told = wait_for(asked[i], keepers[i].name, std::min<duration>(config_.timeout, longest_wait_for_news));
        !told)
      log_warning("a worker that keeps copies of checkpoints could not be told something",
                  {{"job", job()}, {"worker", keepers[i].name}, {"reason", told.failure().message}});
}

/// Has all keepers delete what they hold above `id`: it did not become complete, or is not gone on from.
void replicated_checkpoint_store::forget_above(checkpoint_id id) {
  std::vector<keeper> with_more;
  for (keeper& one : replicas_->keepers())
    if (!in_the_way(one, id.next()).empty())
      with_more.push_back(std::move(one));
  tell(with_more, [&](const keeper& one) { return forget_replicas{in_the_way(one, id.next())}; });
}

status replicated_checkpoint_store::keep(const keeper& at, keep_replica what) {
  if (auto old = in_the_way(at, what.checkpoint.id); !old.empty()) {
    log_warning("a worker deletes copies of checkpoints that this job does not go on from",
                {{"job", job()}, {"worker", at.name}, {"checkpoints", old.size()}});
    auto asked = replicas_->ask(at.worker, forget_replicas{std::move(old)});
    if (auto done = wait_for(asked, at.name, config_.timeout); !done)
      return std::move(done.failure());
  }
  auto asked = replicas_->ask(at.worker, std::move(what));
  if (auto done = wait_for(asked, at.name, config_.timeout); !done)
    return std::move(done.failure());
  return {};
}

error replicated_checkpoint_store::too_few(std::size_t copies, const std::string& problems) const {
  return {errc::io, "expected " + std::to_string(copies) + " of " + std::to_string(replicas_->workers()) +
                                " workers to keep a copy (checkpoint.replicas)" +
                                (problems.empty() ? ", and there are too few that can: start more workers" : problems)};
}

/// Has `wanted` of these workers store all of a checkpoint that this process has.
status replicated_checkpoint_store::copy_whole(const completed_checkpoint& checkpoint, std::vector<keeper> to,
                                               std::size_t wanted) {
  if (wanted == 0)
    return {};
  std::string problems;
  const auto contents = own_->load(checkpoint.id);
  if (!contents)
    return contents.failure();
  keep_replica whole{contents->checkpoint, {}, {}};
  for (const operator_snapshot& one : contents->operators) {
    auto read = with_all_data(one, [](key_group) { return true; });
    if (!read)
      return std::move(read.failure());
    whole.operators.push_back(std::make_shared<const operator_snapshot>(std::move(*read)));
  }
  for (const keeper& one : to) {
    if (const status kept = keep(one, whole); !kept)
      problems += (problems.empty() ? ": " : "; ") + kept.failure().message;
    else if (log_info("a worker keeps copies of checkpoints from now on",
                      {{"job", job()}, {"worker", one.name}, {"checkpoint", to_string(checkpoint.id)}});
             --wanted == 0)
      return {};
  }
  return too_few(wanted, problems);
}

/// Those first that hold this checkpoint, so that the same go on keeping copies; but before all on other machines.
std::vector<replica_set::keeper>
replicated_checkpoint_store::keepers_with(const std::optional<completed_checkpoint>& what) const {
  std::vector<keeper> all = replicas_->keepers();
  if (what)
    std::ranges::stable_partition(all, [&](const keeper& one) { return holds(one, *what); });
  std::ranges::stable_partition(all, [](const keeper& one) { return !one.is_near; });
  return all;
}

result<completed_checkpoint> replicated_checkpoint_store::store(
    completed_checkpoint checkpoint, const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
    checkpoint_id keep_from) {
  std::size_t wanted = has_begun_ ? copies() : 0; // what is there before, the first attempt secures
  if (wanted == 0)
    return own_->store(checkpoint, operators, keep_from);
  const auto known = own_->list();
  if (!known)
    return known.failure();
  // Until all have it, the newest complete one is not to go.
  std::optional<completed_checkpoint> newest;
  if (!known->empty()) {
    newest = known->back();
    keep_from = keep_from == checkpoint_id{} ? newest->id : std::min(keep_from, newest->id);
  }
  checkpoint_id base;
  for (const auto& one : operators)
    base = std::max(base, one->base);
  const auto known_base = std::ranges::find(*known, base, &completed_checkpoint::id);

  // Those that can take it as it is do so while this process stores its own.
  std::vector<keeper> others;
  std::vector<std::pair<keeper, std::future<answer>>> asked;
  std::size_t place = 0;
  for (keeper& one : keepers_with(newest)) {
    const bool has_base = base == checkpoint_id{} || (known_base != known->end() && holds(one, *known_base));
    if (place++ < wanted && has_base && in_the_way(one, checkpoint.id).empty())
      asked.emplace_back(one, replicas_->ask(one.worker, keep_replica{checkpoint, operators, keep_from}));
    else
      others.push_back(std::move(one));
  }
  auto stored = own_->store(checkpoint, operators, keep_from);
  std::string problems;
  for (auto& [who, future] : asked)
    if (const auto done = wait_for(future, who.name, config_.timeout))
      --wanted;
    else
      problems += (problems.empty() ? "" : "; ") + done.failure().message;
  if (!problems.empty())
    log_warning("a worker could not keep a copy of a checkpoint", {{"job", job()}, {"reason", problems}});
  if (!stored) {
    forget_above(newest ? newest->id : checkpoint_id{});
    return stored;
  }
  if (const status copied = copy_whole(*stored, std::move(others), wanted); !copied) {
    forget_above(newest ? newest->id : checkpoint_id{});
    if (const status removed = own_->remove(checkpoint.id); !removed)
      log_warning("a checkpoint that is not complete is left", {{"job", job()}, {"reason", removed.failure().message}});
    return in_context("checkpoint " + to_string(checkpoint.id) + " could not be stored", copied.failure());
  }
  return stored;
}

result<std::optional<completed_checkpoint>> replicated_checkpoint_store::find(checkpoint_id id) {
  const auto known = own_->list();
  if (!known)
    return known.failure();
  const auto found = std::ranges::find(*known, id, &completed_checkpoint::id);
  if (found == known->end())
    return std::optional<completed_checkpoint>{};
  return std::optional{*found};
}

result<epoch> replicated_checkpoint_store::begin_attempt() {
  has_begun_ = true;
  return own_->begin_attempt();
}

status replicated_checkpoint_store::secure(checkpoint_id id) {
  forget_above(id);
  const auto attempt = own_->continue_after({});
  if (!attempt)
    return attempt.failure();
  tell(replicas_->keepers(), [&](const keeper&) { return note_attempt{*attempt}; });
  const std::size_t wanted = copies();
  const auto what = find(id);
  if (!what)
    return what.failure();
  if (!*what || wanted == 0)
    return {};
  // Copies are to be where new ones will go.
  std::vector<keeper> to;
  std::size_t place = 0, missing = 0, copies_there = 0;
  for (keeper& one : keepers_with(*what)) {
    const bool has_it = holds(one, **what);
    copies_there += has_it;
    missing += place++ < wanted && !has_it;
    if (!has_it)
      to.push_back(std::move(one));
  }
  missing += wanted - std::min(wanted, place);
  status copied = copy_whole(**what, std::move(to), missing);
  if (copied || copies_there < wanted)
    return copied;
  log_warning("a worker on another machine could not take a copy", {{"job", job()}, {"reason", copied.failure().message}});
  return {};
}

status replicated_checkpoint_store::clear() {
  if (status cleared = own_->clear(); !cleared)
    return cleared;
  forget_above({});
  return {};
}

/// Counts on from what workers have heard of. Whether this process has lost that.
result<bool> replicated_checkpoint_store::count_attempts_on(const std::vector<keeper>& keepers) {
  const auto own = own_->continue_after({});
  if (!own)
    return own.failure();
  epoch last;
  for (const keeper& one : keepers) {
    last = std::max(last, one.held.attempt);
    for (const completed_checkpoint& checkpoint : one.held.checkpoints)
      last = std::max(last, checkpoint.attempt);
  }
  // In the first call, no worker has heard of an attempt that this process has begun.
  const bool may_be_own = std::exchange(has_counted_, true) || !has_begun_;
  if (last < *own || (may_be_own && last == *own))
    return false;
  if (const auto counted = own_->continue_after(last); !counted)
    return counted.failure();
  return true;
}

result<bool> replicated_checkpoint_store::take_over(const keeper& from, const completed_checkpoint& what) {
  const auto known = own_->list();
  if (!known)
    return known.failure();
  auto asked = replicas_->ask(from.worker, fetch_replica{what.id});
  auto contents = wait_for(asked, from.name, config_.timeout);
  if (!contents)
    return std::move(contents.failure());
  if (!is_same(contents->checkpoint, what))
    return error{errc::corrupt, "worker " + from.name + " has sent another checkpoint than the one asked for"};
  for (const completed_checkpoint& one : *known)
    if (one.id >= what.id)
      if (const status removed = own_->remove(one.id); !removed)
        return removed.failure();
  std::vector<std::shared_ptr<const operator_snapshot>> operators;
  for (operator_snapshot& one : contents->operators)
    operators.push_back(std::make_shared<const operator_snapshot>(std::move(one)));
  const auto stored = own_->store(contents->checkpoint, operators);
  if (!stored)
    return stored.failure();
  log_warning("the checkpoint directory has lost the last checkpoint, and it was fetched from a worker",
              {{"job", job()}, {"worker", from.name}, {"checkpoint", to_string(what.id)}, {"bytes", stored->bytes}});
  return true;
}

result<bool> replicated_checkpoint_store::catch_up(std::optional<checkpoint_identity> wanted) {
  const std::vector<keeper> keepers = replicas_->keepers();
  const auto counted = count_attempts_on(keepers);
  if (!counted)
    return counted;
  const auto known = own_->list();
  if (!known)
    return known.failure();
  if (config_.discard && !wanted) // what this process had is deleted already, and secure() has the copies deleted
    return counted;
  // Who has counted more attempts than all workers, or the same and deleted what there was, has lost nothing.
  if (!wanted && config_.restore_from == 0 && !*counted)
    return false;
  // Of the workers' checkpoints the wanted one, or the newest.
  const keeper* from = nullptr;
  const completed_checkpoint* best = nullptr;
  const auto rank = [](const completed_checkpoint& one) { return std::tuple(one.attempt, one.id, one.completed_at_ms); };
  std::string names;
  for (const keeper& one : keepers) {
    names += (names.empty() ? "" : ", ") + one.name;
    for (const completed_checkpoint& checkpoint : one.held.checkpoints) {
      const bool is_candidate = wanted ? checkpoint.id == wanted->id && checkpoint.attempt == wanted->attempt
                                       : config_.restore_from == 0 || checkpoint.id.value == config_.restore_from;
      if (is_candidate && (!best || rank(checkpoint) > rank(*best))) {
        from = &one;
        best = &checkpoint;
      }
    }
  }
  const auto is_wanted = [&](const completed_checkpoint& one) {
    return wanted ? one.id == wanted->id && one.attempt == wanted->attempt : one.id.value == config_.restore_from;
  };
  if (wanted || config_.restore_from != 0) {
    const auto own = std::ranges::find_if(*known, is_wanted);
    if (own != known->end()) {
      bool removed_any = false;
      for (const completed_checkpoint& one : *known)
        if (wanted && one.id > wanted->id) {
          if (const status removed = own_->remove(one.id); !removed)
            return removed.failure();
          removed_any = true;
        }
      return *counted || removed_any;
    }
    if (!best && wanted)
      return error{errc::checkpoint, "the job goes on from checkpoint " + to_string(wanted->id) + " of attempt " +
                                         to_string(wanted->attempt) + ", which is neither in this checkpoint directory nor at a "
                                         "worker (" + (names.empty() ? "there is none that keeps copies" : names) +
                                         "): start a worker that has it"};
  } else if (best && !known->empty() && rank(known->back()) >= rank(*best)) {
    best = nullptr;
  }
  if (!best)
    return counted;
  const completed_checkpoint chosen = *best;
  if (!config_.from.empty() && !wanted)
    return error{errc::invalid_setting, "the job is to begin with the savepoint " + config_.from.string() + ", and worker " +
                                       from->name + " holds checkpoint " + to_string(best->id) +
                                       " of it, which is not in the checkpoint directory: leave --from out to go on from that, or "
                                       "delete what the worker holds with --checkpoint-discard"};
  error failure{errc::checkpoint, {}};
  for (const keeper& one : keepers)
    if (holds(one, chosen)) {
      auto taken = take_over(one, chosen);
      if (taken)
        return taken;
      failure.message += (failure.message.empty() ? "" : "; ") + taken.failure().message;
    }
  return failure;
}

} // namespace weir
