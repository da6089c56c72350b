#include "jobs.hpp"

#include <string>
#include <string_view>
#include <utility>

#include <weir/actors/sources/generate.hpp>

namespace bench {

namespace {

void split_words(const std::string& line, weir::emitter<std::string>& out) {
  const std::string_view text = line;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    out.append() = text.substr(begin, end - begin);
    begin = end + 1;
  }
}

class sum_up_words {
 public:
  explicit sum_up_words(std::shared_ptr<shared_totals> results) : results_(std::move(results)) {}

  void write(const weir::counted<std::string>& in) { own_.add(fnv1a64(in.key), in.count); }
  void close() { results_->add(std::exchange(own_, {})); }

 private:
  std::shared_ptr<shared_totals> results_;
  totals own_;
};

} // namespace

weir::topology word_count_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"word-count"};
  job.source("lines", weir::generate(make_line, what.records))
      .flat_map("split", [](const std::string& line,
                            weir::emitter<std::string>& out) { split_words(line, out); })
      .key_by([](const std::string& word) -> const std::string& { return word; })
      .count("count")
      .sink("results", sum_up_words{std::move(results)});
  return job;
}

} // namespace bench
