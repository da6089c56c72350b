#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <inspect/weir_run.hpp>
#include <support/running_job.hpp>
#include <weir/actors/operators/broadcast.hpp>
#include <weir/actors/sources/collection.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/base/codec.hpp>
#include <weir/base/log.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t keys = 10;

std::string key_of(std::uint64_t i) {
  const std::uint64_t key = i % keys;
  return key == 9 ? "\xff" : key == 8 ? "with \"quotes\", and a comma" : "key" + std::to_string(key);
}

struct mean {
  struct accumulator {
    std::uint64_t sum = 0;
    std::uint32_t count = 0;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(CEREAL_NVP(sum), CEREAL_NVP(count));
    }
  };
  void add(accumulator& all, std::uint64_t value) const {
    all.sum += value;
    ++all.count;
  }
  double result(const accumulator& all) const { return static_cast<double>(all.sum) / all.count; }
};

struct rule {
  std::string name;
  std::uint32_t limit = 0;
};

/// Has a state of every kind. What is in them follows from the number of records.
struct everything {
  using output = std::uint64_t;

  void open(state_registry& states) {
    last = states.value<std::uint64_t>("last");
    first = states.list<std::uint64_t>("first", time_to_live{.after = 24h});
    parities = states.map<std::string, std::uint64_t>("parities");
    largest = states.reducing<std::uint64_t>(
        "largest", [](const std::uint64_t& a, const std::uint64_t& b) { return std::max(a, b); });
    average = states.aggregating<std::uint64_t>("average", mean{});
    text = states.folding<std::uint64_t, std::string>(
        "text", std::string{},
        [](std::string so_far, const std::uint64_t& i) { return i < keys ? so_far + "x" : so_far; });
    seen = states.value<bool>("seen", time_to_live{.after = 24h});
    notes = states.operator_list_of<std::string>("notes");
    blobs = states.raw("blobs");
    rules = states.broadcast<std::string, std::uint32_t>("rules");
  }

  void process(const std::uint64_t& i, keyed_context<std::string>& context, emitter<output>& out) {
    last.update(i + (std::uint64_t{1} << 60));
    if (i < 3 * keys)
      first.add(i);
    ++parities[i / keys % 2 == 0 ? "even" : "odd"];
    largest.add(i);
    average.add(i);
    text.add(i);
    seen.update(true);
    if (i < keys)
      context.set_timer(event_time{std::chrono::milliseconds{4000000000000}});
    if (i < 2) {
      notes->push_back("note " + std::to_string(i));
      blobs->push_back(bytes("\x00\x01", 2));
    }
    out(i);
  }
  void on_timer(const timer&, keyed_context<std::string>&, emitter<output>&) {}
  void process_broadcast(const rule& in, broadcast_context& context, emitter<output>&) {
    rules.put(context, in.name, in.limit);
  }

  value_state<std::uint64_t> last{};
  list_state<std::uint64_t> first{};
  map_state<std::string, std::uint64_t> parities{};
  reducing_state<std::uint64_t> largest{};
  aggregating_of<std::uint64_t, mean>::state average{};
  folding_state<std::uint64_t, std::string> text{};
  value_state<bool> seen{};
  operator_list<std::string> notes{};
  operator_list<bytes> blobs{};
  broadcast_state<std::string, std::uint32_t> rules{};
};

topology inspected_job(std::uint64_t records, double rate = 0) {
  topology job{"inspected"};
  const auto rules = job.source("rules", collection(std::vector<rule>{{"a", 1}, {"b", 2}}));
  const auto times = job.source("numbers", generate([](std::uint64_t i) { return i; }, records, {.rate = rate}))
                         .assign_times("times", [](const std::uint64_t& i) {
                           return event_time{1700000000000ms + std::chrono::milliseconds{i % keys}};
                         }, bounded_disorder{1h});
  const auto by_key = times.key_by([](const std::uint64_t& i) { return key_of(i); });
  by_key.connect(rules.broadcast()).process("all", everything{}).sink("out", [](const std::uint64_t&) {});
  by_key.count("count", emit::at_end).sink("counts", [](const counted<std::string>&) {});
  by_key.window(tumbling(24h)).count("days").sink("windows", [](const windowed<std::string, std::uint64_t>&) {});
  times.key_by([](const std::uint64_t& i) { return static_cast<std::int32_t>(i % keys) - 5; })
      .reduce("sum", [](const std::uint64_t& a, const std::uint64_t& b) { return a + b; })
      .sink("sums", [](const std::uint64_t&) {});
  return job;
}

job_config config_of(const fs::path& directory, state_backend backend) {
  configure_log(log_level::off, log_format::text);
  job_config config;
  config.checkpoint.directory = directory;
  config.checkpoint.interval = 20ms;
  config.checkpoint.map_size = std::uint64_t{256} << 20;
  config.checkpoint.storage =
      backend == state_backend::directory ? checkpoint_storage::files : checkpoint_storage::lmdb_file;
  config.state.backend = backend;
  return config;
}

/// Runs a job until it has `least` complete checkpoints with at least so many records, and then until it ends.
fs::path made_by_job(const fs::path& directory, state_backend backend) {
  auto running = start_job(inspected_job(unlimited, 100000), config_of(directory, backend));
  std::uint64_t records = 0;
  while (records < 1000) {
    const weir_run found = run_weir({"state", "get", directory.string(), "count", "accumulator", "key0"});
    records = found.code == 0 ? std::stoull(found.out) : 0;
  }
  running->stop();
  const job_report report = running->wait();
  CHECK(report.what == job_report::outcome::stopped);
  return directory;
}

std::string get(const fs::path& directory, const std::string& of, const std::string& state, const std::string& key) {
  std::string text = expect_weir({"state", "get", directory.string(), of, state, key}).out;
  text.pop_back();
  return text;
}

nlohmann::json get_json(const fs::path& directory, const std::string& of, const std::string& state,
                        const std::string& key) {
  return nlohmann::json::parse(get(directory, of, state, key));
}

void check_every_state(const fs::path& directory) {
  // Everything follows from how often key3 has come.
  const std::string key = "key3";
  const std::uint64_t times = std::stoull(get(directory, "count", "accumulator", key));
  REQUIRE(times > 10);
  const std::uint64_t last = 3 + (times - 1) * keys;
  const std::uint64_t sum = times * (3 + last) / 2;
  CHECK(get(directory, "all", "last", key) == std::to_string(last + (std::uint64_t{1} << 60)));
  CHECK(get_json(directory, "all", "first", key) == nlohmann::json{3, 13, 23});
  CHECK(get_json(directory, "all", "parities", key) == nlohmann::json{{"even", (times + 1) / 2}, {"odd", times / 2}});
  CHECK(get(directory, "all", "largest", key) == std::to_string(last));
  CHECK(get_json(directory, "all", "average", key) == nlohmann::json{{"sum", sum}, {"count", times}});
  CHECK(get(directory, "all", "text", key) == "\"x\"");
  CHECK(get(directory, "all", "seen", key) == "true");
  CHECK(get_json(directory, "all", "weir.timers", key) ==
        nlohmann::json::parse(R"([{"time":"2096-10-02T07:06:40.000Z","domain":"event"}])"));
  CHECK(get(directory, "sum", "accumulator", "-2") == std::to_string(sum)); // of i % keys == 3
  const std::string window = R"({"start":"2023-11-14T00:00:00.000Z","key":"key3"})";
  const nlohmann::json day = get_json(directory, "days", "accumulator", window);
  CHECK(day["content"] == times);
  CHECK(get(directory, "all", "last", "\xff") != "null");
  CHECK(get(directory, "all", "rules", "b") == "2");
  CHECK(expect_weir({"state", "get", directory.string(), "all", "notes"}).json() == nlohmann::json{"note 0", "note 1"});
  CHECK(expect_weir({"state", "get", directory.string(), "all", "blobs"}).json() ==
        nlohmann::json::parse(R"([{"hex":"0001"},{"hex":"0001"}])"));
}

void check_lists_of_states(const fs::path& directory) {
  const nlohmann::json states = expect_weir({"state", "ls", directory.string(), "--json"}).json();
  const auto shape_of = [&](const std::string& of, const std::string& name) {
    for (const auto& one : states)
      if (one["operator"] == of && one["state"] == name)
        return one["shape"].get<std::string>() + " " + one["kind"].get<std::string>() +
               (one["time_to_live"] ? " ttl" : "");
    return std::string("none");
  };
  CHECK(shape_of("all", "last") == "keyed value");
  CHECK(shape_of("all", "first") == "keyed list ttl");
  CHECK(shape_of("all", "parities") == "keyed map");
  CHECK(shape_of("all", "notes") == "list even split");
  CHECK(shape_of("all", "rules") == "broadcast full union");
  CHECK(shape_of("count", "accumulator") == "keyed count");
  CHECK(shape_of("days", "accumulator").starts_with("keyed windows of "));
  CHECK(expect_weir({"state", "ls", directory.string()}).out.find("map<string, u64>") != std::string::npos);
}

void check_scans(const fs::path& directory) {
  std::size_t found = 0;
  for (const std::string& line : expect_weir({"state", "scan", directory.string(), "all", "first"}).lines()) {
    const nlohmann::json entry = nlohmann::json::parse(line);
    CHECK(entry["value"].size() == 3);
    CHECK(entry["refreshed"].size() == 3);
    CHECK(entry["refreshed"][0].get<std::string>().size() == std::string("2023-11-14T00:00:00.000Z").size());
    found += entry["key"] == "key3" || entry["key"] == nlohmann::json{{"hex", "ff"}};
  }
  CHECK(found == 2);
  const std::string csv = expect_weir({"state", "scan", directory.string(), "all", "seen", "--format", "csv"}).out;
  CHECK(csv.starts_with("key,value,refreshed\r\n"));
  CHECK(csv.find("\"with \"\"quotes\"\", and a comma\",true,2") != std::string::npos);
  CHECK(csv.find("\"{\"\"hex\"\":\"\"ff\"\"}\",true,") != std::string::npos);
  CHECK(expect_weir({"state", "scan", directory.string(), "all", "rules"}).out ==
        "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":2}\n");
}

void check_checkpoints(const fs::path& directory) {
  const nlohmann::json all = expect_weir({"checkpoints", "ls", directory.string(), "--json"}).json();
  REQUIRE(all.size() >= 2); // what others add to is kept, too
  const auto newest = all.back()["id"].get<std::uint64_t>();
  CHECK(all.back()["operators"].get<int>() >= 9);
  CHECK(all.back()["new_bytes"].get<std::uint64_t>() <= all.back()["bytes"].get<std::uint64_t>());
  CHECK(expect_weir({"checkpoints", "ls", directory.string()}).lines().size() == all.size() + 1);
  const nlohmann::json one =
      expect_weir({"checkpoints", "show", directory.string(), std::to_string(newest), "--json"}).json();
  CHECK(one["job"] == "inspected");
  bool is_there = false;
  for (const auto& of : one["by_operator"])
    is_there = is_there || (of["uid"] == "all" && of["states"].size() == 11 && of["instances"][0]["entries"] == keys);
  CHECK(is_there);
  CHECK(expect_weir({"checkpoints", "show", directory.string(), std::to_string(newest)}).out.find("keyed, map") !=
        std::string::npos);
  const weir_run verified = expect_weir({"checkpoints", "verify", directory.string()});
  CHECK(verified.lines().size() == all.size());
  CHECK(verified.out.find("DAMAGED") == std::string::npos);
  expect_weir({"checkpoints", "verify", directory.string(), std::to_string(newest)});
}

void check_difference(const fs::path& directory) {
  const nlohmann::json all = expect_weir({"checkpoints", "ls", directory.string(), "--json"}).json();
  const std::string before = std::to_string(all[all.size() - 2]["id"].get<std::uint64_t>());
  const std::string after = std::to_string(all.back()["id"].get<std::uint64_t>());
  const weir_run changed =
      expect_weir({"state", "diff", directory.string(), before, after, "count", "accumulator", "--json"});
  for (const std::string& line : changed.lines()) {
    const nlohmann::json one = nlohmann::json::parse(line);
    CHECK(one["change"] == "changed");
    const std::string key = one["key"].is_string() ? one["key"].get<std::string>() : "\xff";
    CHECK(get(directory, "count", "accumulator", key) == one["new"].dump());
    CHECK(expect_weir({"state", "get", directory.string(), "count", "accumulator", key, "--at", before}).out ==
          one["old"].dump() + "\n");
  }
  CHECK(expect_weir({"state", "diff", directory.string(), before, after, "all", "notes"}).out.empty());
  CHECK(expect_weir({"state", "diff", directory.string(), after, after}).out.empty());
}

} // namespace

TEST_CASE("every kind of state that a job has stored is read from outside, in both forms of storage") {
  for (const state_backend backend : {state_backend::memory, state_backend::directory}) {
    CAPTURE(static_cast<int>(backend));
    const temporary_directory place;
    const fs::path directory = made_by_job(place / "state", backend);
    check_every_state(directory);
    check_lists_of_states(directory);
    check_scans(directory);
    check_checkpoints(directory);
    check_difference(directory);
  }
}

TEST_CASE("readers of a running job find whole checkpoints, and the job goes on") {
  for (const state_backend backend : {state_backend::memory, state_backend::directory}) {
    CAPTURE(static_cast<int>(backend));
    const temporary_directory place;
    const std::string directory = (place / "state").string();
    job_config config = config_of(directory, backend);
    config.checkpoint.interval = 5ms;
    auto running = start_job(inspected_job(unlimited, 200000), config);
    int good = 0;
    for (int round = 0; good < 20 && round < 2000; ++round) {
      const weir_run sums = run_weir({"state", "scan", directory, "sum", "accumulator"});
      const weir_run verified = run_weir({"checkpoints", "verify", directory});
      CHECK(verified.out.find("DAMAGED") == std::string::npos);
      if (sums.code == 0)
        ++good;
      else // before the first checkpoint, or one is deleted meanwhile: what has happened is said
        CHECK_MESSAGE((sums.says("was deleted while it was read") || sums.says("no complete checkpoint yet") ||
                       sums.says("there is no checkpoint")),
                      sums.problem);
    }
    CHECK(good == 20);
    const weir_run refused = run_weir({"checkpoints", "rm", directory, "1"});
    CHECK(refused.code == 1);
    CHECK(refused.says("is in use by process"));
    running->stop();
    CHECK(running->wait().failed_checkpoints == 0);
  }
}

TEST_CASE("a savepoint file goes into a new directory, and a job goes on from it with any backend") {
  const temporary_directory place;
  const fs::path directory = made_by_job(place / "state", state_backend::memory);
  const std::string file = (place / "kept.weir").string();
  expect_weir({"savepoint", "export", directory.string(), file});
  const weir_run again = run_weir({"savepoint", "export", directory.string(), file});
  CHECK(again.code == 1);
  CHECK(again.says("not replaced"));
  const std::uint64_t before = std::stoull(get(directory, "count", "accumulator", "key0"));
  for (const state_backend backend : {state_backend::memory, state_backend::directory}) {
    const fs::path copy = place / ("copy" + std::to_string(static_cast<int>(backend)));
    expect_weir({"savepoint", "import", file, copy.string()});
    CHECK(run_weir({"savepoint", "import", file, copy.string()}).says("holds checkpoints already"));
    check_every_state(copy);
    auto running = start_job(inspected_job(unlimited, 100000), config_of(copy, backend));
    std::uint64_t now = before;
    while (now <= before) {
      const weir_run found = run_weir({"state", "get", copy.string(), "count", "accumulator", "key0"});
      now = found.code == 0 ? std::stoull(found.out) : before;
      CHECK(now >= before);
    }
    running->stop();
    CHECK(running->wait().what == job_report::outcome::stopped);
    check_every_state(copy);
  }
}

TEST_CASE("a checkpoint is deleted, and what the next one needs of it stays") {
  for (const state_backend backend : {state_backend::memory, state_backend::directory}) {
    CAPTURE(static_cast<int>(backend));
    const temporary_directory place;
    const fs::path directory = made_by_job(place / "state", backend);
    const nlohmann::json all = expect_weir({"checkpoints", "ls", directory.string(), "--json"}).json();
    const std::string oldest = std::to_string(all[0]["id"].get<std::uint64_t>());
    expect_weir({"checkpoints", "rm", directory.string(), oldest});
    CHECK(expect_weir({"checkpoints", "ls", directory.string(), "--json"}).json().size() == all.size() - 1);
    expect_weir({"checkpoints", "verify", directory.string()});
    check_every_state(directory);
    const weir_run again = run_weir({"checkpoints", "rm", directory.string(), oldest});
    CHECK(again.code == 2);
    CHECK(again.says("there is no checkpoint " + oldest));
    auto running = start_job(inspected_job(unlimited, 100000), config_of(directory, backend));
    running->stop();
    CHECK(running->wait().what == job_report::outcome::stopped);
  }
}

TEST_CASE("what is damaged is listed, and what two checkpoints share is not read to compare them") {
  const temporary_directory place;
  const std::string directory = (place / "state").string();
  {
    checkpoint_config config = config_of(directory, state_backend::memory).checkpoint;
    const auto store = checkpoint_store::open("counting", config);
    REQUIRE(store);
    for (std::uint64_t id = 1; id <= 2; ++id) {
      auto made = std::make_shared<operator_snapshot>();
      made->uid = "count";
      made->base = checkpoint_id{id - 1};
      made->key_type = "string";
      made->keyed_states = {{"accumulator", "count", "u64", false}};
      for (std::uint32_t group = 0; group < 2; ++group) {
        byte_writer out;
        out.write_raw(std::uint64_t{1});
        encode(out, "word" + std::to_string(group));
        out.write_raw(std::uint64_t{8});
        out.write_raw(10 * id + group);
        const bool is_same = id == 2 && group == 0;
        made->key_groups.push_back({key_group{group}, 1, is_same ? bytes{} : std::move(out).take(), {}, id == 2, {}});
      }
      completed_checkpoint checkpoint;
      checkpoint.id = checkpoint_id{id};
      checkpoint.key_groups = 2;
      REQUIRE((*store)->store(checkpoint, {made}));
    }
  }
  const std::string difference = "~ count / accumulator: \"word1\" 11 -> 21\n";
  CHECK(expect_weir({"state", "diff", directory, "1", "2"}).out == difference);
  const fs::path file = fs::path(directory) / "checkpoints.mdb";
  std::string content = text_of_file(file);
  for (std::size_t at = 0; (at = content.find("word0", at)) != std::string::npos; ++at)
    content[at] = 'W';
  std::ofstream(file, std::ios::binary) << content;
  CHECK(expect_weir({"state", "diff", directory, "1", "2"}).out == difference);
  const weir_run verified = run_weir({"checkpoints", "verify", directory});
  CHECK(verified.code == 1);
  CHECK(verified.out == "DAMAGED checkpoint 1: key group 0 of operator \"count\": its checksum does not fit\n"
                        "DAMAGED checkpoint 2: key group 0 of operator \"count\": its checksum does not fit\n");
  CHECK(run_weir({"state", "scan", directory, "count", "accumulator"}).says("its checksum does not fit"));
}

TEST_CASE("a checkpoint whose file is damaged is listed as that") {
  const temporary_directory place;
  const fs::path directory = made_by_job(place / "state", state_backend::directory);
  fs::path newest;
  std::size_t checkpoints = 0;
  for (const auto& file : fs::directory_iterator(directory))
    if (file.path().filename().string().starts_with("checkpoint-")) {
      ++checkpoints;
      newest = std::max(newest, file.path());
    }
  fs::resize_file(newest, fs::file_size(newest) - 1);
  const weir_run listed = run_weir({"checkpoints", "ls", directory.string()});
  CHECK(listed.code == 1);
  CHECK(listed.lines().size() == 1 + checkpoints + 1); // a title, a line each, and what is wrong
  CHECK(listed.lines().back().starts_with("DAMAGED checkpoint "));
  CHECK(run_weir({"checkpoints", "ls", directory.string(), "--json"}).json().back().contains("damaged"));
  // Not silently an older one.
  CHECK(run_weir({"state", "ls", directory.string()}).says("is damaged: it was cut short"));
  CHECK(run_weir({"checkpoints", "verify", directory.string()}).code == 1);
}

TEST_CASE("mistakes in the command line are said, with what was meant") {
  const temporary_directory place;
  const std::string directory = made_by_job(place / "state", state_backend::memory).string();
  const auto refused = [](const std::vector<std::string>& words, int code, const std::string& text) {
    const weir_run run = run_weir(words);
    CAPTURE(words);
    CHECK(run.code == code);
    CHECK(run.out.empty());
    CHECK_MESSAGE(run.says(text), run.problem);
  };
  refused({}, 2, "expected a command");
  refused({"chekpoints", "ls", directory}, 2, "did you mean \"checkpoints\"?");
  refused({"checkpoints", "list", directory}, 2, "there are \"ls\", \"rm\", \"show\", \"verify\"");
  refused({"checkpoints", "ls"}, 2, "expected DIR, found 0 arguments");
  refused({"checkpoints", "ls", directory, "--at", "1"}, 2, "unknown option --at");
  refused({"checkpoints", "show", directory, "one"}, 2, "expected the number of a checkpoint, found \"one\"");
  refused({"checkpoints", "show", directory, "99999"}, 2, "there is no checkpoint 99999");
  refused({"state", "get", directory, "coutn", "accumulator", "key0"}, 2, "did you mean \"count\"?");
  refused({"state", "get", directory, "all", "lasst", "key0"}, 2, "did you mean \"last\"?");
  refused({"state", "get", directory, "all", "last"}, 2, "expected a KEY");
  refused({"state", "get", directory, "all", "notes", "x"}, 2, "leave KEY out");
  refused({"state", "get", directory, "all", "last", "nobody"}, 1, "holds nothing for the key \"nobody\"");
  refused({"state", "scan", directory, "all", "last", "--format", "xml"}, 2, "expected json or csv");
  refused({"state", "scan", "/nowhere", "all", "last"}, 1, "found no /nowhere");
  refused({"state", "scan", place.path().string(), "all", "last"}, 1, "expected checkpoints.mdb or files");
}

TEST_CASE("help fits into 100 columns and tells the exit codes; a pipe that closes early ends quietly") {
  const weir_run help = expect_weir({"--help"});
  CHECK(help.out.find("Exit codes: 0 success, 1 ") != std::string::npos);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"}, {"checkpoints", "verify", "--help"}, {"state", "get", "--help"},
        {"state", "diff", "--help"}, {"savepoint", "import", "--help"}, {"savepoint", "--help"}, {"stop", "--help"},
        {"rescale", "--help"}, {"job", "--help"}, {"jobs", "--help"}, {"workers", "--help"}})
    for (const std::string& line : expect_weir(words).lines())
      CHECK_MESSAGE(line.size() <= 100, line);
  CHECK(expect_weir({"--version"}).out.starts_with("weir "));
  const temporary_directory place;
  const std::string directory = made_by_job(place / "state", state_backend::memory).string();
  const weir_run first = expect_weir({"state", "scan", directory, "all", "last"}, "| true");
  CHECK(first.problem.empty());
  const weir_run full = run_weir({"checkpoints", "ls", directory}, "> /dev/full; exit $?; true");
  CHECK(full.code == 1);
  CHECK(full.says("No space left on device"));
}

TEST_CASE("what was under way in an unaligned checkpoint is shown, verified, and goes into a savepoint file") {
  const temporary_directory place;
  const fs::path directory = place / "state";
  constexpr std::uint64_t all = 20'000;
  const auto sum = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto done = std::make_shared<std::atomic<std::uint64_t>>(0);
  topology job{"slow"};
  job.source("numbers", generate([](std::uint64_t i) { return std::to_string(i); }, all))
      .rebalance()
      .map("slow",
           [done](const std::string& one) {
             std::this_thread::sleep_for(20us);
             ++*done;
             return std::stoull(one);
           })
      .key_by([](std::uint64_t) { return 0; })
      .reduce("sum", [](std::uint64_t a, std::uint64_t b) { return a + b; }, emit::at_end)
      .sink("out", [sum](std::uint64_t one) { *sum = one; });
  job_config config = config_of(directory, state_backend::memory);
  config.task.batch_size = 16;
  config.checkpoint.interval = 0s;
  config.checkpoint.mode = checkpoint_mode::unaligned;
  auto running = job::start(job, config);
  REQUIRE(running);
  while (*done < 50)
    std::this_thread::sleep_for(1ms);
  (*running)->stop();
  CHECK((*running)->wait().what == job_report::outcome::stopped);

  const std::string id = expect_weir({"checkpoints", "ls", directory.string(), "--json"}).json()[0]["id"].dump();
  CHECK(expect_weir({"checkpoints", "show", directory.string(), id}).out.find("under way on ") != std::string::npos);
  expect_weir({"checkpoints", "verify", directory.string(), id});
  const std::string file = (place / "kept.weir").string();
  expect_weir({"savepoint", "export", directory.string(), file});
  const fs::path copy = place / "copy";
  expect_weir({"savepoint", "import", file, copy.string()});
  config.checkpoint.directory = copy;
  running = job::start(job, config);
  REQUIRE(running);
  CHECK((*running)->wait().what == job_report::outcome::finished);
  CHECK(*sum == all * (all - 1) / 2);
}
