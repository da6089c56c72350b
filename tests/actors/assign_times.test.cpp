#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weir/actors/operators/assign_times.hpp>

using namespace weir;
using namespace std::chrono_literals;

namespace {

event_time at(std::int64_t ms) {
  return event_time{std::chrono::milliseconds{ms}};
}

struct reading {
  std::int64_t time = 0;
  std::int64_t carried = -1; ///< a watermark, if it is not negative
};

event_time time_of(const reading& in) {
  return at(in.time);
}

/// What comes out of an operator, one word each: "10" a record with its event time, "w8" a watermark, "i"
/// idleness.
class words final : public collector<reading>, public progress_receiver {
 public:
  void receive(batch<reading>& records) override {
    for (std::uint32_t i = 0; i < records.size(); ++i)
      add(records.times() ? std::to_string(records.times()[i].time_since_epoch().count()) : "none");
  }
  void receive_watermark(event_time time) override {
    add(time == last_watermark ? "w*" : "w" + std::to_string(time.time_since_epoch().count()));
  }
  void receive_idleness() override { add("i"); }
  void receive_partition(const partition_change&) override { add("p"); }

  std::string take() { return std::exchange(text_, {}); }

 private:
  void add(const std::string& word) { text_ += (text_.empty() ? "" : " ") + word; }
  std::string text_;
};

/// An assign_times operator, driven by hand.
template <class TimeOf, class W>
class times_run {
 public:
  times_run(TimeOf of, W how, watermark_options options = {.interval = 0ms}, event_time restored = no_watermark)
      : operator_(std::move(of), std::move(how), options) {
    output_port* out = operator_.outputs()[0];
    out->configure(16);
    out->connect(words_);
    out->connect_progress(words_);
    operator_context context;
    context.clock = clock;
    restored_state from;
    from.watermark = restored;
    operator_.open(context, from);
  }

  std::string operator()(std::vector<reading> in) {
    batch<reading> records(16);
    for (std::size_t i = 0; i < in.size(); ++i)
      records[i] = in[i];
    records.resize(static_cast<std::uint32_t>(in.size()));
    operator_.receive(records);
    return words_.take();
  }
  std::string partition(partition_change::kind what, std::uint64_t number) {
    operator_.receive_partition({what, number});
    return words_.take();
  }
  std::string wake() {
    while (!operator_.wake(clock->now()))
      ;
    return words_.take();
  }
  std::string watermark(event_time time) {
    operator_.receive_watermark(time);
    return words_.take();
  }
  operator_base& running() { return operator_; }

  std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>(at(1'000'000));

 private:
  words words_;
  assign_times_operator<reading, TimeOf, W> operator_;
};

using kind = partition_change::kind;

} // namespace

TEST_CASE("with bounded disorder the watermark is behind the largest event time, and never goes back") {
  times_run run(&time_of, bounded_disorder{2ms});
  CHECK(run({{10}, {7}, {12}}) == "10 7 12 w10");
  CHECK(run({{11}}) == "11");
  CHECK(run({{13}}) == "13 w11");
  CHECK(run.running().watermark() == at(11));
  CHECK(run.watermark(at(50)) == ""); // those from before it do not count
  CHECK(run.watermark(last_watermark) == "w*");
}

TEST_CASE("punctuated watermarks are sent behind the record that carries them") {
  const auto carried = [](const reading& in, event_time) {
    return in.carried < 0 ? std::nullopt : std::optional(at(in.carried));
  };
  times_run run(&time_of, punctuated{carried});
  CHECK(run({{10, 8}, {11}, {12, 7}, {13, 10}}) == "10 w8 11 12 13 w10");
}

TEST_CASE("each partition has its own order, and the one that is furthest behind counts") {
  times_run run(&time_of, monotonous{});
  run.partition(kind::opened, 1);
  run.partition(kind::opened, 2);
  run.partition(kind::current, 1);
  CHECK(run({{10}, {20}}) == "10 20");
  run.partition(kind::current, 2);
  CHECK(run({{5}}) == "5 w5");
  CHECK(run({{30}}) == "30 w20");
  CHECK(run.partition(kind::ended, 1) == "w30");
  run.partition(kind::current, 3);
  CHECK(run({{25}}) == "25"); // late, and does not move it back
  CHECK(run({{40}}) == "40");
  CHECK(run.partition(kind::ended, 2) == "w40");
}

TEST_CASE("a silent partition is not waited for, and all of them being silent is said once") {
  times_run run(&time_of, monotonous{}, {.interval = 0ms, .idle_after = 100ms});
  run.partition(kind::opened, 1);
  run.partition(kind::current, 2);
  CHECK(run({{10}}) == "10");
  run.clock->advance(60ms);
  CHECK(run({{20}}) == "20");
  CHECK(run.running().next_wakeup() == run.clock->now() + 40ms);
  run.clock->advance(40ms);
  CHECK(run.wake() == "w20");
  CHECK(run.running().next_wakeup() == run.clock->now() + 60ms);
  run.clock->advance(60ms);
  CHECK(run.wake() == "i");
  CHECK_FALSE(run.running().next_wakeup());
  run.partition(kind::current, 1);
  CHECK(run({{15}}) == "w20 15"); // waited for again; late
  CHECK(run({{18}}) == "18");
  CHECK(run({{22}}) == "22 w22"); // partition 2 is still silent
}

TEST_CASE("watermarks are so far apart in processing time, and the last one is not forgotten") {
  times_run run(&time_of, monotonous{}, {.interval = 5ms});
  CHECK(run({{10}}) == "10 w10");
  CHECK(run({{11}}) == "11");
  run.clock->advance(2ms);
  CHECK(run({{12}}) == "12");
  CHECK(run.running().next_wakeup() == run.clock->now() + 3ms);
  run.clock->advance(3ms);
  CHECK(run.wake() == "w12");
  CHECK_FALSE(run.running().next_wakeup());
  run.clock->advance(5ms);
  CHECK(run({{13}}) == "13 w13");
}

TEST_CASE("ingestion time is that of the job's clock, and not before a restored watermark") {
  times_run run(ingestion_time{}, monotonous{}, {.interval = 0ms}, at(1'000'005));
  CHECK(run({{0}}) == "1000005");
  run.clock->advance(7ms);
  CHECK(run({{0}, {0}}) == "1000007 1000007 w1000007");
}
