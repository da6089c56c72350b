#include "jobs.hpp"

#include <chrono>
#include <utility>

#include <weir/actors/sources/generate.hpp>

namespace bench {

namespace {

struct sums {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
};

struct sum_values {
  using accumulator = sums;

  void add(sums& so_far, const event& in) const {
    ++so_far.count;
    so_far.sum += in.value;
  }
  void merge(sums& so_far, const sums& other) const {
    so_far.count += other.count;
    so_far.sum += other.sum;
  }
  sums result(const sums& so_far) const { return so_far; }
};

class sum_up_windows {
 public:
  explicit sum_up_windows(std::shared_ptr<shared_totals> results) : results_(std::move(results)) {}

  void write(const weir::windowed<std::uint64_t, sums>& in) {
    const auto start = static_cast<std::uint64_t>(in.window.start.time_since_epoch().count());
    own_.add(splitmix64(in.key * 1'000'003 + start), in.value.sum + in.value.count);
  }
  void close() { results_->add(std::exchange(own_, {})); }

 private:
  std::shared_ptr<shared_totals> results_;
  totals own_;
};

weir::topology sum_windows(const char* name, const weir::aligned_windows& windows, const workload& what,
                           std::shared_ptr<shared_totals> results) {
  weir::topology job{name};
  const fast_modulo by_keys(what.keys);
  job.source("events", weir::generate(
                           [by_keys](std::uint64_t i, event& out) { out = make_event(i, by_keys); },
                           what.records))
      .assign_times("times",
                    [](const event& in) { return weir::event_time{std::chrono::milliseconds{in.ts_ms}}; },
                    weir::bounded_disorder{std::chrono::milliseconds{lateness_ms}})
      .key_by([](const event& in) { return in.key; })
      .window(windows)
      .aggregate("sum", sum_values{})
      .sink("results", sum_up_windows{std::move(results)});
  return job;
}

} // namespace

weir::topology window_sum_job(const workload& what, std::shared_ptr<shared_totals> results) {
  return sum_windows("window-sum", weir::tumbling(std::chrono::milliseconds{window_ms}), what, std::move(results));
}

weir::topology sliding_sum_job(const workload& what, std::shared_ptr<shared_totals> results) {
  return sum_windows("sliding-sum",
                     weir::sliding(std::chrono::milliseconds{sliding_ms}, std::chrono::milliseconds{window_ms}),
                     what, std::move(results));
}

} // namespace bench
