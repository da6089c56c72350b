#include "jobs.hpp"

#include <utility>

#include <weir/actors/sources/generate.hpp>

namespace bench {

namespace {

/// The running count and sum of a key.
struct sum_values {
  struct accumulator {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
  };

  void add(accumulator& so_far, const event& in) const {
    ++so_far.count;
    so_far.sum += in.value;
  }
  key_total result(std::uint64_t key, const accumulator& so_far) const {
    return {key, so_far.count, so_far.sum};
  }
};

class sum_up_keys {
 public:
  explicit sum_up_keys(std::shared_ptr<shared_totals> results) : results_(std::move(results)) {}

  void write(const key_total& in) { own_.add(splitmix64(in.key), in.count); }
  void close() { results_->add(std::exchange(own_, {})); }

 private:
  std::shared_ptr<shared_totals> results_;
  totals own_;
};

} // namespace

weir::stream<key_total> keyed_sums(weir::topology& job, const workload& what) {
  const fast_modulo by_keys(what.keys);
  return sums_of(job.source("events", weir::generate(
                                          [by_keys](std::uint64_t i, event& out) { out = make_event(i, by_keys); },
                                          what.records)));
}

weir::stream<key_total> sums_of(weir::stream<event> events) {
  return events.key_by([](const event& in) { return in.key; }).aggregate("sum", sum_values{});
}

weir::topology keyed_sum_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"keyed-sum"};
  keyed_sums(job, what).sink("results", sum_up_keys{std::move(results)});
  return job;
}

} // namespace bench
