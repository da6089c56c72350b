#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <support/job_modes.hpp>
#include <support/memory_sink.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/sources/collection.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

constexpr std::uint64_t records = 20'000;
constexpr std::uint64_t keys = 97;

/// Of each source of words: a batch for every word is slow under sanitizers.
constexpr std::uint64_t each = records / 4;

struct reading {
  std::uint64_t key = 0;
  std::uint64_t value = 0;
};

reading make_reading(std::uint64_t i) {
  const std::uint64_t hash = mix(i);
  return {hash % keys, (hash >> 32) & 0xFF};
}

/// What a batch program computes over the same records.
template <class Result, class Fold>
std::map<std::uint64_t, Result> by_key(Fold fold) {
  std::map<std::uint64_t, Result> all;
  for (std::uint64_t i = 0; i < records; ++i) {
    const reading one = make_reading(i);
    fold(all[one.key], one);
  }
  return all;
}

template <class T>
std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

struct sum {
  struct accumulator {
    std::uint64_t count = 0;
    std::uint64_t total = 0;
  };
  void add(accumulator& acc, const reading& one) const {
    ++acc.count;
    acc.total += one.value;
  }
  std::tuple<std::uint64_t, std::uint64_t, std::uint64_t> result(std::uint64_t key,
                                                                 const accumulator& acc) const {
    return {key, acc.count, acc.total};
  }
};

using sums = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

/// Emits a key's readings until their sum reaches a limit, then drops it for good.
struct quota {
  using output = reading;
  void open(state_registry& states) { used_ = states.value<std::uint64_t>("used"); }
  void process(const reading& in, keyed_context<std::uint64_t>&, emitter<reading>& out) {
    used_.mutable_value() += in.value;
    if (*used_ <= 5000)
      out(in);
  }
  value_state<std::uint64_t> used_;
};

/// Joins the running count of one side into the other.
struct counting_both {
  using output = std::pair<std::uint64_t, std::uint64_t>;
  void open(state_registry& states) {
    seen_ = states.aggregating<std::uint64_t>("seen", total{});
  }
  void process_first(const reading& in, keyed_context<std::uint64_t>& context,
                     emitter<output>& out) {
    seen_.add(in.value);
    out({context.key(), 1});
  }
  void process_second(const std::string& in, keyed_context<std::uint64_t>& context,
                      emitter<output>& out) {
    seen_.add(in.size());
    out({context.key(), 2});
  }
  struct total {
    using accumulator = std::uint64_t;
    void add(accumulator& acc, const std::uint64_t& value) const { acc += value; }
    std::uint64_t result(const accumulator& acc) const { return acc; }
  };
  aggregating_state<std::uint64_t, std::uint64_t, std::uint64_t> seen_;
};

} // namespace

TEST_CASE("map, filter and aggregate at the end give a batch program's sums, in every mode") {
  std::map<std::uint64_t, sum::accumulator> expected = by_key<sum::accumulator>(
      [](sum::accumulator& acc, const reading& one) {
        if (one.value % 3 != 0)
          sum{}.add(acc, one);
      });
  std::vector<sums> wanted;
  for (const auto& [key, acc] : expected)
    if (acc.count != 0)
      wanted.emplace_back(key, acc.count, acc.total);
  in_every_mode([&](const job_mode& mode) {
    const auto output = std::make_shared<committed_records<sums>>();
    topology job{"sums"};
    job.source("readings", generate([](std::uint64_t i) { return i; }, records))
        .map("make", [](std::uint64_t i) { return make_reading(i); })
        .filter("not by three", [](const reading& one) { return one.value % 3 != 0; })
        .key_by([](const reading& one) { return one.key; })
        .aggregate("sum", sum{}, emit::at_end)
        .sink("out", memory_sink<sums>{output});
    run_in_mode(job, mode, {"readings", "make", "sum", "out"});
    CHECK(sorted(output->visible()) == wanted);
    CHECK(output->pending() == 0);
  });
}

TEST_CASE("every record passes exactly once through flat_map, union, rebalance and a running count") {
  std::vector<std::pair<std::string, std::uint64_t>> wanted;
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t i = 0; i < 2 * each; ++i)
    for (int n = 0; n < 2; ++n) {
      const std::string word = "w" + std::to_string((i + static_cast<std::uint64_t>(n)) % 50);
      wanted.emplace_back(word, ++counts[word]);
    }
  std::sort(wanted.begin(), wanted.end());
  in_every_mode([&](const job_mode& mode) {
    using counted_word = counted<std::string>;
    const auto output = std::make_shared<committed_records<counted_word>>();
    topology job{"words"};
    const auto low = job.source("low", generate([](std::uint64_t i) { return i; }, each));
    const auto high =
        job.source("high", generate([](std::uint64_t i) { return i + each; }, each));
    low.union_with(high)
        .rebalance()
        .flat_map("split",
                  [](std::uint64_t i, emitter<std::string>& out) {
                    out("w" + std::to_string(i % 50));
                    out("w" + std::to_string((i + 1) % 50));
                  })
        .key_by([](const std::string& word) -> const std::string& { return word; })
        .count("count")
        .sink("out", memory_sink<counted_word>{output});
    run_in_mode(job, mode, {"low", "high", "split", "count", "out"});
    std::vector<std::pair<std::string, std::uint64_t>> got;
    for (const counted_word& one : output->visible())
      got.emplace_back(one.key, one.count);
    CHECK(sorted(got) == wanted);
    CHECK(output->pending() == 0);
  });
}

TEST_CASE("a reduce and a process function with value state agree with a sequential program") {
  std::map<std::uint64_t, std::uint64_t> largest =
      by_key<std::uint64_t>([](std::uint64_t& max, const reading& one) {
        max = std::max(max, one.value);
      });
  in_every_mode([&](const job_mode& mode) {
    const auto maxima = std::make_shared<committed_records<std::pair<std::uint64_t, std::uint64_t>>>();
    const auto passed = std::make_shared<committed_records<std::uint64_t>>();
    topology job{"process"};
    const auto readings = job.source("readings", generate(make_reading, records));
    const auto keyed = readings.key_by([](const reading& one) { return one.key; });
    keyed
        .reduce("max",
                [](const reading& a, const reading& b) { return a.value >= b.value ? a : b; },
                emit::at_end)
        .map("pair", [](const reading& one) { return std::pair(one.key, one.value); })
        .sink("maxima", memory_sink<std::pair<std::uint64_t, std::uint64_t>>{maxima});
    keyed.process("quota", quota{})
        .map("value", [](const reading& one) { return one.value; })
        .sink("passed", memory_sink<std::uint64_t>{passed});
    run_in_mode(job, mode, {"readings", "max", "quota", "passed"});
    const auto got = maxima->visible();
    CHECK(std::map<std::uint64_t, std::uint64_t>(got.begin(), got.end()) == largest);
    CHECK(got.size() == largest.size());
    // The order of a key's readings is the source's only where one instance makes them all.
    std::uint64_t total = 0;
    for (const std::uint64_t value : passed->visible())
      total += value;
    CHECK(total <= keys * 5000);
    CHECK(total > keys * (5000 - 256));
  });
}

TEST_CASE("split, connect and broadcast deliver every record to where it belongs") {
  in_every_mode([&](const job_mode& mode) {
    using marked = std::pair<std::uint64_t, std::uint64_t>;
    const auto both = std::make_shared<committed_records<marked>>();
    const auto spread = std::make_shared<committed_records<std::uint64_t>>();
    topology job{"split"};
    auto [even, odd] =
        job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
            .split<reading, std::string>(
                "parity", [](std::uint64_t i, emitter<reading>& a, emitter<std::string>& b) {
                  if (i % 2 == 0)
                    a(make_reading(i));
                  else
                    b(std::to_string(i));
                });
    even.key_by([](const reading& one) { return one.key; })
        .connect(odd.key_by([](const std::string& text) {
          return static_cast<std::uint64_t>(text.size());
        }))
        .process("both", counting_both{})
        .sink("both out", memory_sink<marked>{both});
    const auto few = job.source("few", collection<std::uint64_t>({1, 2, 3}));
    few.broadcast().map("copy", [](std::uint64_t n) { return n; }).parallelism(3)
        .sink("spread", memory_sink<std::uint64_t>{spread});
    run_in_mode(job, mode, {"numbers", "both", "copy"});
    const auto got = both->visible();
    CHECK(got.size() == records);
    CHECK(std::count_if(got.begin(), got.end(), [](const marked& one) { return one.second == 1; }) ==
          records / 2);
    CHECK(sorted(spread->visible()) == std::vector<std::uint64_t>{1, 1, 1, 2, 2, 2, 3, 3, 3});
  });
}

TEST_CASE("functions with list and map state see every record of their key once, in every mode") {
  using seen = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>; // key, value or 1000, how many
  std::vector<seen> wanted;
  for (const auto& [key, values] : by_key<std::map<std::uint64_t, std::uint64_t>>(
           [](std::map<std::uint64_t, std::uint64_t>& counts, const reading& one) {
             ++counts[one.value % 8];
             ++counts[1000];
           }))
    for (const auto& [value, count] : values)
      for (std::uint64_t n = 1; n <= count; ++n)
        wanted.emplace_back(key, value, n);
  in_every_mode([&](const job_mode& mode) {
    const auto output = std::make_shared<committed_records<seen>>();
    topology job{"lists-and-maps"};
    job.source("readings", generate(make_reading, records))
        .key_by([](const reading& one) { return one.key; })
        .flat_map("count",
                  [](const reading& one, map_state<std::uint64_t, std::uint64_t>& counts,
                     list_state<std::uint64_t>& all, emitter<seen>& out) {
                    out({one.key, one.value % 8, ++counts[one.value % 8]});
                    all.add(one.value);
                    out({one.key, 1000, all.size()});
                  },
                  map_of<std::uint64_t, std::uint64_t>("counts"), list_of<std::uint64_t>("all"))
        .sink("out", memory_sink<seen>{output});
    run_in_mode(job, mode, {"readings", "count", "out"});
    CHECK(sorted(output->visible()) == sorted(wanted));
  });
}

TEST_CASE("a broadcast stream reaches every instance once, and the main stream one, in every mode") {
  struct both_sides {
    using output = std::uint64_t;
    broadcast_state<std::uint64_t, std::uint64_t> rules{};

    void open(state_registry& states) { rules = states.broadcast<std::uint64_t, std::uint64_t>("rules"); }
    void process(const std::uint64_t& in, keyed_context<std::uint64_t>&, emitter<output>& out) { out(in); }
    void process_broadcast(const std::uint64_t& in, broadcast_context& context, emitter<output>& out) {
      rules.put(context, in, in);
      out(records + rules.size()); // how many this instance knows now
    }
  };
  in_every_mode([&](job_mode mode) {
    mode.rescaled = false; // then it would depend on the moment how many instances each record reaches
    const auto output = std::make_shared<committed_records<std::uint64_t>>();
    topology job{"broadcast"};
    const auto rules = job.source("rules", generate([](std::uint64_t i) { return i; }, 20)).parallelism(1);
    job.source("numbers", generate([](std::uint64_t i) { return i; }, each))
        .key_by([](std::uint64_t i) { return i % keys; })
        .connect(rules.broadcast())
        .process("both", both_sides{})
        .sink("out", memory_sink<std::uint64_t>{output});
    run_in_mode(job, mode, {"numbers", "rules", "both"});
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t i = 0; i < each; ++i)
      wanted.push_back(i);
    for (std::uint64_t n = 1; n <= 20; ++n)
      wanted.insert(wanted.end(), mode.parallelism, records + n);
    CHECK(sorted(output->visible()) == wanted);
  });
}

namespace {

/// A record per ms, out of order by less than 50 ms.
event_time time_of(std::uint64_t i) {
  return event_time{std::chrono::milliseconds{static_cast<std::int64_t>(i - mix(i) % std::min<std::uint64_t>(i + 1, 50))}};
}

/// Emits a key's count a second after its first record, and then counts anew.
struct count_for_a_second {
  using output = std::pair<std::uint64_t, std::uint64_t>;
  void open(state_registry& states) { count_ = states.value<std::uint64_t>("count"); }
  void process(const std::uint64_t&, keyed_context<std::uint64_t>& context, emitter<output>&) {
    ++count_.mutable_value();
    const auto window = context.time()->time_since_epoch().count() / 1000;
    context.set_timer(event_time{std::chrono::milliseconds{(window + 1) * 1000}});
  }
  void on_timer(const timer&, keyed_context<std::uint64_t>& context, emitter<output>& out) {
    out({context.key(), count_.value_or(0)});
    count_.clear();
  }
  value_state<std::uint64_t> count_;
};

} // namespace

TEST_CASE("windows of event time hold what a batch program puts into them, in every mode") {
  using counted_window = std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::uint64_t>;
  std::map<std::tuple<std::uint64_t, std::int64_t, std::int64_t>, std::uint64_t> expected;
  for (std::uint64_t i = 0; i < records; ++i) {
    const std::int64_t time = time_of(i).time_since_epoch().count();
    const std::int64_t last = time / 500 * 500;
    ++expected[{i % keys, last, 500}];
    for (std::int64_t start = last; start > time - 1500; start -= 500)
      ++expected[{i % keys, start, 1500}];
  }
  std::vector<counted_window> wanted;
  for (const auto& [window, count] : expected)
    wanted.emplace_back(std::get<0>(window), std::get<1>(window), std::get<2>(window), count);
  in_every_mode([&](const job_mode& mode) {
    const auto output = std::make_shared<committed_records<counted_window>>();
    topology job{"windows"};
    const auto by_key = job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
                            .assign_times("times", &time_of, bounded_disorder{std::chrono::milliseconds{50}})
                            .key_by([](std::uint64_t i) { return i % keys; });
    const auto flat = [](const windowed<std::uint64_t, std::uint64_t>& in) {
      return counted_window{in.key, in.window.start.time_since_epoch().count(),
                            (in.window.end - in.window.start).count(), in.value};
    };
    const auto side_by_side = by_key.window(tumbling(std::chrono::milliseconds{500})).count("tumbling").map("flat", flat);
    by_key.window(sliding(std::chrono::milliseconds{1500}, std::chrono::milliseconds{500}))
        .count("sliding")
        .map("flat too", flat)
        .union_with(side_by_side)
        .rebalance()
        .sink("out", memory_sink<counted_window>{output});
    run_in_mode(job, mode, {"numbers", "times", "tumbling", "sliding", "out"});
    CHECK(sorted(output->visible()) == wanted);
  });
}

TEST_CASE("timers in event time fire for every key when its time has come, in every mode") {
  using total = std::pair<std::uint64_t, std::uint64_t>;
  in_every_mode([&](const job_mode& mode) {
    const auto output = std::make_shared<committed_records<total>>();
    topology job{"timers"};
    job.source("numbers", generate([](std::uint64_t i) { return i; }, records))
        .assign_times("times", [](std::uint64_t i) { return event_time{std::chrono::milliseconds{static_cast<std::int64_t>(i)}}; },
                      monotonous{})
        .key_by([](std::uint64_t i) { return i % keys; })
        .process("count", count_for_a_second{})
        .sink("out", memory_sink<total>{output});
    run_in_mode(job, mode, {"numbers", "count", "out"});
    std::map<std::uint64_t, std::uint64_t> totals;
    std::uint64_t fired = 0;
    for (const auto& [key, count] : output->visible()) {
      totals[key] += count;
      ++fired;
    }
    CHECK(fired == keys * (records / 1000)); // each key has records in each second
    for (std::uint64_t key = 0; key < keys; ++key)
      CHECK(totals[key] == (records - key + keys - 1) / keys);
  });
}

TEST_CASE("joins of two streams pair what a batch program pairs, in every mode") {
  using pair = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>; // which join, first, second
  constexpr std::uint64_t few = 2000;
  const auto first_time = [](std::uint64_t i) { return time_of(i).time_since_epoch().count(); };
  const auto second_time = [](std::uint64_t i) { return time_of(i + 7).time_since_epoch().count(); };
  std::vector<pair> wanted;
  for (std::uint64_t a = 0; a < few; ++a)
    for (std::uint64_t b = a > 400 ? a - 400 : 0; b < std::min(a + 400, few); ++b) {
      if (a % keys != b % keys)
        continue;
      const std::int64_t apart = second_time(b) - first_time(a);
      if (apart >= -100 && apart <= 200)
        wanted.emplace_back(0, a, b);
      for (std::int64_t start = first_time(a) / 100 * 100; start > first_time(a) - 300; start -= 100)
        if (second_time(b) >= start && second_time(b) < start + 300)
          wanted.emplace_back(1, a, b);
    }
  in_every_mode([&](const job_mode& mode) {
    const auto output = std::make_shared<committed_records<pair>>();
    topology job{"joins"};
    const auto key = [](std::uint64_t i) { return i % keys; };
    const auto at = [](auto time) {
      return [time](std::uint64_t i) { return event_time{std::chrono::milliseconds{time(i)}}; };
    };
    const bounded_disorder strategy{std::chrono::milliseconds{60}};
    const auto numbers = [](std::uint64_t i) { return i; };
    const auto first = job.source("first", generate(numbers, few)).assign_times("first times", at(first_time), strategy);
    const auto second =
        job.source("second", generate(numbers, few)).assign_times("second times", at(second_time), strategy);
    const auto both = first.key_by(key).connect(second.key_by(key));
    const auto within =
        both.join_within("within", std::chrono::milliseconds{-100}, std::chrono::milliseconds{200},
                         [](std::uint64_t a, std::uint64_t b) { return pair{0, a, b}; });
    both.join("windows", sliding(std::chrono::milliseconds{300}, std::chrono::milliseconds{100}),
              [](std::uint64_t a, std::uint64_t b) { return pair{1, a, b}; })
        .union_with(within)
        .rebalance()
        .sink("out", memory_sink<pair>{output});
    run_in_mode(job, mode, {"first", "within", "windows", "out"});
    CHECK(sorted(output->visible()) == sorted(wanted));
  });
}
