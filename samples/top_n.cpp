// The most frequent words of the last minute, every ten seconds. A line is a time in seconds and a text:
// `12 the quick brown fox`. Lines may be out of order by five seconds.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <cereal/types/string.hpp>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/read_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "fields.hpp"

using namespace std::chrono_literals;

struct spoken {
  weir::event_time time{};
  std::string word;
};

using word_count = weir::windowed<std::string, std::uint64_t>;

struct ranked {
  std::string word;
  std::uint64_t count = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(word, count);
  }
};

std::int64_t seconds(weir::event_time time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// Collects the counts of one window, which is its key, and ranks them when all are there.
struct top_words {
  using output = std::string;

  explicit top_words(weir::parameter<std::int64_t> most) : most_(std::move(most)) {}

  void open(weir::state_registry& states) { counts_ = states.list<ranked>("counts"); }

  void process(const word_count& in, weir::keyed_context<weir::event_time>& context, weir::emitter<output>&) {
    counts_.add({in.key, in.value});
    context.set_timer(in.window.end);
  }

  void on_timer(const weir::timer& due, weir::keyed_context<weir::event_time>&, weir::emitter<output>& out) {
    std::vector<ranked> all = counts_.to_vector();
    std::sort(all.begin(), all.end(), [](const ranked& a, const ranked& b) {
      return a.count != b.count ? a.count > b.count : a.word < b.word;
    });
    std::string line = "until " + std::to_string(seconds(due.time)) + " s:";
    for (std::size_t i = 0; i < all.size() && i < static_cast<std::size_t>(*most_); ++i)
      line += ' ' + all[i].word + ' ' + std::to_string(all[i].count);
    out(line);
    counts_.clear();
  }

  weir::parameter<std::int64_t> most_;
  weir::list_state<ranked> counts_;
};

int main(int argc, char** argv) {
  weir::topology job{"top_n", "The most frequent words of the last minute, every ten seconds."};
  const auto input = job.required_option("input", "file or directory of lines `SECONDS TEXT`");
  const auto most = job.option<std::int64_t>("most", "how many words", 3);

  job.source("lines", weir::read_lines{input})
      .flat_map("words",
                [](const std::string& line, weir::emitter<spoken>& out) {
                  const auto fields = fields_of(line);
                  const auto time = number_in<std::int64_t>(fields.empty() ? "" : fields[0]);
                  for (std::size_t i = 1; time && i < fields.size(); ++i)
                    out({weir::event_time{std::chrono::seconds{*time}}, fields[i]});
                })
      .assign_times("times", [](const spoken& in) { return in.time; }, weir::bounded_disorder{5s})
      .key_by([](const spoken& in) { return in.word; })
      .window(weir::sliding(1min, 10s))
      .count("count")
      .key_by([](const word_count& in) { return in.window.end; })
      .process("rank", top_words{most})
      .parallelism(1)
      .sink("print", weir::print{});
  return weir::main(job, argc, argv);
}
