#include <doctest/doctest.h>

#include <string>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/cluster/placement.hpp>
#include <weir/runtime/plan.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;

namespace {

void nothing(const int&) {}

result<job_plan> plan_of(const topology& job, std::uint32_t parallelism = 2, bool chaining = true) {
  job_config config;
  config.parallelism = parallelism;
  config.chaining = chaining;
  return make_plan(*job.graph(), config);
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

topology counting_job() {
  topology job{"numbers"};
  job.source("numbers", collection<int>({1, 2, 3}))
      .map("double", [](int n) { return 2 * n; })
      .key_by([](int n) { return n; })
      .reduce("max", [](int a, int b) { return a > b ? a : b; })
      .sink("out", nothing);
  return job;
}

} // namespace

TEST_CASE("operators of one parallelism without an exchange between them share tasks") {
  const auto plan = plan_of(counting_job());
  REQUIRE(plan.has_value());
  REQUIRE(plan->chains.size() == 2);
  CHECK(plan->chains[0].name == "numbers -> double");
  CHECK(plan->chains[1].name == "max -> out");
  CHECK(plan->tasks == 4);
  REQUIRE(plan->edges.size() == 1);
  CHECK(plan->edges[0].how == partitioning::hash);
  CHECK(plan->edges[0].channels == 4);
}

TEST_CASE("without chaining every operator has tasks of its own, connected one to one") {
  const auto plan = plan_of(counting_job(), 2, false);
  REQUIRE(plan.has_value());
  CHECK(plan->chains.size() == 4);
  CHECK(plan->tasks == 8);
  CHECK(plan->edges[0].how == partitioning::forward);
  CHECK(plan->edges[0].channels == 2);
}

TEST_CASE("chaining can be switched off for one operator") {
  topology job{"numbers"};
  job.source("numbers", collection<int>({1}))
      .map("a", [](int n) { return n; })
      .map("b", [](int n) { return n; })
      .chaining(false)
      .sink("out", nothing);
  const auto plan = plan_of(job);
  REQUIRE(plan.has_value());
  CHECK(plan->chains[0].name == "numbers -> a");
  CHECK(plan->chains[1].name == "b -> out");
}

TEST_CASE("a stream between operators of different parallelism is rebalanced") {
  topology job{"numbers"};
  job.source("numbers", collection<int>({1}))
      .map("a", [](int n) { return n; })
      .parallelism(3)
      .sink("out", nothing)
      .parallelism(3);
  const auto plan = plan_of(job);
  REQUIRE(plan.has_value());
  CHECK(plan->chains[1].name == "a -> out");
  CHECK(plan->edges[0].how == partitioning::rebalance);
  CHECK(plan->edges[0].channels == 6);
}

TEST_CASE("all mistakes of shape are reported together") {
  topology job{"broken"};
  const auto numbers = job.source("numbers", collection<int>({1}));
  numbers.map("same", [](int n) { return n; });
  numbers.map("same", [](int n) { return n; }).sink("out", nothing).uid("numbers");
  numbers.key_by([](int n) { return n; }).count("count").parallelism(1000);
  numbers.filter("none", [](int) { return true; }).parallelism(0).sink("last", nothing);
  const auto plan = plan_of(job);
  REQUIRE(!plan.has_value());
  CHECK(plan.failure().code == errc::invalid_topology);
  const std::string& text = plan.failure().message;
  CAPTURE(text);
  CHECK(says(text, "operator 'same': nobody reads its output"));
  CHECK(says(text, "operator 'count': nobody reads its output"));
  CHECK(says(text, "the uid 'same' belongs to 2 operators (same, same)"));
  CHECK(says(text, "the uid 'numbers' belongs to 2 operators (numbers, out)"));
  CHECK(says(text, "a parallelism of 1000, more than there are key groups"));
  CHECK(says(text, "operator 'none': a parallelism of 0"));
}

TEST_CASE("a topology without a source, and a union across topologies, are mistakes") {
  const auto empty = plan_of(topology{"empty"});
  REQUIRE(!empty.has_value());
  CHECK(says(empty.failure().message, "there is no source"));

  topology one{"one"};
  topology other{"other"};
  one.source("a", collection<int>({1}))
      .union_with(other.source("b", collection<int>({1})))
      .sink("out", nothing);
  const auto mixed = plan_of(one);
  REQUIRE(!mixed.has_value());
  CHECK(says(mixed.failure().message, "another topology"));
}

TEST_CASE("a plan is printed as text, as JSON and as a Graphviz graph") {
  const topology job = counting_job();
  const auto plan = plan_of(job);
  REQUIRE(plan.has_value());
  const std::string text = plan_as_text(*job.graph(), *plan);
  CHECK(says(text, "topology numbers: 4 operators, 2 chains, 4 tasks, 128 key groups"));
  CHECK(says(text, "double -> max  hash by int  4 channels of int"));
  const std::string json = plan_as_json(*job.graph(), *plan);
  CHECK(says(json, "\"partitioning\": \"hash\""));
  CHECK(says(json, "\"operators\": ["));
  const std::string dot = plan_as_dot(*job.graph(), *plan);
  CHECK(says(dot, "digraph \"numbers\" {"));
  CHECK(says(dot, "o1 -> o2 [style=bold, label=\"hash by int\"]"));
}

TEST_CASE("a plan for workers says where each task runs, in every form") {
  const topology job = counting_job();
  const auto plan = plan_of(job, 3);
  REQUIRE(plan.has_value());
  job_config config;
  config.cluster.workers = 2;
  config.cluster.slots = 2;
  const planned_workers spread = plan_workers(*plan, config);
  const std::string text = plan_as_text(*job.graph(), *plan, spread);
  CHECK(says(text, "worker 1  (2 slots)  numbers -> double: 0, 2  max -> out: 0, 2\n"));
  CHECK(says(text, "worker 2  (2 slots)  numbers -> double: 1  max -> out: 1\n"));
  const std::string json = plan_as_json(*job.graph(), *plan, spread);
  CHECK(says(json, "\"task\": 4,\n        \"chain\": \"max -> out\",\n        \"instance\": 1,\n        \"worker\": 2"));
  CHECK_FALSE(says(json, "too few"));
  CHECK(says(plan_as_dot(*job.graph(), *plan, spread), "label=\"x 3\\nworker 1: 0, 2\\nworker 2: 1\";"));
  config.cluster.slots = 3;
  config.cluster.placement = task_placement::pack;
  const std::string packed = plan_as_text(*job.graph(), *plan, plan_workers(*plan, config));
  CHECK(says(packed, "worker 1  (3 slots)  numbers -> double: 0, 1, 2  max -> out: 0, 1, 2\n"));
  CHECK(says(packed, "worker 2  (3 slots)  no task\n"));
}

TEST_CASE("a plan for workers with too few slots says how many are missing, in every form") {
  const topology job = counting_job();
  const auto plan = plan_of(job, 3);
  REQUIRE(plan.has_value());
  job_config config;
  config.cluster.workers = 2;
  config.cluster.slots = 1;
  const planned_workers on = plan_workers(*plan, config);
  const std::string expected = "too few slots: the job takes 3, and 2 workers with 1 slot each have 2: ";
  CHECK(says(plan_as_text(*job.graph(), *plan, on), expected));
  CHECK(says(plan_as_json(*job.graph(), *plan, on), "\"problem\": \"" + expected));
  CHECK(says(plan_as_dot(*job.graph(), *plan, on), "label=\"" + expected));
}
