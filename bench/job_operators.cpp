#include "jobs.hpp"

#include <string>
#include <utility>

#include <weir/actors/sources/generate.hpp>

namespace bench {

namespace {

class sum_up_numbers {
 public:
  explicit sum_up_numbers(std::shared_ptr<shared_totals> results) : results_(std::move(results)) {}

  void write(std::uint64_t in) { own_.add(in, 1); }
  void close() { results_->add(std::exchange(own_, {})); }

 private:
  std::shared_ptr<shared_totals> results_;
  totals own_;
};

weir::stream<std::uint64_t> numbers(weir::topology& job, const workload& what) {
  return job.source("numbers", weir::generate([](std::uint64_t i) { return splitmix64(i); }, what.records));
}

std::uint64_t next(std::uint64_t i) {
  return i + 1;
}

} // namespace

weir::topology chain_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"chain"};
  weir::stream<std::uint64_t> end = numbers(job, what);
  for (std::uint32_t n = 0; n < what.operators; ++n)
    end = end.map("map " + std::to_string(n), next);
  end.sink("results", sum_up_numbers{std::move(results)});
  return job;
}

weir::topology fan_out_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"fan-out"};
  const weir::stream<std::uint64_t> source = numbers(job, what);
  for (std::uint32_t n = 0; n < what.operators; ++n)
    source.sink("results " + std::to_string(n), sum_up_numbers{results});
  return job;
}

} // namespace bench
