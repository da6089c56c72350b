#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <weir/actors/operator.hpp>

namespace weir::testing {

/// What a memory_sink has made visible, shared by all its instances and all attempts.
template <class T>
class committed_records {
 public:
  std::uint64_t begin() {
    const std::lock_guard guard(mutex_);
    prepared_[++last_];
    return last_;
  }
  void write(std::uint64_t id, const T& record) {
    const std::lock_guard guard(mutex_);
    prepared_[id].push_back(record);
  }
  void commit(std::uint64_t id) {
    const std::lock_guard guard(mutex_);
    const auto found = prepared_.find(id);
    if (found == prepared_.end())
      return;
    visible_.insert(visible_.end(), found->second.begin(), found->second.end());
    prepared_.erase(found);
  }
  void abort(std::uint64_t id) {
    const std::lock_guard guard(mutex_);
    prepared_.erase(id);
  }
  void keep_only(const std::vector<std::uint64_t>& kept, std::uint64_t last_before) {
    const std::lock_guard guard(mutex_);
    std::erase_if(prepared_, [&](const auto& entry) {
      return entry.first <= last_before &&
             std::find(kept.begin(), kept.end(), entry.first) == kept.end();
    });
  }
  std::uint64_t last() const {
    const std::lock_guard guard(mutex_);
    return last_;
  }

  std::vector<T> visible() const {
    const std::lock_guard guard(mutex_);
    return visible_;
  }
  std::size_t pending() const {
    const std::lock_guard guard(mutex_);
    return prepared_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::vector<T>> prepared_;
  std::vector<T> visible_;
};

/// A two-phase-commit sink into memory, with which a test sees exactly what a reader would see.
template <class T>
class memory_sink {
 public:
  struct transaction {
    std::uint64_t id = 0;
  };

  explicit memory_sink(std::shared_ptr<committed_records<T>> records)
      : records_(std::move(records)) {}

  void open(const operator_context&) { opened_at_ = records_->last(); }
  transaction begin() { return {records_->begin()}; }
  void write(transaction& open, const T& record) { records_->write(open.id, record); }
  void pre_commit(transaction&) {}
  void commit(const transaction& done) { records_->commit(done.id); }
  void abort(const transaction& open) noexcept { records_->abort(open.id); }
  void abort_others(const std::vector<transaction>& kept) {
    std::vector<std::uint64_t> ids;
    for (const transaction& one : kept)
      ids.push_back(one.id);
    records_->keep_only(ids, opened_at_);
  }

 private:
  std::shared_ptr<committed_records<T>> records_;
  std::uint64_t opened_at_ = 0;
};

} // namespace weir::testing
