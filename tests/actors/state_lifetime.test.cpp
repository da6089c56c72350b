#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

struct own_key {
  std::uint64_t operator()(const std::string& in) const { return in.empty() ? 0 : in[0]; }
};

/// "aX": key a; X is `w` to write, `r` to read, `n` to do nothing.
struct touching {
  using output = std::string;
  time_to_live life;
  value_state<int> state{};

  void open(state_registry& states) { state = states.value<int>("state", life); }
  void process(const std::string& in, keyed_context<std::uint64_t>&, emitter<output>& out) {
    if (in[1] == 'w')
      state.update(1);
    if (in[1] == 'n')
      out("");
    else
      out(state ? "there" : "gone");
  }
};

struct lifetime_run {
  std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>();
  stateful_run<std::string, std::string> run;

  explicit lifetime_run(time_to_live life, state_backend backend = state_backend::memory)
      : run(
            [life]() -> std::unique_ptr<operator_base> {
              return std::make_unique<keyed_process_operator<std::string, own_key, touching>>(
                  own_key{}, touching{life});
            },
            clock) {
    run.start(backend, 1);
  }

  std::string operator()(const std::string& in) { return run.send(hash_of(own_key{}(in)), in).at(0); }

  /// The bytes of a checkpoint now: how much state there is.
  std::uint64_t stored() {
    run.checkpoint(true);
    return run.bytes();
  }
};

time_to_live life() {
  return {.after = 100ms, .clean_in_snapshots = false, .clean_per_access = 0, .clean_on_disk = false};
}

} // namespace

TEST_CASE("writing starts the time of an entry anew, and reading only if it is to") {
  for (const bool reading : {false, true}) {
    CAPTURE(reading);
    time_to_live how = life();
    how.refreshed = reading ? time_to_live::refresh::on_read_and_write : time_to_live::refresh::on_write;
    lifetime_run run(how);
    CHECK(run("aw") == "there");
    run.clock->advance(60ms);
    CHECK(run("ar") == "there");
    run.clock->advance(60ms);
    CHECK(run("ar") == (reading ? "there" : "gone"));
    CHECK(run("aw") == "there");
    run.clock->advance(99ms);
    CHECK(run("aw") == "there");
    run.clock->advance(99ms);
    CHECK(run("ar") == "there");
    run.clock->advance(100ms);
    CHECK(run("ar") == "gone");
  }
}

TEST_CASE("an expired entry is seen until it is cleaned, if that is wanted, and reading does not revive it") {
  time_to_live how = life();
  how.visible = time_to_live::visibility::until_cleaned;
  how.refreshed = time_to_live::refresh::on_read_and_write;
  lifetime_run run(how);
  run("aw");
  run.clock->advance(1s);
  CHECK(run("ar") == "there");
  CHECK(run("ar") == "there");
  how.clean_in_snapshots = true;
  lifetime_run cleaned(how);
  cleaned("aw");
  cleaned.clock->advance(1s);
  cleaned.run.checkpoint();
  cleaned.run.start(state_backend::memory, 1);
  CHECK(cleaned("ar") == "gone");
}

TEST_CASE("expired entries are left out of snapshots, on every backend, if they are to be cleaned there") {
  for (const state_backend backend :
       {state_backend::memory, state_backend::directory, state_backend::lmdb})
    for (const bool clean : {false, true}) {
      time_to_live how = life();
      how.clean_in_snapshots = clean;
      lifetime_run run(how, backend);
      run("aw");
      const std::uint64_t with_one = run.stored();
      run.clock->advance(1s);
      run("bw");
      const std::uint64_t with_two = run.stored();
      CHECK((with_two < 2 * with_one) == clean);
    }
}

TEST_CASE("with each access some keys are looked at and cleaned, with every record only if that is set") {
  for (const bool every_record : {false, true}) {
    CAPTURE(every_record);
    time_to_live how = life();
    how.clean_per_access = 10;
    how.clean_with_every_record = every_record;
    lifetime_run run(how);
    for (char key = 'a'; key <= 'z'; ++key)
      run(std::string{key} + 'w');
    run.clock->advance(1s);
    const std::uint64_t before = run.stored();
    for (int i = 0; i < 300; ++i)
      run("An"); // a key without state, and no access
    CHECK((run.stored() < before / 4) == every_record);
    for (int i = 0; i < 300; ++i)
      run("Ar");
    CHECK(run.stored() < before / 4);
  }
}

TEST_CASE("state on disk is cleaned between batches, without being accessed") {
  time_to_live how = life();
  how.clean_on_disk = true;
  lifetime_run run(how, state_backend::lmdb);
  for (char key = 'a'; key <= 'z'; ++key)
    run(std::string{key} + 'w');
  const std::uint64_t before = run.stored();
  run.clock->advance(1s);
  for (int i = 0; i < 10; ++i)
    run("An");
  CHECK(run.stored() < before / 4);
}
