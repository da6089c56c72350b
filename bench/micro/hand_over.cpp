// A batch from one actor to another and back, with 16 under way; and the same between two threads that look at a
// pair of counters all the time.

#include <atomic>
#include <cstdint>
#include <future>
#include <thread>
#include <utility>

#include <benchmark/benchmark.h>

#include <weir/actors/batch.hpp>
#include <weir/actors/protocol.hpp>
#include <weir/base/caf.hpp>

namespace {

constexpr std::int64_t round_trips = 100'000;
constexpr int credits = 16;

class returning_actor final : public weir::actor_base {
 public:
  explicit returning_actor(caf::actor_config& setup) : actor_base(setup) {}
  caf::behavior make_behavior() override {
    return {[this](weir::connect_task& order) { from_ = std::move(order.inputs.at(0).task); },
            [this](weir::batch_sent& sent) {
              weir::tell(*this, from_, weir::credit_returned{0, std::move(sent.records)});
            },
            [this](weir::stop_task) {
              from_ = nullptr;
              quit();
            }};
  }

 private:
  caf::actor from_;
};

class sending_actor final : public weir::actor_base {
 public:
  sending_actor(caf::actor_config& setup, caf::actor to, std::promise<void> when_done)
      : actor_base(setup), to_(std::move(to)), done_(std::move(when_done)) {}
  caf::behavior make_behavior() override {
    return {[this](weir::run_task) {
              weir::connect_task order;
              order.inputs.push_back({caf::actor_cast<caf::actor>(this), 0});
              weir::tell(*this, to_, std::move(order));
              for (int i = 0; i < credits; ++i)
                weir::tell(*this, to_, weir::batch_sent{0, weir::batch_ptr(new weir::batch<int>(1))});
            },
            [this](weir::credit_returned& back) {
              if (++returned_ == round_trips)
                finish();
              else if (returned_ < round_trips)
                weir::tell(*this, to_, weir::batch_sent{0, std::move(back.emptied)});
            }};
  }

 private:
  void finish() {
    weir::tell(*this, to_, weir::stop_task{});
    to_ = nullptr;
    done_.set_value();
    quit();
  }

  caf::actor to_;
  std::promise<void> done_;
  std::int64_t returned_ = 0;
};

void hand_over_to_actor(benchmark::State& run) {
  weir::actor_configuration config(2);
  caf::actor_system system(config);
  for (auto _ : run) {
    std::promise<void> done;
    auto ended = done.get_future();
    const caf::actor to = weir::spawn_actor<returning_actor>(system);
    const caf::actor from = weir::spawn_actor<sending_actor>(system, to, std::move(done));
    weir::tell_anonymously(from, weir::run_task{});
    ended.wait();
  }
  run.SetItemsProcessed(run.iterations() * round_trips);
}

void hand_over_to_thread(benchmark::State& run) {
  struct alignas(64) counter {
    std::atomic<std::int64_t> value = 0;
  };
  for (auto _ : run) {
    counter sent, returned;
    std::thread to([&] {
      for (std::int64_t i = 0; i < round_trips; ++i) {
        while (sent.value.load(std::memory_order_acquire) <= i)
          ;
        returned.value.store(i + 1, std::memory_order_release);
      }
    });
    for (std::int64_t i = 0; i < round_trips; ++i) {
      while (i - returned.value.load(std::memory_order_acquire) >= credits)
        ;
      sent.value.store(i + 1, std::memory_order_release);
    }
    to.join();
  }
  run.SetItemsProcessed(run.iterations() * round_trips);
}

} // namespace

BENCHMARK(hand_over_to_actor)->Name("hand_over/actor")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(hand_over_to_thread)->Name("hand_over/by_hand")->UseRealTime()->Unit(benchmark::kMillisecond);
