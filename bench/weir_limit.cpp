#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "limit.hpp"
#include "report.hpp"

namespace {

using namespace bench;

const std::map<std::string, std::function<totals(const workload&)>> workloads{
    {"keyed-sum", [](const workload& w) { return limit_keyed_sum(w.keys, w.records); }},
    {"keyed-sum-on-two", [](const workload& w) { return limit_keyed_sum_on_two(w.keys, w.records); }},
    {"start", [](const workload& w) { return limit_keyed_sum(w.keys, w.records); }},
    {"word-count", [](const workload& w) { return limit_word_count(w.records); }},
    {"window-sum", [](const workload& w) { return limit_window_sum(w.keys, w.records); }},
    {"sliding-sum", [](const workload& w) { return limit_sliding_sum(w.keys, w.records); }},
};

} // namespace

int main(int argc, char** argv) {
  report done;
  done.system = "limit";
  CLI::App app{"The workloads by hand, in one loop: what Weir is measured against"};
  app.add_option("workload", done.what.name, "What to run")
      ->required()
      ->check(CLI::IsMember(workloads));
  app.add_option("--keys", done.what.keys, "Different keys; 0: the workload's own number");
  app.add_option("--records", done.what.records,
                 "Records, or lines of word-count; 0: the workload's own number");
  CLI11_PARSE(app, argc, argv);
  done.what = with_defaults(done.what);
  if (!check_modulo(done.what.keys)) {
    std::fprintf(stderr, "weir_limit: the fast remainder by %llu is wrong\n",
                 static_cast<unsigned long long>(done.what.keys));
    return EXIT_FAILURE;
  }
  const double processor_before = processor_seconds();
  const stopwatch time;
  done.results = workloads.at(done.what.name)(done.what);
  done.seconds = time.seconds();
  done.cores = (processor_seconds() - processor_before) / done.seconds;
  print(done);
  return EXIT_SUCCESS;
}
