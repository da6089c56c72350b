#include "jobs.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace bench {

namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct due_event {
  std::uint64_t key;
  std::uint64_t value;
  std::int64_t due_ns;
};

/// The events of keyed-sum, each when it is due: number i at i / latency_rate seconds after the start.
class paced_events {
 public:
  using output = due_event;

  struct split {
    std::uint64_t next;
    std::uint64_t stride;
    std::uint64_t end;
  };

  explicit paced_events(const workload& what) : by_keys_(what.keys), records_(what.records) {}

  weir::result<std::vector<split>> splits(std::uint32_t parallelism) const {
    std::vector<split> all;
    for (std::uint64_t s = 0; s < parallelism; ++s)
      all.push_back({s, parallelism, records_});
    return all;
  }

  void open(const weir::operator_context&, std::vector<split> assigned) {
    left_ = assigned.at(0);
    start_ns_ = 0;
  }

  weir::source_turn poll(weir::emitter<due_event>& out) {
    const std::int64_t now = now_ns();
    if (start_ns_ == 0)
      start_ns_ = now;
    for (int room = 1024; room != 0; --room, left_.next += left_.stride) {
      if (left_.next >= left_.end)
        return weir::source_turn::ended();
      const std::int64_t due = start_ns_ + static_cast<std::int64_t>(left_.next) * ns_per_record;
      if (due > now)
        return weir::source_turn::idle(std::chrono::nanoseconds{due - now});
      const event made = make_event(left_.next, by_keys_);
      out.append() = {made.key, made.value, due};
    }
    return weir::source_turn::more();
  }

  std::vector<split> snapshot() const { return {left_}; }

 private:
  static constexpr std::int64_t ns_per_record = 1'000'000'000 / latency_rate;

  fast_modulo by_keys_;
  std::uint64_t records_;
  split left_{};
  std::int64_t start_ns_ = 0;
};

struct due_total {
  std::uint64_t key;
  std::uint64_t count;
  std::int64_t due_ns;
};

struct sum_due_values {
  struct accumulator {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
    std::int64_t due_ns = 0;
  };

  void add(accumulator& so_far, const due_event& in) const {
    ++so_far.count;
    so_far.sum += in.value;
    so_far.due_ns = in.due_ns;
  }
  due_total result(std::uint64_t key, const accumulator& so_far) const {
    return {key, so_far.count, so_far.due_ns};
  }
};

class note_latencies {
 public:
  note_latencies(std::shared_ptr<shared_totals> results, std::shared_ptr<latencies> seen, std::uint64_t records)
      : results_(std::move(results)), seen_(std::move(seen)), records_(records) {}

  void open(const weir::operator_context&) { own_latencies_.resize(records_); } // growing would be measured, too
  void write(const due_total& in) {
    own_latencies_[own_.n] = now_ns() - in.due_ns;
    own_.add(splitmix64(in.key), in.count);
  }
  void close() {
    own_latencies_.resize(own_.n);
    results_->add(std::exchange(own_, {}));
    seen_->add(std::exchange(own_latencies_, {}));
  }

 private:
  std::shared_ptr<shared_totals> results_;
  std::shared_ptr<latencies> seen_;
  std::uint64_t records_;
  totals own_;
  std::vector<std::int64_t> own_latencies_;
};

} // namespace

void latencies::add(std::vector<std::int64_t> part) {
  const std::lock_guard lock(mutex_);
  all_.insert(all_.end(), part.begin(), part.end());
}

double latencies::percentile_us(double percent) {
  const std::lock_guard lock(mutex_);
  if (all_.empty())
    return 0;
  const auto rank = static_cast<std::size_t>(percent / 100 * static_cast<double>(all_.size() - 1));
  std::nth_element(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(rank), all_.end());
  return static_cast<double>(all_[rank]) / 1000;
}

weir::topology latency_job(const workload& what, std::shared_ptr<shared_totals> results,
                           std::shared_ptr<latencies> seen) {
  weir::topology job{"latency"};
  job.source("events", paced_events{what})
      .key_by([](const due_event& in) { return in.key; })
      .aggregate("sum", sum_due_values{})
      .sink("results", note_latencies{std::move(results), std::move(seen), what.records});
  return job;
}

} // namespace bench
