#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <weir/runtime/cluster/arbiter.hpp>
#include <weir/runtime/cluster/leadership.hpp>

namespace weir::testing {

/// What an arbiter knows, for several processes' ways to it.
class arbiter_memory {
 public:
  granted_lease grant(duration length) {
    const std::lock_guard lock(mutex_);
    leases_[++last_lease_] = {now() + length, length};
    return {last_lease_, length};
  }

  duration renew(arbiter_lease lease) {
    const std::lock_guard lock(mutex_);
    expire();
    const auto found = leases_.find(lease);
    if (found == leases_.end())
      return {};
    found->second.first = now() + found->second.second;
    return found->second.second;
  }

  void revoke(arbiter_lease lease) {
    const std::lock_guard lock(mutex_);
    if (const auto found = leases_.find(lease); found != leases_.end())
      found->second.first = time_point{};
    expire();
  }

  result<arbiter_answer> carry_out(const arbiter_transaction& what) {
    const std::lock_guard lock(mutex_);
    expire();
    arbiter_answer answer;
    answer.done = true;
    for (const auto& [key, of, expected] : what.conditions) {
      const arbiter_value& value = values_[key];
      const bool is_created = of == arbiter_transaction::condition::of::created;
      answer.done &= (is_created ? value.created : value.changed) == expected;
    }
    if (answer.done && !what.writes.empty()) {
      for (const auto& one : what.writes)
        if (one.lease != 0 && !leases_.contains(one.lease))
          return error{errc::in_use, "there is no such lease"};
      ++revision_;
      for (const auto& [key, value, lease, removes] : what.writes) {
        arbiter_value& kept = values_[key];
        kept = removes ? arbiter_value{}
                       : arbiter_value{value, kept.exists() ? kept.created : revision_, revision_, lease};
      }
    }
    answer.revision = revision_;
    for (const std::string& key : what.keys)
      answer.values[key] = values_[key];
    return answer;
  }

  arbiter_value at(const std::string& key) {
    const std::lock_guard lock(mutex_);
    expire();
    return values_[key];
  }

 private:
  static time_point now() { return std::chrono::steady_clock::now(); }

  void expire() {
    for (auto at = leases_.begin(); at != leases_.end();) {
      if (at->second.first > now()) {
        ++at;
        continue;
      }
      for (auto& [key, value] : values_)
        if (value.exists() && value.lease == at->first) {
          value = {};
          ++revision_;
        }
      at = leases_.erase(at);
    }
  }

  std::mutex mutex_;
  std::map<std::string, arbiter_value> values_;
  std::map<arbiter_lease, std::pair<time_point, duration>> leases_; // until when, and for how long at a time
  arbiter_lease last_lease_ = 100;
  arbiter_revision revision_ = 1;
};

/// One process's way to an arbiter that lives in memory, which can be disturbed.
class memory_arbiter final : public arbiter {
 public:
  enum class fault {
    none,
    cut_off,    ///< requests do not arrive
    unanswered, ///< they are carried out, and the answers do not arrive
  };

  explicit memory_arbiter(std::shared_ptr<arbiter_memory> memory) : memory_(std::move(memory)) {}

  /// From now on, for so many requests.
  void disturb(fault how, int requests = 1 << 30) {
    fault_ = how;
    left_ = requests;
  }
  void heal() { disturb(fault::none); }

  result<granted_lease> grant(duration length, time_point) override {
    return ask<granted_lease>([&] { return memory_->grant(length); });
  }
  result<duration> renew(arbiter_lease lease, time_point) override {
    return ask<duration>([&] { return memory_->renew(lease); });
  }
  status revoke(arbiter_lease lease, time_point) override {
    return ask<void>([&]() -> status {
      memory_->revoke(lease);
      return {};
    });
  }
  result<arbiter_answer> carry_out(const arbiter_transaction& what, time_point) override {
    return ask<arbiter_answer>([&] { return memory_->carry_out(what); });
  }

 private:
  template <class T, class F>
  result<T> ask(F carried_out) {
    const fault how = left_ > 0 ? fault_.load() : fault::none;
    if (how != fault::none)
      --left_;
    const error lost{errc::io, "no answer"};
    if (how == fault::cut_off)
      return lost;
    result<T> answer = carried_out();
    return how == fault::unanswered ? result<T>(lost) : answer;
  }

  std::shared_ptr<arbiter_memory> memory_;
  std::atomic<fault> fault_{fault::none};
  std::atomic<int> left_{0};
};

} // namespace weir::testing
