#include <weir/runtime/restart_strategy.hpp>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir;

namespace {

constexpr time_point start{1h};

restart_config with(restart_kind strategy) {
  restart_config config;
  config.strategy = strategy;
  config.delay = 100ms;
  return config;
}

} // namespace

TEST_CASE("without restarts the first failure ends the job") {
  restart_strategy strategy(with(restart_kind::none));
  CHECK(strategy.on_failure(start) == std::nullopt);
  CHECK(strategy.failures() == 1);
}

TEST_CASE("a fixed delay is the same each time until the attempts are used up") {
  restart_config config = with(restart_kind::fixed_delay);
  config.attempts = 3;
  restart_strategy strategy(config);
  for (int i = 0; i < 3; ++i)
    CHECK(strategy.on_failure(start + i * 24h) == 100ms);
  CHECK(strategy.on_failure(start + 1000h) == std::nullopt);
}

TEST_CASE("a fixed delay without a limit goes on") {
  restart_strategy strategy(with(restart_kind::fixed_delay));
  for (int i = 0; i < 1'000; ++i)
    CHECK(strategy.on_failure(start) == 100ms);
  CHECK(strategy.failures() == 1'000);
}

TEST_CASE("an exponential delay grows up to its maximum") {
  restart_config config = with(restart_kind::exponential_delay);
  config.maximum_delay = 500ms;
  restart_strategy strategy(config);
  time_point now = start;
  for (const duration expected : {100ms, 200ms, 400ms, 500ms, 500ms}) {
    const auto delay = strategy.on_failure(now);
    REQUIRE(delay == expected);
    now += *delay + 1ms;
  }
}

TEST_CASE("an exponential delay starts over after a time without failure") {
  restart_config config = with(restart_kind::exponential_delay);
  config.reset_after = 10s;
  restart_strategy strategy(config);
  CHECK(strategy.on_failure(start) == 100ms);
  const time_point restarted = start + 100ms;
  CHECK(strategy.on_failure(restarted + 9'999ms) == 200ms);
  const time_point again = restarted + 9'999ms + 200ms;
  CHECK(strategy.on_failure(again + 10s) == 100ms);
}

TEST_CASE("the attempts of an exponential delay count from the last reset") {
  restart_config config = with(restart_kind::exponential_delay);
  config.attempts = 2;
  config.reset_after = 10s;
  restart_strategy strategy(config);
  CHECK(strategy.on_failure(start) == 100ms);
  CHECK(strategy.on_failure(start + 1s) == 200ms);
  CHECK(strategy.on_failure(start + 1min) == 100ms);
  CHECK(strategy.on_failure(start + 61s) == 200ms);
  CHECK(strategy.on_failure(start + 62s) == std::nullopt);
}

TEST_CASE("an exponential delay does not overflow however often it grows") {
  restart_config config = with(restart_kind::exponential_delay);
  config.backoff = 1000;
  config.maximum_delay = 365 * 24h;
  restart_strategy strategy(config);
  time_point now = start;
  for (int i = 0; i < 50; ++i) {
    const auto delay = strategy.on_failure(now);
    REQUIRE(delay);
    CHECK(*delay >= 100ms);
    CHECK(*delay <= config.maximum_delay);
    now += 1s;
  }
}

TEST_CASE("the job is given up when failures come faster than the rate allows") {
  restart_config config = with(restart_kind::failure_rate);
  config.rate_maximum = 2;
  config.rate_interval = 10s;
  restart_strategy strategy(config);
  CHECK(strategy.on_failure(start) == 100ms);
  CHECK(strategy.on_failure(start + 1s) == 100ms);
  CHECK(strategy.on_failure(start + 10s) == 100ms);
  CHECK(strategy.on_failure(start + 10'500ms) == std::nullopt);
}

TEST_CASE("a rate of zero gives the job up at the first failure, over any time") {
  restart_config config = with(restart_kind::failure_rate);
  config.rate_maximum = 0;
  CHECK(restart_strategy(config).on_failure(start) == std::nullopt);
  config.rate_interval = 0s;
  CHECK(restart_strategy(config).on_failure(start) == std::nullopt);
}
