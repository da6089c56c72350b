#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <weir/runtime/topology.hpp>

#include "workloads.hpp"

namespace bench {

/// What all instances of a sink have summed up.
class shared_totals {
 public:
  void add(const totals& part) {
    const std::lock_guard lock(mutex_);
    sum_ += part;
  }
  totals sum() const {
    const std::lock_guard lock(mutex_);
    return sum_;
  }

 private:
  mutable std::mutex mutex_;
  totals sum_;
};

/// How long results took from when their record was due, as all instances of a sink have seen it.
class latencies {
 public:
  void add(std::vector<std::int64_t> part_ns);
  double percentile_us(double percent);

 private:
  std::mutex mutex_;
  std::vector<std::int64_t> all_; // ns
};

/// What fails in the middle of `recovery`, and when what comes after it has come.
class failure {
 public:
  enum class kind : std::uint8_t { none, task, process };
  using clock = std::chrono::system_clock; // also for who has started this process

  explicit failure(kind what) : what_(what) {}

  void fail();
  void first_result(std::uint64_t restored); ///< of a task, which went on behind so many

  clock::time_point failed_at() const { return failed_at_; }
  clock::time_point back_at() const { return back_at_; }
  std::uint64_t restored() const { return restored_; }

 private:
  kind what_;
  std::atomic<bool> has_failed_ = false;
  std::atomic<bool> has_come_back_ = false;
  clock::time_point failed_at_{};
  std::uint64_t restored_ = 0;
  clock::time_point back_at_{}; // the first result of this process, or after the failure of a task
};

/// What keyed-sum emits.
struct key_total {
  std::uint64_t key;
  std::uint64_t count;
  std::uint64_t sum;
};

/// The results of keyed-sum: what the jobs that are made of it do something with.
weir::stream<key_total> keyed_sums(weir::topology& job, const workload& what);
weir::stream<key_total> sums_of(weir::stream<event> events);

// The workloads as a user of Weir writes them. The results are in `results` when the job has ended.

weir::topology keyed_sum_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology window_sum_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology sliding_sum_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology word_count_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology chain_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology fan_out_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology latency_job(const workload& what, std::shared_ptr<shared_totals> results,
                           std::shared_ptr<latencies> seen);
weir::topology checkpoints_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology backpressure_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology recovery_job(const workload& what, std::shared_ptr<shared_totals> results,
                            std::shared_ptr<failure> plan, std::uint32_t parallelism);

} // namespace bench
