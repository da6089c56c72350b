// A source of one's own that several instances run, and that goes on where it was: its position is a
// list of ranges of which each instance has some. Kill it, and start it again with another
// parallelism: every number comes out once.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

/// The numbers from 0 to below `count`, about `rate` of them a second in each instance.
class counting {
 public:
  using output = std::uint64_t;

  struct split {
    std::uint64_t next = 0;
    std::uint64_t end = 0;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(next, end);
    }
  };

  counting(weir::option<std::uint64_t> count, weir::option<std::uint64_t> rate)
      : count_(std::move(count)), rate_(std::move(rate)) {}

  /// More ranges than instances, so that they can be shared anew.
  weir::result<std::vector<split>> splits(std::uint32_t parallelism) const {
    const std::uint64_t parts = std::uint64_t{parallelism} * 4;
    std::vector<split> ranges;
    for (std::uint64_t i = 0; i < parts; ++i)
      ranges.push_back({*count_ * i / parts, *count_ * (i + 1) / parts});
    return ranges;
  }

  void open(const weir::operator_context&, std::vector<split> assigned) { ranges_ = std::move(assigned); }

  weir::source_turn poll(weir::emitter<std::uint64_t>& out) {
    while (!ranges_.empty() && ranges_.front().next == ranges_.front().end)
      ranges_.erase(ranges_.begin());
    if (ranges_.empty())
      return weir::source_turn::ended();
    split& range = ranges_.front();
    const std::uint64_t stop = std::min(range.end, range.next + std::max<std::uint64_t>(1, *rate_ / 100));
    while (range.next != stop)
      out(range.next++);
    return weir::source_turn::idle(std::chrono::milliseconds{10});
  }

  std::vector<split> snapshot() const { return ranges_; }

 private:
  weir::option<std::uint64_t> count_;
  weir::option<std::uint64_t> rate_;
  std::vector<split> ranges_;
};

int main(int argc, char** argv) {
  weir::topology job{"stateful-source", "Counts, and goes on where it was."};
  const auto count = job.option<std::uint64_t>("count", "how many numbers", 100000);
  const auto rate = job.option<std::uint64_t>("rate", "numbers a second, in each instance", 50000);
  const auto output = job.required_option("output", "directory to write the numbers to");

  job.source("numbers", counting{count, rate})
      .map("text", [](std::uint64_t number) { return std::to_string(number); })
      .sink("result", weir::write_lines{output});
  return weir::main(job, argc, argv);
}
