// keyed-sum as a program that runs in one process or several, as its command line says. Every instance of the sink prints
// when its first and its last record came (in microseconds), how many there were, and its part of the checksum.

#include <chrono>
#include <cstdint>
#include <cstdio>

#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/main.hpp>

#include "jobs.hpp"

namespace {

using namespace bench;

class print_totals {
 public:
  void write(const key_total& in) {
    if (totals_.n == 0)
      began_ = now();
    totals_.add(splitmix64(in.key), in.count);
  }
  void close() {
    if (totals_.n != 0)
      std::printf("%lld %lld %llu %016llx\n", began_, now(), static_cast<unsigned long long>(totals_.n),
                  static_cast<unsigned long long>(totals_.checksum));
    std::fflush(stdout);
  }

 private:
  static long long now() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  long long began_ = 0;
  totals totals_;
};

} // namespace

int main(int argc, char** argv) {
  weir::topology job{"keyed-sum", "Counts and sums per key, in one process or several."};
  const auto keys = job.option<std::uint64_t>("keys", "different keys", default_keys);
  const auto records = job.option<std::uint64_t>("records", "records to make", default_records);
  const auto events = job.source(
      "events", weir::generate(
                    [keys, by_keys = fast_modulo(1), is_first = true](std::uint64_t i, event& out) mutable {
                      if (is_first) [[unlikely]] { // the option is known now
                        by_keys = fast_modulo(*keys);
                        is_first = false;
                      }
                      out = make_event(i, by_keys);
                    },
                    records));
  sums_of(events).sink("results", print_totals{});
  return weir::main(job, argc, argv);
}
