#include <weir/runtime/option_table.hpp>

#include <doctest/doctest.h>

#include <weir/runtime/settings_reader.hpp>

using namespace std::chrono_literals;
using namespace weir;

namespace {

status assign(const option_table& options, std::string_view name, std::string_view text) {
  const job_option* entry = options.find(name);
  REQUIRE(entry != nullptr);
  return entry->assign(text);
}

using lines = std::vector<std::string>;

} // namespace

static_assert(option_value<std::string> && option_value<bool> && option_value<double>);
static_assert(option_value<std::uint8_t> && option_value<long> && option_value<std::chrono::hours>);
static_assert(!option_value<char> && !option_value<const char*>);

TEST_CASE("an option holds its default until a value is read, and all copies see the value") {
  option_table options;
  const option<std::string> input = options.declare<std::string>("input", "What to read.", "in/");
  const option<std::string> copy = input;
  CHECK(*copy == "in/");
  CHECK(assign(options, "input", "other/"));
  CHECK(*input == "other/");
  CHECK(*copy == "other/");
}

TEST_CASE("an option reads values of its type only") {
  option_table options;
  const auto port = options.declare<std::uint16_t>("port", "", 9999);
  const auto offset = options.declare<int>("offset", "", 0);
  const auto share = options.declare<double>("share", "", 0.5);
  const auto verbose = options.declare<bool>("verbose", "", false);
  const auto pause = options.declare<std::chrono::milliseconds>("pause", "", 10ms);
  CHECK(assign(options, "port", "80"));
  CHECK(assign(options, "offset", "-3"));
  CHECK(assign(options, "share", "0.25"));
  CHECK(assign(options, "verbose", "yes"));
  CHECK(assign(options, "pause", "1.5s"));
  CHECK(*port == 80);
  CHECK(*offset == -3);
  CHECK(*share == 0.25);
  CHECK(*verbose);
  CHECK(*pause == 1500ms);
  CHECK(assign(options, "port", "65536").failure().message ==
        "expected a whole number from 0 to 65535, found \"65536\"");
  CHECK_FALSE(assign(options, "offset", "1.5"));
  CHECK_FALSE(assign(options, "share", "half"));
  CHECK_FALSE(assign(options, "verbose", "perhaps"));
  CHECK(assign(options, "pause", "50us").failure().message ==
        "expected a multiple of 1ms, found \"50us\"");
  CHECK(*port == 80);
  CHECK(*pause == 1500ms);
}

TEST_CASE("an option describes itself for the help") {
  option_table options;
  options.declare<std::chrono::seconds>("pause", "How long to wait.", 90s);
  options.declare_required<std::string>("input", "What to read.");
  REQUIRE(options.options().size() == 2);
  const job_option& pause = options.options()[0];
  CHECK(pause.name == "pause");
  CHECK(pause.word == "DURATION");
  CHECK(pause.default_text == "90s");
  CHECK(pause.description == "How long to wait.");
  CHECK_FALSE(pause.is_required);
  const job_option& input = options.options()[1];
  CHECK(input.word == "TEXT");
  CHECK(input.is_required);
  CHECK(input.default_text.empty());
}

TEST_CASE("names that cannot be used are all reported") {
  option_table options;
  options.declare<std::string>("checkpoint-dir", "", "");
  options.declare<std::string>("no-chaining", "", "");
  options.declare<std::string>("help", "", "");
  options.declare<std::string>("Input", "", "");
  options.declare<std::string>("a--b", "", "");
  options.declare<std::string>("good", "", "");
  options.declare<int>("good", "", 0);
  options.declare<bool>("cache", "", true);
  options.declare<int>("no-cache", "", 0);
  const std::string form = "expected a name of lower-case letters, digits and single dashes that "
                           "starts with a letter";
  CHECK(options.problems() ==
        lines{"option \"checkpoint-dir\": --checkpoint-dir is the flag of the setting "
              "checkpoint.dir; choose another name",
              "option \"no-chaining\": --no-chaining is the flag of the setting chaining; choose "
              "another name",
              "option \"help\": --help is an option of every job; choose another name",
              "option \"Input\": " + form, "option \"a--b\": " + form,
              "option \"good\": --good is declared by the job already; choose another name",
              "option \"no-cache\": --no-cache is declared by the job already; choose another "
              "name"});
}

TEST_CASE("ordinary names are no problem") {
  option_table options;
  CHECK(options.problems().empty());
  options.declare<std::string>("input", "", "");
  options.declare<int>("fail-every", "", 0);
  options.declare<int>("level2", "", 0);
  CHECK(options.problems().empty());
  CHECK(options.find("inputs") == nullptr);
}

TEST_CASE("an option is set under [job] in the file and by WEIR_JOB_ in the environment") {
  option_table options;
  const auto fail_every = options.declare<int>("fail-every", "", 0);
  settings_reader reader(job_config{}, options);
  const char* environment[] = {"WEIR_JOB_FAIL_EVERY=12", nullptr};
  reader.read_environment(environment);
  reader.check(true);
  CHECK(reader.problems().empty());
  CHECK(*fail_every == 12);
}

TEST_CASE("a required option that no place gives is missing") {
  option_table options;
  (void)options.declare_required<std::string>("input-dir", "");
  settings_reader incomplete(job_config{}, options);
  incomplete.check(false);
  CHECK(incomplete.problems().empty());
  incomplete.check(true);
  CHECK(incomplete.problems() ==
        lines{"--input-dir TEXT is missing: give it on the command line, as input-dir under [job] "
              "in the file, or as WEIR_JOB_INPUT_DIR"});
  settings_reader complete(job_config{}, options);
  complete.assign("job.input-dir", "", "command line, --input-dir");
  complete.check(true);
  CHECK(complete.problems().empty());
}
