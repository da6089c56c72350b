#include <weir/runtime/command_line.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <doctest/doctest.h>

#include <weir/runtime/settings.hpp>

using namespace std::chrono_literals;
using namespace weir;

namespace {

using outcome = std::variant<command_line, command_line_answer>;

// A job with options of its own, and what its command line makes of words and variables.
struct job {
  option_table options;
  option<std::string> input = options.declare<std::string>("input", "What to read.", "in/");
  option<std::int64_t> offset = options.declare<std::int64_t>("offset", "Where to begin.", 0);
  option<bool> sorted = options.declare<bool>("sorted", "Whether the result is sorted.", false);
  job_config code;

  outcome read(std::vector<const char*> words, std::vector<const char*> environment = {}) const {
    words.insert(words.begin(), "build/samples/word_count");
    environment.push_back(nullptr);
    return read_command_line({"word-count", "counts words"}, code, options,
                             static_cast<int>(words.size()), words.data(), environment.data());
  }

  command_line command(std::vector<const char*> words,
                       std::vector<const char*> environment = {}) const {
    const outcome out = read(std::move(words), std::move(environment));
    if (const auto* answer = std::get_if<command_line_answer>(&out))
      FAIL(answer->text);
    return std::get<command_line>(out);
  }

  command_line_answer answer(std::vector<const char*> words,
                             std::vector<const char*> environment = {}) const {
    const outcome out = read(std::move(words), std::move(environment));
    REQUIRE(std::holds_alternative<command_line_answer>(out));
    return std::get<command_line_answer>(out);
  }
};

std::string refusal(std::string_view problem) {
  return "word_count: " + std::string{problem} + "\nSee word_count --help.\n";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("without a command the job runs") {
  const job job;
  CHECK(job.command({}).what == command_line::verb::run);
  CHECK(job.command({"run"}).what == command_line::verb::run);
  CHECK(job.command({"plan"}).what == command_line::verb::plan);
}

TEST_CASE("options may stand before and after the command") {
  for (const std::vector<const char*>& words :
       {std::vector<const char*>{"--input", "x", "--parallelism", "2"},
        {"run", "--input", "x", "--parallelism=2"},
        {"--input=x", "run", "--parallelism", "2"},
        {"--input=x", "--parallelism", "2", "run"}}) {
    const job job;
    const command_line command = job.command(words);
    CHECK(command.what == command_line::verb::run);
    CHECK(command.config.parallelism == 2);
    CHECK(*job.input == "x");
  }
}

TEST_CASE("plan prints in the form that is asked for") {
  const job job;
  CHECK(job.command({"plan"}).format == plan_format::text);
  CHECK(job.command({"plan", "--format", "json"}).format == plan_format::json);
  CHECK(job.command({"plan", "--format=dot", "--input", "x"}).format == plan_format::dot);
  CHECK(job.answer({"plan", "--format", "xml"}).text ==
        refusal("command line, --format: expected text, json or dot, found \"xml\""));
  CHECK(job.answer({"--format", "json"}).text ==
        refusal("command line: --format belongs to plan: write it after the word plan"));
}

TEST_CASE("workers belong to run and plan") {
  const job job;
  CHECK(job.command({"plan", "--workers", "3", "--slots", "2"}).config.cluster.workers == 3);
  CHECK(job.answer({"worker", "--join", "localhost:1", "--workers", "3"}).text ==
        refusal("command line: --workers belongs to run, which starts processes on this machine, and to plan"));
}

TEST_CASE("truth values have four spellings on the command line") {
  const job job;
  CHECK_FALSE(job.command({"--chaining=false"}).config.chaining);
  CHECK_FALSE(job.command({"--chaining", "false"}).config.chaining);
  CHECK_FALSE(job.command({"--no-chaining"}).config.chaining);
  CHECK(job.command({"--no-chaining", "--chaining"}).config.chaining);
  CHECK(job.command({"--checkpoint-discard"}).config.checkpoint.discard);
  CHECK(job.command({"--checkpoint-discard", "plan"}).what == command_line::verb::plan);
  CHECK(job.answer({"--chaining=perhaps"}).text ==
        refusal("command line, --chaining: chaining: expected true or false (or yes, no, on, off, "
                "1, 0), found \"perhaps\""));
  job.command({"--sorted"});
  CHECK(*job.sorted);
  job.command({"--no-sorted"});
  CHECK_FALSE(*job.sorted);
}

TEST_CASE("a value may be empty, start with a dash, or contain anything") {
  const job job;
  job.command({"--offset", "-12", "--input", "a=b c"});
  CHECK(*job.offset == -12);
  CHECK(*job.input == "a=b c");
  job.command({"--input=", "--offset", "3"});
  CHECK(job.input->empty());
  CHECK(*job.offset == 3);
  job.command({"--input", "[a,b]"});
  CHECK(*job.input == "[a,b]");
}

TEST_CASE("the last one of a repeated flag counts") {
  const job job;
  CHECK(job.command({"--parallelism", "2", "run", "--parallelism", "3"}).config.parallelism == 3);
}

TEST_CASE("the command line goes before the environment, the file and the code") {
  job job;
  job.code.parallelism = 2;
  job.code.key_groups = 64;
  job.code.threads = 7;
  const auto path = std::filesystem::temp_directory_path() /
                    ("weir-command-line-" + std::to_string(::getpid()) + ".toml");
  std::ofstream(path) << "parallelism = 3\nthreads = 3\nbatch.size = 3\n"
                         "[job]\ninput = 'file'\noffset = -1\n";
  const std::string flag = "--config=" + path.string();
  const std::string variable = "WEIR_CONFIG=" + path.string();
  for (const bool by_flag : {true, false}) {
    std::vector<const char*> words{"--parallelism", "5"};
    std::vector<const char*> environment{"WEIR_PARALLELISM=4", "WEIR_THREADS=4",
                                         "WEIR_JOB_INPUT=environment"};
    by_flag ? words.push_back(flag.c_str()) : environment.push_back(variable.c_str());
    const command_line command = job.command(words, environment);
    CHECK(command.config.parallelism == 5);
    CHECK(command.config.threads == 4);
    CHECK(command.config.task.batch_size == 3);
    CHECK(command.config.key_groups == 64);
    CHECK(*job.input == "environment");
    CHECK(*job.offset == -1);
  }
  std::filesystem::remove(path);
}

TEST_CASE("all mistakes of all places are reported together") {
  const job job;
  const command_line_answer answer =
      job.answer({"--checkpoint-intervall", "5s", "--batch-size", "0", "--inptu=x", "extra",
                  "--offset", "1.5"},
                 {"WEIR_THREADS=many", "WEIR_CONFIG=/nonexistent.toml"});
  CHECK(answer.exit_code == exit_usage);
  CHECK(answer.text ==
        "word_count: 7 problems:\n"
        "  command line: unknown option --checkpoint-intervall; did you mean "
        "--checkpoint-interval?\n"
        "  command line: unknown option --inptu; did you mean --input?\n"
        "  command line: unexpected argument \"extra\"\n"
        "  settings file \"/nonexistent.toml\" cannot be read: No such file or directory (errno "
        "2)\n"
        "  environment variable WEIR_THREADS: threads: expected a whole number from 0 to 1024, "
        "found \"many\"\n"
        "  command line, --batch-size: batch.size: expected a whole number from 1 to 1048576, "
        "found \"0\"\n"
        "  command line, --offset: job.offset: expected a whole number from "
        "-9223372036854775808 to 9223372036854775807, found \"1.5\"\n"
        "See word_count --help.\n");
}

TEST_CASE("a flag without its value is an error that does not hide others") {
  const job job;
  CHECK(job.answer({"--parallelism", "0", "--input"}).text ==
        "word_count: 2 problems:\n"
        "  command line: --input: a value is missing\n"
        "  command line, --parallelism: parallelism: expected a whole number from 1 to 65536, "
        "found \"0\"\n"
        "See word_count --help.\n");
  CHECK(job.answer({"plan", "--format"}).text ==
        refusal("command line: --format: a value is missing"));
}

TEST_CASE("only one command is taken") {
  const job job;
  CHECK(job.answer({"run", "plan"}).text ==
        refusal("command line: unexpected argument \"plan\" after the command run"));
  CHECK(job.answer({"plann"}).text ==
        refusal("command line: unexpected argument \"plann\"; did you mean plan?"));
  CHECK(job.answer({"-x"}).text == refusal("command line: unknown option -x"));
}

TEST_CASE("a worker finds its coordinator in one way, and only what is a cluster has an arbiter") {
  const job job;
  CHECK(job.command({"worker", "--ha", "etcd://a:1,b:2"}).config.cluster.ha == "etcd://a:1,b:2");
  CHECK(job.command({"coordinator", "--listen", ":1", "--ha", "etcd://a:1"}).what == command_line::verb::coordinator);
  CHECK(contains(job.answer({"worker"}).text, "worker needs --join HOST:PORT"));
  CHECK(contains(job.answer({"worker", "--ha", "etcd://a:1", "--join", "b:1"}).text, "leave one out"));
  CHECK(contains(job.answer({"run", "--ha", "etcd://a:1"}).text, "--ha belongs to coordinator and worker"));
  CHECK(contains(job.answer({"coordinator", "--ha", "etcd://a:1"}).text, "coordinator needs --listen"));
}

TEST_CASE("a required option is needed to run but not to plan") {
  job job;
  const auto output = job.options.declare_required<std::string>("output", "Where to write.");
  CHECK(contains(job.answer({"run"}).text, "--output TEXT is missing"));
  CHECK(job.command({"plan"}).what == command_line::verb::plan);
  job.command({"run", "--output", "out/"});
  CHECK(*output == "out/");
}

TEST_CASE("an option whose name is taken stops every command") {
  job job;
  (void)job.options.declare<int>("parallelism", "", 1);
  const command_line_answer answer = job.answer({"--help"});
  CHECK(answer.exit_code == exit_usage);
  CHECK(answer.text == refusal("option \"parallelism\": --parallelism is the flag of the setting "
                               "parallelism; choose another name"));
}

TEST_CASE("help lists the job's options, every setting, and the exit codes, at 100 columns") {
  const job job;
  const command_line_answer answer = job.answer({"--help", "--nonsense"});
  CHECK(answer.exit_code == exit_success);
  CHECK(contains(answer.text, "word-count: counts words\n\nUsage: word_count [run] [OPTION...]\n"));
  CHECK(contains(answer.text, "--input TEXT"));
  CHECK(contains(answer.text, "[default in/; WEIR_JOB_INPUT]"));
  CHECK(contains(answer.text, "--[no-]sorted"));
  CHECK(contains(answer.text, "Exit codes: 0 success, 1 the job failed, 2 "));
  for (const setting& row : settings()) {
    CAPTURE(row.key);
    const std::string flag = flag_name(row.key).substr(2);
    CHECK(contains(answer.text, "\n  --" + std::string{row.is_boolean ? "[no-]" : ""} + flag));
    CHECK(contains(answer.text, environment_name(row.key) + "]"));
  }
  CHECK(answer.text.find("Options of this job") < answer.text.find("Checkpoints:"));
  std::istringstream lines(answer.text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
    CHECK_MESSAGE(!line.ends_with(' '), line);
  }
}

TEST_CASE("help is the same wherever it is asked for, and shows the defaults of the job's code") {
  job job;
  job.code.parallelism = 17;
  const std::string help = job.answer({"--help"}).text;
  CHECK(job.answer({"run", "--help"}).text == help);
  CHECK(job.answer({"plan", "-h"}).text == help);
  CHECK(contains(help, "default 17; WEIR_PARALLELISM"));
}

TEST_CASE("the version is the project's") {
  const job job;
  const command_line_answer answer = job.answer({"--version"});
  CHECK(answer.exit_code == exit_success);
  CHECK(answer.text == "weir " + std::string{version_text()} + "\n");
  std::ifstream in(std::filesystem::path(__FILE__).parent_path() / "../../CMakeLists.txt");
  const std::string project{std::istreambuf_iterator<char>{in}, {}};
  CHECK(contains(project, "project(weir VERSION " + std::string{version_text()} + " "));
}

TEST_CASE("the settings command prints the document and is not listed") {
  const job job;
  const command_line_answer answer = job.answer({"settings", "--markdown"});
  CHECK(answer.exit_code == exit_success);
  CHECK(answer.text == settings_markdown());
  CHECK_FALSE(contains(job.answer({"--help"}).text, "--markdown"));
}
