#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <support/stateful_run.hpp>
#include <weir/actors/operators/broadcast.hpp>
#include <weir/actors/operators/stateful.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

const auto any_clock = std::make_shared<manual_clock>();

template <class P>
stateful_run<std::string, std::string> run_of(P how = {}) {
  return {[how]() -> std::unique_ptr<operator_base> {
            return std::make_unique<process_operator<std::string, P>>(how);
          },
          any_clock};
}

/// Declares one list of each kind. "?" shows them; anything else is added to all.
struct with_lists {
  using output = std::string;
  operator_list<std::string> split{}, all{};
  operator_list<bytes> raw{};

  void open(operator_state_registry& states) {
    split = states.operator_list_of<std::string>("split");
    all = states.operator_list_of<std::string>("all", redistribution::full_union);
    raw = states.raw("raw");
  }
  void process(const std::string& in, process_context&, emitter<output>& out) {
    if (in == "?") {
      for (const std::string& one : split)
        out("split " + one);
      for (const std::string& one : all)
        out("all " + one);
      for (const bytes& one : raw)
        out("raw " + one);
      return;
    }
    split->push_back(in);
    all->push_back(in);
    raw->push_back(bytes("\0", 1) + in);
  }
};

/// Keeps its state by functions of its own.
struct with_functions {
  using output = std::string;
  std::vector<std::string> kept{};

  void snapshot(state_writer& out) const {
    out.list("kept", kept);
    out.raw("count", {std::to_string(kept.size())});
  }
  void restore(const state_reader& in) {
    kept = in.list<std::string>("kept");
    CHECK(in.raw("count").size() <= 1);
  }
  void process(const std::string& in, process_context&, emitter<output>& out) {
    if (in == "?")
      for (const std::string& one : kept)
        out(one);
    else
      kept.push_back(in);
  }
};

/// The simplest: one list.
struct with_one_list {
  using output = std::string;
  std::vector<std::string> kept{};

  std::vector<std::string> snapshot() const { return kept; }
  void restore(std::vector<std::string> items) { kept = std::move(items); }
  void process(const std::string& in, process_context&, emitter<output>& out) {
    if (in == "?")
      for (const std::string& one : kept)
        out(one);
    else
      kept.push_back(in);
  }
};

std::vector<std::vector<std::string>> asked(stateful_run<std::string, std::string>& run) {
  std::vector<std::vector<std::string>> answers;
  for (std::uint32_t i = 0; i < run.parallelism(); ++i)
    answers.push_back(run.send_to(i, 0, "?"));
  return answers;
}

template <class P>
void keeps_its_list() {
  auto run = run_of<P>();
  run.start(state_backend::memory, 2);
  for (int i = 0; i < 10; ++i)
    run.send_to(i % 2, 0, std::to_string(i));
  const auto before = asked(run);
  run.checkpoint();
  run.start(state_backend::lmdb, 2);
  CHECK(asked(run) == before);
  for (const std::uint32_t parallelism : {3u, 1u, 5u}) {
    run.checkpoint();
    run.start(state_backend::directory, parallelism);
    std::multiset<std::string> all;
    for (const auto& answer : asked(run)) {
      CHECK(answer.size() >= 10 / parallelism);
      CHECK(answer.size() <= (10 + parallelism - 1) / parallelism);
      all.insert(answer.begin(), answer.end());
    }
    CHECK(all == std::multiset<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  }
}

struct rule {
  std::string name;
  int value = 0;
};

struct ruled {
  using output = std::string;
  broadcast_state<std::string, int> rules{};
  value_state<int> seen{};

  void open(state_registry& states) {
    rules = states.broadcast<std::string, int>("rules");
    seen = states.value<int>("seen");
  }
  void process(const std::string& in, keyed_context<std::string>&, emitter<output>& out) {
    const int* value = rules.find(in);
    out(std::to_string(value ? *value : -1) + ' ' + std::to_string(++seen.mutable_value()));
  }
  void process_broadcast(const rule& in, broadcast_context& context, emitter<output>&) {
    if (in.value == 0)
      rules.erase(context, in.name);
    else
      rules.put(context, in.name, in.value);
  }
};

struct same {
  std::string operator()(const std::string& in) const { return in; }
};

} // namespace

TEST_CASE("an operator list is split evenly or given to all when the parallelism changes, and raw bytes are kept") {
  auto run = run_of<with_lists>();
  run.start(state_backend::memory, 2);
  run.send_to(0, 0, "a");
  run.send_to(1, 0, "b");
  run.send_to(1, 0, "c");
  run.checkpoint();
  run.start(state_backend::memory, 3);
  std::map<std::string, int> seen;
  for (const auto& answer : asked(run)) {
    CHECK(answer.size() == 5); // one of the split list, one raw, all three of the other
    for (const std::string& one : answer)
      ++seen[one];
  }
  for (const std::string name : {"a", "b", "c"}) {
    CHECK(seen["split " + name] == 1);
    CHECK(seen["all " + name] == 3);
    CHECK(seen["raw " + bytes("\0", 1) + name] == 1);
  }
}

TEST_CASE("a class that keeps its state by snapshot and restore has it again, at any parallelism") {
  keeps_its_list<with_one_list>();
  auto run = run_of<with_functions>();
  run.start(state_backend::memory, 1);
  run.send_to(0, 0, "a");
  run.checkpoint();
  run.start(state_backend::memory, 1);
  CHECK(asked(run) == std::vector<std::vector<std::string>>{{"a"}});
}

TEST_CASE("after a restore all instances hold the same broadcast state, at any parallelism") {
  stateful_run<std::string, std::string> run(
      []() -> std::unique_ptr<operator_base> {
        return std::make_unique<keyed_broadcast_process_operator<std::string, same, rule, ruled>>(same{},
                                                                                               ruled{});
      },
      any_clock);
  run.start(state_backend::memory, 2);
  const auto tell_all = [&](const rule& what) {
    for (std::uint32_t i = 0; i < run.parallelism(); ++i) {
      batch<rule> one(1);
      one[0] = what;
      one.resize(1);
      run.running(i).input(1).receive_any(one);
    }
  };
  tell_all({"x", 7});
  tell_all({"y", 8});
  for (int i = 0; i < 40; ++i) // so that every instance owns the keys of some
    tell_all({"k" + std::to_string(i), i + 1});
  tell_all({"y", 0});
  const auto ask = [&](const std::string& key) { return run.send(hash_of(key), key).at(0); };
  CHECK(ask("x") == "7 1");
  CHECK(ask("y") == "-1 1");
  int count = 1;
  for (const std::uint32_t parallelism : {2u, 3u, 1u, 7u}) {
    run.checkpoint();
    run.start(parallelism == 3 ? state_backend::lmdb : state_backend::memory, parallelism);
    ++count;
    CHECK(ask("x") == "7 " + std::to_string(count));
    CHECK(ask("y") == "-1 " + std::to_string(count));
    for (int i = 0; i < 40; ++i)
      CHECK(ask("k" + std::to_string(i)).starts_with(std::to_string(i + 1) + ' '));
  }
}

TEST_CASE("keyed state that is used without a key is an error, not a crash") {
  struct wrong : ruled {
    void process_broadcast(const rule&, broadcast_context&, emitter<output>&) { seen.update(1); }
  };
  stateful_run<std::string, std::string> run(
      []() -> std::unique_ptr<operator_base> {
        return std::make_unique<keyed_broadcast_process_operator<std::string, same, rule, wrong>>(same{},
                                                                                               wrong{});
      },
      any_clock);
  run.start(state_backend::memory, 1);
  batch<rule> one(1);
  one[0] = {"x", 1};
  one.resize(1);
  CHECK_THROWS_WITH_AS(run.running(0).input(1).receive_any(one), doctest::Contains("no current key"),
                       operator_error);
}

TEST_CASE("a function's states are migrated from the type they had, on restore, on every backend") {
  using old_function = stateful_function<
      std::string, std::function<void(const std::string&, emitter<std::string>&, value_state<std::int32_t>&,
                                      list_state<std::int32_t>&, map_state<std::string, std::int32_t>&)>,
      value_of<std::int32_t>, list_of<std::int32_t>, map_of<std::string, std::int32_t>>;
  using new_function = stateful_function<
      std::string, std::function<void(const std::string&, emitter<std::string>&, value_state<std::string>&,
                                      list_state<std::string>&, map_state<std::string, std::string>&)>,
      value_of<std::string>, list_of<std::string>, map_of<std::string, std::string>>;
  for (const state_backend backend : {state_backend::memory, state_backend::lmdb}) {
    bool is_new = false;
    stateful_run<std::string, std::string> run(
        [&]() -> std::unique_ptr<operator_base> {
          if (!is_new)
            return std::make_unique<keyed_process_operator<std::string, same, old_function>>(
                same{}, old_function(
                            [](const std::string&, emitter<std::string>&, value_state<std::int32_t>& value,
                               list_state<std::int32_t>& list, map_state<std::string, std::int32_t>& map) {
                              value.update(1);
                              list.update({2, 3});
                              map.put("k", 4);
                            },
                            value_of<std::int32_t>("value"), list_of<std::int32_t>("list"),
                            map_of<std::string, std::int32_t>("map")));
          const auto migrate = [](std::int32_t old) { return "was " + std::to_string(old); };
          return std::make_unique<keyed_process_operator<std::string, same, new_function>>(
              same{}, new_function(
                          [](const std::string&, emitter<std::string>& out, value_state<std::string>& value,
                             list_state<std::string>& list, map_state<std::string, std::string>& map) {
                            out(*value);
                            for (const std::string& one : list)
                              out(one);
                            out(*map.find("k"));
                          },
                          value_of<std::string>("value", migrate), list_of<std::string>("list", migrate),
                          map_of<std::string, std::string>("map", migrate)));
        },
        any_clock);
    run.start(backend, 1);
    run.send(hash_of(std::string("a")), "a");
    run.checkpoint();
    is_new = true;
    run.start(backend, 2);
    CHECK(run.send(hash_of(std::string("a")), "a") ==
          std::vector<std::string>{"was 1", "was 2", "was 3", "was 4"});
  }
}
