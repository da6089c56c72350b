#pragma once

#include <memory>
#include <mutex>

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

// The workloads as a user of Weir writes them. The results are in `results` when the job has ended.

weir::topology keyed_sum_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology window_sum_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology sliding_sum_job(const workload& what, std::shared_ptr<shared_totals> results);
weir::topology word_count_job(const workload& what, std::shared_ptr<shared_totals> results);

} // namespace bench
