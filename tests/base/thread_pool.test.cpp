#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <weir/base/caf.hpp>

using namespace std::chrono_literals;

namespace weir::testing {

struct call {
  std::function<void()> what;
};
struct reminder {
  std::uint64_t number;
};

} // namespace weir::testing

WEIR_BEGIN_MESSAGES(weir_thread_pool_test, 3900)
WEIR_LOCAL_MESSAGE(weir::testing::call)
WEIR_LOCAL_MESSAGE(weir::testing::reminder)
WEIR_END_MESSAGES(weir_thread_pool_test)

using namespace weir;
using namespace weir::testing;

namespace {

constexpr auto soon = 20s; // if it is to happen at all

/// Calls what it is sent, and notes the reminders that it has sent itself.
class reminded : public actor_base {
 public:
  using actor_base::actor_base;

  struct arrival {
    std::uint64_t number;
    std::chrono::steady_clock::time_point at;
  };

  caf::behavior make_behavior() override {
    return {
        [](const call& one) { one.what(); },
        [this](const reminder& one) { on_reminder({one.number, std::chrono::steady_clock::now()}); },
    };
  }

  void remind(duration delay, std::uint64_t number) { tell_self_later(*this, delay, reminder{number}); }

  std::function<void(const arrival&)> on_reminder;
};

/// Some threads, and actors that are told what to do with themselves.
class pool {
 public:
  explicit pool(std::size_t threads = 2) : configuration_(threads), system_(configuration_) {}
  ~pool() {
    for (const caf::actor& one : actors_)
      kill_actor(one);
  }

  /// Runs body(reminded&) in a new actor.
  template <class Body>
  caf::actor run(Body body) {
    caf::actor made = spawn_actor<reminded>(system_);
    actors_.push_back(made);
    auto* self = static_cast<reminded*>(caf::actor_cast<caf::abstract_actor*>(made));
    tell_anonymously(made, call{[self, body] { body(*self); }});
    return made;
  }

 private:
  actor_configuration configuration_;
  caf::actor_system system_;
  std::vector<caf::actor> actors_;
};

} // namespace

TEST_CASE("what is sent for later comes in the order in which it is due, and not before") {
  constexpr std::uint64_t reminders = 200;
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  struct span {
    std::chrono::steady_clock::time_point first, last;
  };
  std::vector<span> due(reminders); // between these
  std::vector<reminded::arrival> arrived;
  std::promise<void> all;
  {
    pool threads(1);
    threads.run([&](reminded& self) {
      std::mt19937 random(seed);
      self.on_reminder = [&](const reminded::arrival& one) {
        arrived.push_back(one);
        if (arrived.size() == reminders)
          all.set_value();
      };
      for (std::uint64_t i = 0; i < reminders; ++i) {
        const auto delay = std::chrono::microseconds{random() % 20'000};
        due[i].first = std::chrono::steady_clock::now() + delay;
        self.remind(delay, i);
        due[i].last = std::chrono::steady_clock::now() + delay;
      }
    });
    REQUIRE(all.get_future().wait_for(soon) == std::future_status::ready);
  }
  for (std::size_t i = 0; i < arrived.size(); ++i) {
    CHECK(arrived[i].at >= due[arrived[i].number].first);
    if (i != 0)
      CHECK(due[arrived[i].number].last >= due[arrived[i - 1].number].first);
  }
}

TEST_CASE("what is sent for later comes while all threads sleep, and while another one is busy") {
  for (const bool is_other_busy : {false, true}) {
    CAPTURE(is_other_busy);
    std::promise<void> came;
    std::promise<void> release;
    std::shared_future<void> released = release.get_future().share();
    {
      pool threads;
      std::promise<void> is_running;
      if (is_other_busy) {
        threads.run([&](reminded&) {
          is_running.set_value();
          released.wait();
        });
        REQUIRE(is_running.get_future().wait_for(soon) == std::future_status::ready);
      }
      threads.run([&](reminded& self) {
        self.on_reminder = [&](const reminded::arrival&) { came.set_value(); };
        self.remind(50ms, 1); // until then the threads have gone to sleep
      });
      CHECK(came.get_future().wait_for(soon) == std::future_status::ready);
      release.set_value();
    }
  }
}

TEST_CASE("an actor does not wait behind a long function while a thread sleeps until something is due") {
  std::promise<void> ran;
  pool threads;
  std::promise<void> is_sent;
  threads.run([&](reminded& self) {
    self.remind(1h, 1);
    is_sent.set_value();
  });
  REQUIRE(is_sent.get_future().wait_for(soon) == std::future_status::ready);
  const caf::actor second = threads.run([](reminded&) {});
  std::this_thread::sleep_for(100ms); // the threads look for a while before they sleep
  bool came = false;
  std::promise<void> is_done;
  threads.run([&](reminded& self) {
    tell(self, second, call{[&] { ran.set_value(); }});
    came = ran.get_future().wait_for(soon) == std::future_status::ready;
    is_done.set_value();
  });
  is_done.get_future().wait();
  CHECK(came);
}

TEST_CASE("what is due comes while all threads but one that sleeps are busy") {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::promise<void> came;
  std::promise<void> is_running;
  std::promise<void> is_sent;
  std::promise<void> go;
  {
    pool threads(3);
    const caf::actor second = threads.run([](reminded&) {});
    threads.run([&, second](reminded& self) {
      is_running.set_value();
      go.get_future().wait();
      tell(self, second, call{[&] { released.wait(); }}); // the thread that looks from time to time finds that
      released.wait();
    });
    REQUIRE(is_running.get_future().wait_for(soon) == std::future_status::ready);
    threads.run([&](reminded& self) {
      self.on_reminder = [&](const reminded::arrival&) { came.set_value(); };
      self.remind(300ms, 1);
      is_sent.set_value();
    });
    CHECK(is_sent.get_future().wait_for(soon) == std::future_status::ready);
    std::this_thread::sleep_for(50ms); // one of the others looks from time to time now, and one sleeps
    go.set_value();
    CHECK(came.get_future().wait_for(soon) == std::future_status::ready);
    release.set_value();
  }
}

TEST_CASE("an actor that waits again and again is not kept waiting by others that do, on any number of threads") {
  constexpr std::uint64_t rounds = 300;
  constexpr std::size_t actors = 20;
  for (const std::size_t number : {1, 2, 4}) {
    CAPTURE(number);
    std::atomic<std::size_t> left = actors;
    std::promise<void> all;
    {
      pool threads(number);
      for (std::size_t i = 0; i < actors; ++i)
        threads.run([&, i](reminded& self) {
          self.on_reminder = [&, i](const reminded::arrival& one) {
            if (one.number != rounds)
              self.remind(std::chrono::microseconds{(i * 37 + one.number * 11) % 100}, one.number + 1);
            else if (--left == 0)
              all.set_value();
          };
          self.remind(0us, 1);
        });
      CHECK(all.get_future().wait_for(soon) == std::future_status::ready);
    }
  }
}

TEST_CASE("a system ends while something is still to come") {
  pool threads;
  std::promise<void> is_sent;
  threads.run([&](reminded& self) {
    self.on_reminder = [](const reminded::arrival&) {};
    self.remind(1h, 1);
    is_sent.set_value();
  });
  CHECK(is_sent.get_future().wait_for(soon) == std::future_status::ready);
}
