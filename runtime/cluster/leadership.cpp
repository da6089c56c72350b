#include <weir/runtime/cluster/leadership.hpp>

#include <algorithm>
#include <thread>
#include <utility>

#include <weir/base/log.hpp>

namespace weir {

namespace {

using namespace std::chrono_literals;

constexpr duration time_for_request = 2s;
constexpr duration pause_after_failure = 50ms;

time_point now() {
  return std::chrono::steady_clock::now();
}

} // namespace

leadership::leadership(std::shared_ptr<arbiter> where, job_keys keys, elected_leader self, time_point until)
    : arbiter_(std::move(where)), keys_(std::move(keys)), self_(std::move(self)),
      until_(until.time_since_epoch().count()) {}

bool leadership::is_over() const noexcept {
  return is_ended_ || now().time_since_epoch().count() >= until_;
}

std::string leadership::end_reason() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

void leadership::on_end(std::function<void()> tell) {
  const std::lock_guard lock(mutex_);
  tell_end_ = std::move(tell);
  if (tell_end_ && is_ended_)
    std::exchange(tell_end_, nullptr)();
}

void leadership::end(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (is_ended_.exchange(true))
    return;
  why_ = why;
  if (const auto tell = std::exchange(tell_end_, nullptr))
    tell();
}

void leadership::resign(const std::string& why) {
  is_resigned_ = true;
  end(why);
}

time_point leadership::deadline() const noexcept {
  return std::min(time_point{duration{until_.load()}}, now() + time_for_request);
}

error leadership::over(bool may_be_written) {
  end("its lease could not be renewed in time");
  const std::lock_guard lock(mutex_);
  if (may_be_written)
    return {errc::io, "this coordinator does not lead any more (" + why_ + "), and etcd has not answered whether " +
                          keys_.record + " is written: the next leader will see"};
  return {errc::in_use, "this coordinator does not lead any more: " + why_};
}

arbiter_transaction::condition leadership::still_leads() const {
  return {keys_.leader, arbiter_transaction::condition::of::created, self_.token};
}

result<arbiter_answer> leadership::insist(const arbiter_transaction& what, bool& may_be_written) {
  for (;;) {
    if (is_over())
      return over(may_be_written);
    auto answer = arbiter_->carry_out(what, deadline());
    if (answer)
      return answer;
    if (answer.failure().code == errc::in_use) {
      end("its lease has expired");
      return over(may_be_written);
    }
    may_be_written |= !what.writes.empty();
    log_debug("etcd is asked again", {{"reason", answer.failure().message}});
    std::this_thread::sleep_for(pause_after_failure);
  }
}

status leadership::read_record() {
  bool may_be_written = false;
  const auto answer = insist({{}, {}, {keys_.record}}, may_be_written);
  if (!answer)
    return answer.failure();
  const arbiter_value& found = answer->at(keys_.record);
  record_changed_ = found.changed;
  record_.reset();
  if (!found.exists())
    return {};
  auto record = decode_record(keys_.record, found.value);
  if (!record)
    return std::move(record.failure());
  record_ = std::move(*record);
  return {};
}

status leadership::write_record(const job_record& wanted) {
  if (is_over())
    return over(false);
  if (record_ == wanted)
    return {};
  const std::string text = encode(wanted);
  const arbiter_transaction::condition unchanged{keys_.record, arbiter_transaction::condition::of::changed,
                                                 record_changed_};
  bool may_be_written = false;
  const auto answer =
      insist({{still_leads(), unchanged}, {{keys_.record, text}}, {keys_.leader, keys_.record}}, may_be_written);
  if (!answer)
    return answer.failure();
  const arbiter_value& found = answer->at(keys_.record);
  record_changed_ = found.changed;
  const bool leads = answer->at(keys_.leader).created == self_.token;
  if (!leads)
    end("another coordinator does, or did");
  // An answer that was lost may have been to this very write. No other leader writes the same: attempts differ.
  if (answer->done || found.value == text) {
    record_ = wanted;
    return {};
  }
  if (auto record = decode_record(keys_.record, found.value); found.exists() && record)
    record_ = std::move(*record);
  if (!leads)
    return over(false);
  end("somebody who does not lead has changed " + keys_.record + " in etcd");
  return error{errc::corrupt, "the key " + keys_.record + " in etcd was changed or removed by somebody else than the "
                              "leader: expected its revision to be " + std::to_string(unchanged.expected) + ", found " +
                                  std::to_string(found.changed) +
                                  ". Leave it to the coordinators as long as one of them runs"};
}

status leadership::announce(const std::string& address) {
  elected_leader listening = self_;
  listening.address = address;
  bool may_be_written = false;
  const auto answer = insist({{still_leads()}, {{keys_.leader, encode(listening), self_.lease}}, {}}, may_be_written);
  if (!answer)
    return answer.failure();
  if (answer->done)
    return {};
  end("another coordinator does, or did");
  return over(false);
}

status leadership::note_end(const job_end& how) {
  const arbiter_transaction what{{still_leads()}, {{keys_.ended, encode(how)}, {keys_.leader, {}, 0, true}}, {}};
  const time_point enough = now() + time_for_request;
  for (;;) {
    if (is_over())
      return over(false);
    const auto answer = arbiter_->carry_out(what, std::min(enough, deadline()));
    if (answer) {
      end(answer->done ? "the job has ended" : "another coordinator does, or did");
      return {};
    }
    if (now() + pause_after_failure >= enough)
      return answer.failure();
    std::this_thread::sleep_for(pause_after_failure);
  }
}

} // namespace weir
