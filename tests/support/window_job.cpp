#include <support/window_job.hpp>

#include <cstdlib>
#include <limits>
#include <optional>

#include <weir/runtime/job.hpp>

namespace weir::testing {

namespace {

/// Reads what each instance is told to, in that order, a random number at a time, with pauses if it is to.
class scripted_source {
 public:
  using output = sighting;
  using scripts = std::vector<std::vector<sighting>>;

  struct split {
    std::uint32_t script = 0;
    std::uint64_t next = 0;
  };

  scripted_source(std::shared_ptr<const scripts> all, bool pauses, std::uint64_t seed,
                  std::shared_ptr<std::atomic<std::size_t>> resumed)
      : all_(std::move(all)), pauses_(pauses), seed_(seed), resumed_(std::move(resumed)) {}

  result<std::vector<split>> splits(std::uint32_t) const {
    std::vector<split> all;
    for (std::uint32_t i = 0; i < all_->size(); ++i)
      all.push_back({i, 0});
    return all;
  }

  void open(const operator_context& context, std::vector<split> assigned) {
    assigned_ = std::move(assigned);
    *resumed_ += std::any_of(assigned_.begin(), assigned_.end(), [](const split& one) { return one.next != 0; });
    random_.seed(seed_ + context.instance);
    is_announced_ = false;
  }

  source_turn poll(emitter<sighting>& out) {
    using namespace std::chrono_literals;
    if (!std::exchange(is_announced_, true))
      for (const split& one : assigned_)
        for (std::size_t i = one.next; i < script_of(one).size(); ++i)
          out.open_partition(script_of(one)[i].partition);
    for (std::uint64_t room = 1 + random_() % (pauses_ ? 12 : 40); room > 0 && !assigned_.empty(); --room)
      emit_next(out);
    if (assigned_.empty())
      return source_turn::ended();
    return pauses_ && random_() % 2 == 0 ? source_turn::idle(std::chrono::microseconds{random_() % 1500})
                                        : source_turn::more();
  }

  std::vector<split> snapshot() const { return assigned_; }

 private:
  const std::vector<sighting>& script_of(const split& one) const { return (*all_)[one.script]; }

  void emit_next(emitter<sighting>& out) {
    split& from = assigned_.front();
    const std::vector<sighting>& script = script_of(from);
    if (from.next < script.size()) {
      const sighting& one = script[from.next];
      out.set_partition(one.partition);
      out(one);
      const auto rest = script.begin() + static_cast<std::ptrdiff_t>(++from.next);
      if (std::none_of(rest, script.end(), [&](const sighting& later) { return later.partition == one.partition; }))
        out.end_partition(one.partition);
    }
    if (from.next == script.size())
      assigned_.erase(assigned_.begin());
  }

  std::shared_ptr<const scripts> all_;
  bool pauses_;
  std::uint64_t seed_;
  std::shared_ptr<std::atomic<std::size_t>> resumed_;
  std::mt19937_64 random_;
  std::vector<split> assigned_;
  bool is_announced_ = false;
};

/// Says how far time has come from time to time only, and takes it back now and then.
struct rare_watermarks {
  std::int64_t behind = 0;
  std::int64_t largest = std::numeric_limits<std::int64_t>::min();
  event_time said = no_watermark;

  bool on_record(const sighting& in, event_time time) {
    largest = std::max(largest, time.time_since_epoch().count());
    if (in.id % 5 == 0)
      said = event_time{std::chrono::milliseconds{largest - behind - in.id % 3 * 4}};
    return in.id % 10 == 0;
  }
  event_time watermark() const { return said; }
};

struct stamp {
  using output = sighting;
  void process(const sighting& in, process_context& context, emitter<sighting>& out) {
    sighting& stamped = out.append();
    stamped = in;
    stamped.stamp = context.watermark().time_since_epoch().count();
  }
};

// A sanitizer makes these jobs ten times slower, and what it looks for is in any of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif
constexpr std::uint32_t pausing_jobs = is_sanitized ? 2 : 6;

std::uint64_t rounds() {
  const char* wanted = std::getenv("WEIR_WINDOW_ROUNDS");
  return wanted ? std::strtoull(wanted, nullptr, 10) : 1;
}

} // namespace

window_input::window_input(std::uint64_t seed, bool is_repeatable) : random(seed) {
  strategy = is_repeatable ? time_strategy::punctuated : static_cast<time_strategy>(up_to(5));
  disorder = up_to(3) == 0 ? 0 : up_to(60);
  if (is_repeatable) {
    options.interval = std::chrono::milliseconds{0};
  } else {
    options.interval = std::chrono::milliseconds{up_to(2)};
    options.idle_after = std::chrono::milliseconds{up_to(4) == 0 ? 1 : 0};
  }
  scripts.resize(is_repeatable ? 1 : static_cast<std::size_t>(std::max<std::int64_t>(1, up_to(4))));
  const std::uint64_t keys = 1 + random() % 9;
  const std::int64_t base = std::vector<std::int64_t>{0, -700, 1'000'000}[random() % 3];
  const std::int64_t step = 1 + up_to(6);
  std::uint32_t partition = 0;
  for (std::vector<sighting>& script : scripts)
    fill(script, partition, keys, base, step);
  sent.is_one_sequence = scripts.size() == 1;
  sent.stamps_bound = sent.is_one_sequence || options.idle_after.count() == 0;
  sent.none_is_late = strategy == time_strategy::sufficient && options.idle_after.count() == 0;
}

void window_input::fill(std::vector<sighting>& script, std::uint32_t& partition, std::uint64_t keys, std::int64_t base,
                        std::int64_t step) {
  struct progress {
    std::uint32_t partition;
    std::int64_t now;
    std::int64_t largest;
  };
  std::vector<progress> partitions(1 + random() % 3); // which may be further apart than the disorder
  for (progress& one : partitions)
    one = {partition++, base + up_to(80), std::numeric_limits<std::int64_t>::min()};
  const std::uint64_t count = random() % 8 == 0 ? random() % 4 : 100 + random() % 300;
  for (std::uint64_t i = 0; i < count; ++i) {
    progress& from = partitions[random() % partitions.size()];
    from.now += random() % 40 == 0 ? up_to(150) : up_to(step + 1);
    sighting one;
    one.id = static_cast<std::uint32_t>(sent.all.size());
    one.partition = from.partition;
    one.key = random() % keys;
    one.time = from.now - up_to(disorder + 1);
    one.gap = 1 + up_to(25);
    one.members = {one.id};
    from.largest = std::max(from.largest, one.time);
    if (random() % 8 == 0)
      one.carried = from.largest - up_to(disorder + 1);
    script.push_back(one);
    sent.all.push_back(one);
  }
}

stream<sighting> window_input::add_to(topology& job, const job_mode& mode, bool pauses) {
  const auto instances = static_cast<std::uint32_t>(scripts.size());
  const auto all = std::make_shared<const scripted_source::scripts>(scripts);
  const stream<sighting> records =
      job.source("source", scripted_source{all, pauses, mode.seed, resumed_}).parallelism(instances);
  const auto time_of = [](const sighting& in) { return event_time{std::chrono::milliseconds{in.time}}; };
  const auto timed = [&](auto how) {
    return records.assign_times("times", time_of, how, options).parallelism(instances);
  };
  const auto with_strategy = [&] {
    switch (strategy) {
    case time_strategy::tight: return timed(bounded_disorder{std::chrono::milliseconds{disorder / 3}});
    case time_strategy::sufficient: return timed(bounded_disorder{std::chrono::milliseconds{disorder}});
    case time_strategy::monotonous: return timed(monotonous{});
    case time_strategy::punctuated:
      return timed(punctuated{[](const sighting& in, event_time) {
        return in.carried == std::numeric_limits<std::int64_t>::min()
                   ? std::nullopt
                   : std::optional(event_time{std::chrono::milliseconds{in.carried}});
      }});
    case time_strategy::own: return timed(rare_watermarks{disorder / 2});
    }
    std::abort();
  };
  stream<sighting> stamped = with_strategy().process("stamp", stamp{}).parallelism(instances);
  stamps_ = std::make_shared<committed_records<sighting>>();
  stamped.sink("stamps", memory_sink<sighting>{stamps_}).parallelism(instances);
  return stamped;
}

void window_input::read_stamps() {
  const std::vector<sighting> stamped = stamps_->visible();
  CHECK(stamped.size() == sent.all.size());
  for (const sighting& one : stamped)
    sent.all[one.id].stamp = one.stamp;
}

void windows_agree_with_their_definitions(add_windows add) {
  window_tally tally;
  for (std::uint64_t round = 0; round < rounds(); ++round)
    in_every_mode([&](const job_mode& mode) {
      const std::uint64_t seed = round * 1000 + mode.seed;
      CAPTURE(seed);
      window_input input(seed);
      CAPTURE(input.scripts.size());
      CAPTURE(static_cast<int>(input.strategy));
      CAPTURE(input.disorder);
      CAPTURE(input.options.idle_after.count());
      watched_windows watched;
      topology job{"windows"};
      add(input.add_to(job, mode, mode.killed || seed % 2 == 0), input.random, watched);
      run_in_mode(job, mode, watched.victims());
      input.read_stamps();
      watched.check(input.sent);
      watched.add_to(tally);
      tally.resumed += input.resumed();
    });
  MESSAGE("source instances that went on from a checkpoint: ", tally.resumed, "; late records: ", tally.late_records,
          "; panes early, on time, late: ", tally.panes[0], ", ", tally.panes[1], ", ", tally.panes[2]);
  // The few slow jobs of a sanitizer may be killed before their first checkpoint.
  CHECK((tally.resumed > 0 || is_sanitized));
  CHECK(tally.panes[0] > 0);
  CHECK(tally.panes[1] > 0);
  if (tally.can_be_late) {
    CHECK(tally.late_records > 0);
    CHECK(tally.panes[2] > 0);
  }
}

namespace {

/// One run of the job that a seed stands for.
watched_windows run(std::uint64_t seed, bool is_repeatable, const job_mode& mode, bool pauses, add_windows add) {
  window_input input(seed, is_repeatable);
  if (!is_repeatable) {
    input.strategy = time_strategy::sufficient; // that records are late depends on when they come
    input.options.idle_after = std::chrono::milliseconds{0};
    input.sent.none_is_late = input.sent.stamps_bound = true;
  }
  watched_windows watched;
  topology job{"windows"};
  add(input.add_to(job, mode, pauses), input.random, watched);
  run_in_mode(job, mode, {});
  input.read_stamps();
  watched.check(input.sent);
  return watched;
}

} // namespace

void windows_do_not_depend_on_pauses(add_windows add) {
  for (std::uint64_t round = 0; round < rounds(); ++round)
    for (std::uint32_t n = 1; n <= pausing_jobs; ++n)
      for (const bool is_repeatable : {false, true}) {
        const std::uint64_t seed = round * 1000 + n;
        CAPTURE(seed);
        CAPTURE(is_repeatable);
        const job_mode first{n % 2 == 0 ? 1u : 1024u, n % 3 == 0, 1 + n % 3, false, state_backend::memory, n};
        const job_mode second{n % 4 < 2 ? 1u : 64u, n % 3 != 0, 1 + n % 2, false, state_backend::memory, n + 100,
                              checkpoint_mode::unaligned};
        const watched_windows fast = run(seed, is_repeatable, first, false, add);
        const watched_windows slow = run(seed, is_repeatable, second, true, add);
        slow.check_like(fast, is_repeatable);
      }
}

} // namespace weir::testing
