// Sums amounts per account, and fails on purpose: every failure takes the job back to its last
// checkpoint, and the sums come out as if there had been none.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

#include <weir/actors/sources/generate.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

namespace {

struct payment {
  std::uint64_t number = 0;
  std::uint64_t account = 0;
  std::uint64_t amount = 0;
};

payment make_payment(std::uint64_t i) {
  const std::uint64_t hash = weir::mix(i);
  return {i, hash % 1000, (hash >> 32) % 100};
}

struct total {
  using accumulator = std::uint64_t;
  void add(accumulator& sum, const payment& one) const { sum += one.amount; }
  std::string result(std::uint64_t account, const accumulator& sum) const {
    return std::to_string(account) + '\t' + std::to_string(sum);
  }
};

// Throws at every nth payment, but only once at each, so that the next attempt gets past it.
class saboteur {
 public:
  void check(const payment& one, std::uint64_t every) {
    if (every == 0 || one.number == 0 || one.number % every != 0)
      return;
    const std::lock_guard guard(mutex_);
    if (failed_.insert(one.number).second)
      throw std::runtime_error("failing on purpose at payment " + std::to_string(one.number));
  }

 private:
  std::mutex mutex_;
  std::set<std::uint64_t> failed_;
};

saboteur on_purpose;

} // namespace

int main(int argc, char** argv) {
  weir::topology job{"exactly-once-pipeline",
                     "Sums payments per account while failing on purpose."};
  const auto records = job.option<std::uint64_t>("records", "payments to make", 2'000'000);
  const auto output = job.required_option("output", "directory to write account<TAB>sum lines to");
  const auto fail_every = job.option<std::uint64_t>(
      "fail-every", "throw an exception at every payment with such a number, once (0: never)", 0);
  job.config().checkpoint.interval = std::chrono::milliseconds{50};
  job.config().restart.strategy = weir::restart_kind::fixed_delay;
  job.config().restart.delay = std::chrono::milliseconds{10};

  job.source("payments", weir::generate(make_payment, records))
      .map("check",
           [fail_every](const payment& one) {
             on_purpose.check(one, *fail_every);
             return one;
           })
      .key_by([](const payment& one) { return one.account; })
      .aggregate("sum", total{}, weir::emit::at_end)
      .sink("sums", weir::write_lines{output});
  return weir::main(job, argc, argv);
}
