#include <weir/runtime/cluster/fenced_checkpoint_store.hpp>

#include <algorithm>
#include <utility>

#include <weir/base/log.hpp>

namespace weir {

namespace {

std::vector<checkpoint_id> ids_of(const std::vector<completed_checkpoint>& checkpoints) {
  std::vector<checkpoint_id> ids;
  for (const completed_checkpoint& one : checkpoints)
    ids.push_back(one.id);
  return ids;
}

} // namespace

result<std::unique_ptr<fenced_checkpoint_store>>
fenced_checkpoint_store::open(std::unique_ptr<checkpoint_store> inner, std::filesystem::path directory,
                              std::shared_ptr<leadership> leads) {
  std::unique_ptr<fenced_checkpoint_store> store(
      new fenced_checkpoint_store(std::move(inner), std::move(directory), std::move(leads)));
  if (status removed = store->remove_unfinished(); !removed)
    return std::move(removed.failure());
  return store;
}

bool fenced_checkpoint_store::is_complete(const completed_checkpoint& checkpoint) const {
  const auto& record = leads_->record();
  return !record || record->holds(checkpoint);
}

result<job_record> fenced_checkpoint_store::ensure_record() {
  if (leads_->record())
    return *leads_->record();
  const auto known = inner_->list();
  if (!known)
    return known.failure();
  job_record found;
  for (const completed_checkpoint& one : *known)
    found.add(one);
  if (!known->empty())
    log_warning("etcd knows nothing of this job: it goes on from the checkpoint directory of this coordinator",
                {{"job", job()}, {"directory", directory_.string()}, {"checkpoint", to_string(found.newest.id)}});
  if (status written = leads_->write_record(found); !written)
    return std::move(written.failure());
  return found;
}

/// What was stored and did not become complete has numbers that will be used again.
status fenced_checkpoint_store::remove_unfinished() {
  if (!leads_->record())
    return {};
  const auto known = inner_->list();
  if (!known)
    return known.failure();
  for (auto one = known->rbegin(); one != known->rend() && one->id >= leads_->record()->newest.id; ++one) {
    if (is_complete(*one))
      continue;
    log_warning("removing a checkpoint that was stored and did not become complete",
                {{"job", job()}, {"checkpoint", to_string(one->id)}, {"attempt", to_string(one->attempt)}});
    if (status removed = inner_->remove(one->id); !removed)
      return removed;
  }
  return {};
}

result<std::optional<checkpoint_identity>> fenced_checkpoint_store::wanted() {
  const auto& record = leads_->record();
  if (!record || record->newest.id == checkpoint_id{})
    return std::optional<checkpoint_identity>{};
  const auto known = inner_->list();
  if (!known)
    return known.failure();
  const bool is_there = std::ranges::any_of(*known, [&](const completed_checkpoint& one) {
    return one.id == record->newest.id && record->holds(one);
  });
  return is_there ? std::nullopt : std::optional{record->newest};
}

result<bool> fenced_checkpoint_store::catch_up(std::optional<checkpoint_identity>) {
  const auto& record = leads_->record();
  if (!record)
    return inner_->catch_up();
  if (record->newest.id == checkpoint_id{}) // what others hold was never complete, or is deleted
    return false;
  const auto changed = inner_->catch_up(record->newest);
  if (!changed)
    return changed;
  const auto missing = wanted();
  if (!missing)
    return missing.failure();
  return *missing ? result<bool>(missing_here(**missing)) : changed;
}

error fenced_checkpoint_store::missing_here(const checkpoint_identity& checkpoint) const {
  return {errc::checkpoint,
          "the last complete checkpoint of the job is " + to_string(checkpoint.id) + " (of attempt " +
              to_string(checkpoint.attempt) + "), and " + directory_.string() +
              " does not have it: give all coordinators the same checkpoint directory (checkpoint.dir), have workers keep "
              "copies (checkpoint.replicas), or copy there what the directory of the coordinator that stored it holds"};
}

result<epoch> fenced_checkpoint_store::continue_after(epoch last) {
  auto next = ensure_record();
  const auto own = inner_->continue_after(last);
  if (!next || !own)
    return next ? own : next.failure();
  next->attempts = std::max(next->attempts, *own);
  if (status written = leads_->write_record(*next); !written)
    return std::move(written.failure());
  return next->attempts;
}

result<epoch> fenced_checkpoint_store::begin_attempt() {
  auto next = ensure_record();
  const auto own = next ? inner_->begin_attempt() : next.failure();
  if (!own)
    return in_context("no attempt can begin", own.failure());
  next->attempts = std::max(next->attempts.next(), *own);
  if (status written = leads_->write_record(*next); !written)
    return in_context("no attempt can begin", std::move(written.failure()));
  if (const auto counted = inner_->continue_after(next->attempts); !counted)
    return counted;
  return next->attempts;
}

result<std::vector<completed_checkpoint>> fenced_checkpoint_store::list() {
  const auto missing = wanted();
  if (!missing)
    return missing.failure();
  if (*missing)
    return missing_here(**missing);
  auto known = inner_->list();
  if (known)
    std::erase_if(*known, [this](const completed_checkpoint& one) { return !is_complete(one); });
  return known;
}

result<checkpoint_contents> fenced_checkpoint_store::load(checkpoint_id id) {
  const auto known = list();
  if (!known)
    return known.failure();
  const std::vector<checkpoint_id> ids = ids_of(*known);
  if (std::ranges::find(ids, id) == ids.end())
    return detail::missing_checkpoint(id, ids, directory_);
  return inner_->load(id);
}

result<completed_checkpoint>
fenced_checkpoint_store::store(completed_checkpoint checkpoint,
                               const std::vector<std::shared_ptr<const operator_snapshot>>& operators,
                               checkpoint_id keep_from) {
  // Until the record is swapped, the one that it names is the last complete one.
  auto next = ensure_record();
  if (!next)
    return std::move(next.failure());
  if (const checkpoint_id newest = next->newest.id; newest != checkpoint_id{})
    keep_from = keep_from == checkpoint_id{} ? newest : std::min(keep_from, newest);
  const auto stored = inner_->store(checkpoint, operators, keep_from);
  if (!stored)
    return stored;
  next->add(*stored);
  status written = leads_->write_record(*next);
  if (written || leads_->record()->holds(*stored))
    return stored;
  if (written.failure().code == errc::in_use)
    if (const status removed = inner_->remove(stored->id); !removed)
      log_warning("a checkpoint that did not become complete is left until it is started from this directory again",
                  {{"job", job()}, {"checkpoint", to_string(stored->id)}, {"problem", removed.failure().message}});
  return in_context("checkpoint " + to_string(stored->id) + " did not become complete", std::move(written.failure()));
}

status fenced_checkpoint_store::remove(checkpoint_id id) {
  const auto known = list();
  if (!known)
    return known.failure();
  const auto found = std::ranges::find(*known, id, &completed_checkpoint::id);
  if (found == known->end())
    return detail::missing_checkpoint(id, ids_of(*known), directory_);
  auto next = ensure_record();
  if (!next)
    return std::move(next.failure());
  if (id == next->newest.id) {
    next->cut_after(found == known->begin() ? checkpoint_identity{} : checkpoint_identity{(found - 1)->id, (found - 1)->attempt});
    if (status written = leads_->write_record(*next); !written)
      return written;
  }
  return inner_->remove(id);
}

status fenced_checkpoint_store::clear() {
  auto next = ensure_record();
  if (!next)
    return std::move(next.failure());
  next->cut_after({});
  if (status written = leads_->write_record(*next); !written)
    return written;
  return inner_->clear();
}

} // namespace weir
