#include "jobs.hpp"

#include <csignal>
#include <stdexcept>
#include <utility>

namespace bench {

namespace {

/// Sums up the results so that each counts once, whatever fails, and fails itself.
class sum_up_and_fail {
 public:
  sum_up_and_fail(std::shared_ptr<shared_totals> results, std::shared_ptr<failure> plan, std::uint64_t fail_at)
      : results_(std::move(results)), plan_(std::move(plan)), fail_at_(fail_at) {}

  void open(weir::operator_state_registry& states) {
    saved_ = states.operator_list_of<totals>("totals");
    is_first_ = true;
    has_read_ = false;
  }
  void write(const key_total& in) {
    if (is_first_) [[unlikely]] {
      is_first_ = false;
      for (const totals& part : saved_)
        own_ += part;
      plan_->first_result(own_.n);
    }
    own_.add(splitmix64(in.key), in.count);
    if (own_.n == fail_at_) [[unlikely]]
      plan_->fail();
  }
  void flush() {
    if (!is_first_)
      saved_->assign(1, own_);
  }
  void finish() { has_read_ = true; }
  void close() {
    if (has_read_)
      for (const totals& part : saved_)
        results_->add(part);
  }

 private:
  std::shared_ptr<shared_totals> results_;
  std::shared_ptr<failure> plan_;
  std::uint64_t fail_at_;
  weir::operator_list<totals> saved_{};
  totals own_;
  bool is_first_ = true;
  bool has_read_ = false; // everything
};

} // namespace

void failure::fail() {
  switch (what_) {
  case kind::none: return;
  case kind::process: std::raise(SIGKILL); return;
  case kind::task: break;
  }
  if (has_failed_.exchange(true))
    return;
  failed_at_ = clock::now();
  throw std::runtime_error("this task fails once, to be restarted");
}

void failure::first_result(std::uint64_t restored) {
  const bool is_wanted = what_ != kind::task || has_failed_.load();
  if (!is_wanted || has_come_back_.exchange(true))
    return;
  back_at_ = clock::now();
  restored_ = restored;
}

weir::topology recovery_job(const workload& what, std::shared_ptr<shared_totals> results,
                            std::shared_ptr<failure> plan, std::uint32_t parallelism) {
  weir::topology job{"recovery"};
  keyed_sums(job, what).sink("results", sum_up_and_fail{std::move(results), std::move(plan), what.records / parallelism / 2});
  return job;
}

} // namespace bench
