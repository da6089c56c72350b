// Sums amounts per account, and fails on purpose: every failure takes the job back to its last
// checkpoint, and the sums come out as if there had been none.

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <weir/actors/sources/generate.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

namespace {

struct payment {
  std::uint64_t account = 0;
  std::uint64_t amount = 0;
};

payment make_payment(std::uint64_t i) {
  const std::uint64_t hash = weir::mix(i);
  return {hash % 1000, (hash >> 32) % 100};
}

struct total {
  using accumulator = std::uint64_t;
  void add(accumulator& sum, const payment& one) const { sum += one.amount; }
  std::string result(std::uint64_t account, const accumulator& sum) const {
    return std::to_string(account) + '\t' + std::to_string(sum);
  }
};

// Counts records over all attempts, so that a record that failed once passes the next time.
std::atomic<std::uint64_t> seen{0};

} // namespace

int main(int argc, char** argv) {
  weir::topology job{"exactly-once-pipeline",
                     "Sums payments per account while failing on purpose."};
  const auto records = job.option<std::uint64_t>("records", "payments to make", 2'000'000);
  const auto output = job.required_option("output", "directory to write account<TAB>sum lines to");
  const auto fail_every = job.option<std::uint64_t>(
      "fail-every", "throw an exception each time this many records have passed (0: never)", 0);

  job.source("payments", weir::generate(make_payment, records))
      .map("check",
           [fail_every](const payment& one) {
             if (*fail_every != 0 && ++seen % *fail_every == 0)
               throw std::runtime_error("failing on purpose");
             return one;
           })
      .key_by([](const payment& one) { return one.account; })
      .aggregate("sum", total{}, weir::emit::at_end)
      .sink("sums", weir::write_lines{output});
  return weir::main(job, argc, argv);
}
