#include <weir/runtime/settings.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <doctest/doctest.h>

#include <weir/runtime/settings_reader.hpp>
#include <weir/runtime/settings_spelling.hpp>

using namespace std::chrono_literals;
using namespace weir;

namespace {

// A file that is there as long as the object.
class scratch_file {
 public:
  explicit scratch_file(std::string_view text)
      : path_(std::filesystem::temp_directory_path() /
              ("weir-settings-" + std::to_string(::getpid()) + ".toml")) {
    std::ofstream(path_) << text;
  }
  ~scratch_file() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct reading {
  job_config config;
  std::vector<std::string> problems;
};

reading read_file(std::string_view text, const option_table& options = {}) {
  const scratch_file file(text);
  settings_reader reader(job_config{}, options);
  reader.read_file(file.path());
  reader.check(true);
  reading read{reader.config(), reader.problems()};
  for (std::string& problem : read.problems)
    for (std::size_t at; (at = problem.find(file.path().string())) != std::string::npos;)
      problem.replace(at, file.path().string().size(), "FILE");
  return read;
}

reading read_environment(std::vector<const char*> variables, const option_table& options = {}) {
  variables.push_back(nullptr);
  settings_reader reader(job_config{}, options);
  reader.read_environment(variables.data());
  reader.check(true);
  return {reader.config(), reader.problems()};
}

using lines = std::vector<std::string>;

} // namespace

TEST_CASE("every setting has a key, a flag, a variable and a sentence of its own") {
  std::set<std::string> flags, variables;
  std::set<std::string_view> keys, meanings;
  for (const setting& row : settings()) {
    CAPTURE(row.key);
    CHECK(keys.insert(row.key).second);
    CHECK(flags.insert(flag_name(row.key)).second);
    CHECK(variables.insert(environment_name(row.key)).second);
    CHECK(meanings.insert(row.meaning).second);
    CHECK(row.meaning.ends_with('.'));
    CHECK_FALSE(row.allowed.empty());
    CHECK_FALSE(row.group.empty());
    CHECK(find_setting(row.key) == &row);
  }
  CHECK(flag_name("checkpoint.minimum-pause") == "--checkpoint-minimum-pause");
  CHECK(environment_name("checkpoint.minimum-pause") == "WEIR_CHECKPOINT_MINIMUM_PAUSE");
  CHECK(find_setting("checkpoint") == nullptr);
}

TEST_CASE("the default of every setting is a value that it allows") {
  const job_config defaults;
  for (const setting& row : settings()) {
    CAPTURE(row.key);
    job_config copy;
    CHECK(row.assign(copy, row.show(defaults)));
    CHECK(row.show(copy) == row.show(defaults));
  }
  const option_table options;
  settings_reader reader(defaults, options);
  reader.check(true);
  CHECK(reader.problems().empty());
}

TEST_CASE("every setting sets its own member of the config and no other") {
  const std::map<std::string_view, const char*> other{{"checkpoint.dir", "/tmp/x"},
                                                      {"checkpoint.interval", "3s"},
                                                      {"checkpoint.timeout", "4s"},
                                                      {"checkpoint.minimum-pause", "5s"},
                                                      {"checkpoint.maximum-concurrent", "6"},
                                                      {"checkpoint.tolerated-failures", "7"},
                                                      {"checkpoint.retained", "8"},
                                                      {"checkpoint.replicas", "3"},
                                                      {"checkpoint.retain-on-cancel", "false"},
                                                      {"checkpoint.incremental", "false"},
                                                      {"checkpoint.mode", "at-least-once"},
                                                      {"checkpoint.alignment-timeout", "8500ms"},
                                                      {"checkpoint.map-size", "9GiB"},
                                                      {"checkpoint.restore-from", "10"},
                                                      {"from", "/tmp/z.weir"},
                                                      {"checkpoint.discard", "true"},
                                                      {"checkpoint.allow-dropped-state", "true"},
                                                      {"state.backend", "lmdb"},
                                                      {"state.directory", "/tmp/y"},
                                                      {"state.cache-size", "24MiB"},
                                                      {"state.map-size", "25GiB"},
                                                      {"restart.strategy", "failure-rate"},
                                                      {"restart.attempts", "11"},
                                                      {"restart.delay", "12s"},
                                                      {"restart.maximum-delay", "13s"},
                                                      {"restart.backoff", "1.5"},
                                                      {"restart.reset-after", "15s"},
                                                      {"restart.rate-maximum", "16"},
                                                      {"restart.rate-interval", "17s"},
                                                      {"recovery.region", "false"},
                                                      {"parallelism", "18"},
                                                      {"key-groups", "19"},
                                                      {"mode", "batch"},
                                                      {"chaining", "false"},
                                                      {"threads", "20"},
                                                      {"batch.size", "21"},
                                                      {"batch.timeout", "22ms"},
                                                      {"channel.credits", "23"},
                                                      {"cluster.listen", "localhost:24"},
                                                      {"cluster.join", "localhost:25"},
                                                      {"cluster.ha", "etcd://localhost:30"},
                                                      {"cluster.host", "localhost"},
                                                      {"cluster.slots", "26"},
                                                      {"cluster.workers", "27"},
                                                      {"cluster.timeout", "28s"},
                                                      {"cluster.heartbeat", "29ms"},
                                                      {"cluster.placement", "pack"},
                                                      {"cluster.tls-ca", "ca.pem"},
                                                      {"cluster.tls-cert", "cert.pem"},
                                                      {"cluster.tls-key", "key.pem"},
                                                      {"log.level", "debug"},
                                                      {"log.format", "json"}};
  const job_config defaults;
  for (const setting& row : settings()) {
    CAPTURE(row.key);
    REQUIRE(other.contains(row.key));
    job_config config;
    REQUIRE(row.assign(config, other.at(row.key)));
    for (const setting& each : settings()) {
      CAPTURE(each.key);
      CHECK(each.show(config) == (&each == &row ? other.at(row.key) : each.show(defaults)));
    }
  }
  CHECK(other.size() == settings().size());
}

TEST_CASE("a value out of range is refused and the config keeps what it had") {
  const std::vector<std::pair<const char*, const char*>> refused{
      {"batch.size", "0"},
      {"parallelism", "0"},
      {"key-groups", "65537"},
      {"checkpoint.retained", "0"},
      {"checkpoint.timeout", "0"},
      {"checkpoint.interval", "366d"},
      {"restart.backoff", "0.5"},
      {"restart.backoff", "nan"},
      {"checkpoint.map-size", "4KiB"},
      {"log.level", "INFO"},
      {"checkpoint.mode", ""},
      {"threads", "-1"},
      {"checkpoint.tolerated-failures", "4294967296"}};
  const job_config defaults;
  for (const auto& [key, text] : refused) {
    CAPTURE(key);
    job_config config;
    const setting* row = find_setting(key);
    REQUIRE(row != nullptr);
    const status done = row->assign(config, text);
    REQUIRE_FALSE(done);
    CHECK(done.failure().code == errc::invalid_setting);
    CHECK(done.failure().message.starts_with("expected "));
    CHECK(done.failure().message.ends_with("found " + in_quotes(text)));
    CHECK(row->show(config) == row->show(defaults));
  }
}

TEST_CASE("a file may write keys as tables or with dots, and values with or without quotes") {
  const reading read = read_file(R"(
parallelism = 3
chaining = false
restart.backoff = 3
batch.size = "16"

[checkpoint]
dir = "/tmp/checkpoints"
interval = "200ms"
mode = "at-least-once"

[log]
)");
  CHECK(read.problems == lines{});
  CHECK(read.config.parallelism == 3);
  CHECK_FALSE(read.config.chaining);
  CHECK(read.config.restart.backoff == 3.0);
  CHECK(read.config.task.batch_size == 16);
  CHECK(read.config.checkpoint.directory == "/tmp/checkpoints");
  CHECK(read.config.checkpoint.interval == 200ms);
  CHECK(read.config.checkpoint.mode == checkpoint_mode::at_least_once);
}

TEST_CASE("all mistakes in a file are reported, each with its line and column") {
  const reading read = read_file(R"(parallelism = 0
restart = 5
log.levle = "debug"
batch.size = [1, 2]

[checkpoint]
intervall = "200ms"
timeout = 5
dri = "x"

[chekpoint]
)");
  CHECK(read.problems ==
        lines{"FILE:4:14: batch.size: expected a string, a number, true or false, found an array",
              "FILE:9:1: checkpoint.dri: unknown key; did you mean checkpoint.dir?",
              "FILE:7:1: checkpoint.intervall: unknown key; did you mean checkpoint.interval?",
              "FILE:8:11: checkpoint.timeout: expected a duration such as 200ms, 1.5s or 10min "
              "(units: ns, us, ms, s, min, h, d), found \"5\"",
              "FILE:11:2: chekpoint: unknown table",
              "FILE:3:5: log.levle: unknown key; did you mean log.level?",
              "FILE:1:15: parallelism: expected a whole number from 1 to 65536, found \"0\"",
              "FILE:2:1: restart: expected a table, written as [restart], found a single value"});
}

TEST_CASE("a file that is not TOML is refused with the place") {
  const reading read = read_file("parallelism = 2\nchaining = = true\n");
  REQUIRE(read.problems.size() == 1);
  CHECK(read.problems.front().starts_with("FILE:2:12: not valid TOML: "));
}

TEST_CASE("a file that is not there or not a file is refused with the reason") {
  const option_table options;
  settings_reader reader(job_config{}, options);
  reader.read_file("/nonexistent/job.toml");
  reader.read_file("/");
  CHECK(reader.problems() ==
        lines{"settings file \"/nonexistent/job.toml\" cannot be read: No such file or directory "
              "(errno 2)",
              "settings file \"/\" cannot be read: Is a directory (errno 21)"});
}

TEST_CASE("the environment sets what a file sets") {
  const reading read = read_environment({"PATH=/bin", "WEIR_PARALLELISM=4", "WEIRD=1",
                                         "WEIR_CHECKPOINT_RETAIN_ON_CANCEL=no", "WEIR_CONFIG=x",
                                         "WEIR_COORDINATOR=x"});
  CHECK(read.problems == lines{});
  CHECK(read.config.parallelism == 4);
  CHECK_FALSE(read.config.checkpoint.retain_on_cancel);
}

TEST_CASE("unknown variables that start with WEIR_ and bad values are all reported") {
  const reading read =
      read_environment({"WEIR_CHECKPOINT_INTERVAL=5 parsecs", "WEIR_PARALELISM=4", "WEIR_JOB_X=1"});
  CHECK(read.problems ==
        lines{"environment variable WEIR_CHECKPOINT_INTERVAL: checkpoint.interval: expected a "
              "duration such as 200ms, 1.5s or 10min (units: ns, us, ms, s, min, h, d), found "
              "\"5 parsecs\"",
              "environment variable WEIR_PARALELISM: unknown: no setting or option of this job; "
              "did you mean WEIR_PARALLELISM?",
              "environment variable WEIR_JOB_X: unknown: no setting or option of this job"});
}

TEST_CASE("a later place overrides an earlier one") {
  const scratch_file file("parallelism = 3\nkey-groups = 64\nthreads = 1\n");
  job_config code;
  code.parallelism = 2;
  code.key_groups = 32;
  code.checkpoint.retained = 9;
  const option_table options;
  settings_reader reader(code, options);
  reader.read_file(file.path());
  const char* environment[] = {"WEIR_PARALLELISM=4", "WEIR_THREADS=2", nullptr};
  reader.read_environment(environment);
  reader.assign("parallelism", "5", "command line, --parallelism");
  reader.check(true);
  CHECK(reader.problems().empty());
  CHECK(reader.config().parallelism == 5);
  CHECK(reader.config().threads == 2);
  CHECK(reader.config().key_groups == 64);
  CHECK(reader.config().checkpoint.retained == 9);
}

TEST_CASE("what the job's code set is checked, too, unless something overrides it") {
  job_config code;
  code.task.batch_size = 0;
  code.parallelism = 0;
  const option_table options;
  settings_reader reader(code, options);
  reader.assign("parallelism", "1", "command line, --parallelism");
  reader.check(true);
  CHECK(reader.problems() ==
        lines{"the job's code: batch.size: expected a whole number from 1 to 1048576, found "
              "\"0\""});
}

TEST_CASE("values that contradict each other are refused with both places") {
  const reading read =
      read_environment({"WEIR_CHECKPOINT_RESTORE_FROM=7", "WEIR_CHECKPOINT_DISCARD=true",
                        "WEIR_RESTART_DELAY=1min"});
  CHECK(read.problems ==
        lines{"checkpoint.restore-from = 7 (environment variable WEIR_CHECKPOINT_RESTORE_FROM) "
              "contradicts checkpoint.discard = true (environment variable "
              "WEIR_CHECKPOINT_DISCARD): a checkpoint to start from cannot be deleted first; give "
              "one of the two",
              "checkpoint.restore-from = 7 (environment variable WEIR_CHECKPOINT_RESTORE_FROM) "
              "contradicts checkpoint.dir = nothing (the default): set the directory that holds "
              "the checkpoint",
              "restart.delay = 1min (environment variable WEIR_RESTART_DELAY) contradicts "
              "restart.maximum-delay = 30s (the default): the first delay must not be longer than "
              "the longest one"});
  CHECK(read_environment({"WEIR_RESTART_DELAY=1min", "WEIR_RESTART_STRATEGY=fixed-delay"})
            .problems.empty());
}

TEST_CASE("a misspelt name finds the one that was meant") {
  const lines names{"checkpoint.dir", "checkpoint.interval", "log.level", "parallelism",
                    "job.input"};
  CHECK(closest_name("checkpoint.intrval", names) == "checkpoint.interval");
  CHECK(closest_name("checkpoint.itnerval", names) == "checkpoint.interval");
  CHECK(closest_name("paralelism", names) == "parallelism");
  CHECK(closest_name("interval", names) == "checkpoint.interval");
  CHECK(closest_name("input", names) == "job.input");
  CHECK(closest_name("checkpoint.directory", names) == "checkpoint.dir");
  CHECK(closest_name("x", names).empty());
  CHECK(closest_name("", names).empty());
  CHECK(closest_name("something-else", names).empty());
}

TEST_CASE("docs/settings.md is what the table says") {
  const std::filesystem::path document =
      std::filesystem::path(__FILE__).parent_path() / "../../docs/settings.md";
  std::ifstream in(document);
  REQUIRE_MESSAGE(in.good(), "docs/settings.md cannot be opened");
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  CHECK_MESSAGE(text == settings_markdown(),
                "print it anew: build/samples/word_count settings --markdown > docs/settings.md");
}

TEST_CASE("the example of docs/settings.md is a valid file") {
  const std::string document = settings_markdown();
  const std::size_t begin = document.find("```toml\n") + 8;
  option_table options;
  const option<std::string> input = options.declare<std::string>("input", "What to read.", "");
  const reading read =
      read_file(document.substr(begin, document.find("```", begin) - begin), options);
  CHECK(read.problems == lines{});
  CHECK(*input == "texts/");
  CHECK(read.config.checkpoint.interval == 200ms);
}
