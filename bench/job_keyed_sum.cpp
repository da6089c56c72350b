#include "jobs.hpp"

#include <utility>

#include <weir/actors/sources/generate.hpp>

namespace bench {

namespace {

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

weir::topology keyed_sum_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"keyed-sum"};
  const fast_modulo by_keys(what.keys);
  job.source("events", weir::generate(
                           [by_keys](std::uint64_t i, event& out) { out = make_event(i, by_keys); },
                           what.records))
      .key_by([](const event& in) { return in.key; })
      .aggregate("sum", sum_values{})
      .sink("results", sum_up_keys{std::move(results)});
  return job;
}

} // namespace bench
