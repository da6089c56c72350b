#include "jobs.hpp"

#include <algorithm>
#include <utility>

namespace bench {

namespace {

/// Every key once, and then, behind each checkpoint, as many keys as are to change until the next one: so that each
/// checkpoint but the first has the same to write, however long it takes.
class rounds_of_keys {
 public:
  using output = event;

  struct split {
    std::uint64_t round = 0; // 0: every key once
    std::uint64_t next = 0;  // record of this round
    std::uint64_t behind = 0; // whether its checkpoint has begun
  };

  rounds_of_keys(const workload& what)
      : keys_(what.keys), changed_(what.keys * what.changed / 100), rounds_(what.records) {}

  weir::result<std::vector<split>> splits(std::uint32_t) const { return std::vector<split>{split{}}; }

  void open(const weir::operator_context&, std::vector<split> assigned) { assigned_ = std::move(assigned); }

  weir::source_turn poll(weir::emitter<event>& out) {
    if (assigned_.empty())
      return weir::source_turn::ended();
    split& at = assigned_.front();
    const std::uint64_t size = at.round == 0 ? keys_ : changed_;
    if (at.next == size) {
      if (at.round == rounds_)
        return weir::source_turn::ended();
      if (at.behind == 0)
        return weir::source_turn::idle(std::chrono::milliseconds{1});
      at = {at.round + 1, 0, 0};
    }
    for (const std::uint64_t stop = std::min(size, at.next + 1024); at.next < stop; ++at.next)
      // The keys of a round are scattered, and each comes once.
      out({(at.next * stride + at.round) % keys_, 1, 0});
    return weir::source_turn::more();
  }

  std::vector<split> snapshot() const {
    if (!assigned_.empty() && assigned_.front().next == (assigned_.front().round == 0 ? keys_ : changed_))
      assigned_.front().behind = 1;
    return assigned_;
  }

 private:
  static constexpr std::uint64_t stride = 1'000'003; // a prime that no number of keys is a multiple of

  std::uint64_t keys_;
  std::uint64_t changed_;
  std::uint64_t rounds_;
  mutable std::vector<split> assigned_; // that a snapshot was taken is noted in it
};

} // namespace

weir::topology checkpoints_job(const workload& what, std::shared_ptr<shared_totals> results) {
  weir::topology job{"checkpoints"};
  sums_of(job.source("rounds", rounds_of_keys(what))).sink("results", [results](const key_total& in) {
    if (in.count == 0)
      results->add({});
  });
  return job;
}

} // namespace bench
