#include <weir/runtime/command_line.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>

#include <weir/runtime/settings_reader.hpp>

namespace weir {

namespace {

constexpr std::array<std::pair<std::string_view, plan_format>, 3> plan_formats{
    {{"text", plan_format::text}, {"json", plan_format::json}, {"dot", plan_format::dot}}};

// Everything is taken as text: what it means is decided by the table, for all places alike.
class parser {
 public:
  explicit parser(const option_table& options) {
    app_.set_help_flag();
    app_.allow_extras();
    app_.require_subcommand(0, 1);
    for (const char* verb : {"run", "coordinator", "worker", "plan", "settings"})
      app_.add_subcommand(verb)->fallthrough()->set_help_flag();
    help_ = app_.add_flag("-h,--help");
    version_ = app_.add_flag("--version");
    add_value("--config", "");
    plan_format_ = app_.get_subcommand("plan")->add_option("--format");
    plan_format_->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app_.get_subcommand("settings")->add_flag("--markdown");
    for (const setting& row : settings()) {
      std::string flag = flag_name(row.key);
      if (!row.short_name.empty() && options.find(row.short_name) == nullptr) {
        names_.push_back("--" + std::string{row.short_name});
        flag += "," + names_.back();
      }
      add(flag, std::string{row.key}, row.is_boolean);
    }
    for (const job_option& entry : options.options())
      add("--" + entry.name, job_option_key(entry.name), entry.is_boolean);
  }

  void parse(int argc, const char* const* argv) {
    std::vector<std::string> words = normalized(argc, argv);
    std::ranges::reverse(words);
    try {
      app_.parse(std::move(words));
    } catch (const CLI::ArgumentMismatch&) {
      problems_.push_back("command line: " + std::string{argv[argc - 1]} + ": a value is missing");
    } catch (const CLI::ParseError& failure) {
      problems_.push_back(std::string{"command line: "} + failure.what());
    }
    reject_leftovers();
  }

  bool wants_help() const { return help_->count() > 0; }
  bool wants_version() const { return version_->count() > 0; }
  bool has_verb(const char* verb) const { return app_.got_subcommand(verb); }
  std::optional<std::string> format() const { return last_value(plan_format_); }

  // The last value given for each key, in the order of the table; the key of --config is empty.
  std::vector<std::pair<std::string, std::string>> values() const {
    std::vector<std::pair<std::string, std::string>> values;
    for (const auto& [key, option] : options_)
      if (std::optional<std::string> value = last_value(option))
        values.emplace_back(key, *std::move(value));
    return values;
  }

  const std::vector<std::string>& problems() const { return problems_; }

 private:
  void add(const std::string& flag, const std::string& key, bool is_boolean) {
    if (is_boolean)
      add_boolean(flag, key);
    else
      add_value(flag, key);
  }

  void add_value(const std::string& flag, const std::string& key) {
    CLI::Option* option = app_.add_option(flag);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    options_.emplace_back(key, option);
    names_.push_back(flag.substr(0, flag.find(',')));
  }

  void add_boolean(const std::string& flag, const std::string& key) {
    CLI::Option* option = app_.add_flag(flag + ",!--no-" + flag.substr(2));
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    options_.emplace_back(key, option);
    booleans_.push_back(flag);
    names_.push_back(flag);
  }

  static std::optional<std::string> last_value(const CLI::Option* option) {
    if (option->count() == 0)
      return std::nullopt;
    return option->results().back();
  }

  // `--chaining false` as `--chaining=false`, and `--config=` as `--config` with an empty value:
  // CLI11 takes the first for a flag and a stray word, and looks for the second's value further on.
  std::vector<std::string> normalized(int argc, const char* const* argv) const {
    std::vector<std::string> words;
    for (int i = 1; i < argc; ++i) {
      std::string word = argv[i];
      const bool is_boolean = std::ranges::find(booleans_, word) != booleans_.end();
      const std::size_t equals = word.find('=');
      if (is_boolean && i + 1 < argc && parse_boolean(argv[i + 1])) {
        words.push_back(word + "=" + argv[++i]);
      } else if (word.starts_with("--") && equals != std::string::npos &&
                 equals + 1 == word.size() &&
                 std::ranges::find(names_, word.substr(0, equals)) != names_.end()) {
        words.push_back(word.substr(0, equals));
        words.emplace_back();
      } else {
        words.push_back(std::move(word));
      }
    }
    return words;
  }

  void reject_leftovers() {
    const std::vector<std::string> rest = app_.remaining(true);
    std::vector<std::string> flags = names_;
    flags.insert(flags.end(), {"--help", "--version"});
    for (const std::string& flag : booleans_)
      flags.push_back("--no-" + flag.substr(2));
    bool after_flag = false;
    for (const std::string& word : rest) {
      const bool is_flag = word.size() > 1 && word.starts_with('-');
      if (is_flag)
        reject_flag(word.substr(0, word.find('=')), flags);
      else if (!std::exchange(after_flag, false))
        reject_word(word);
      after_flag = is_flag && word.find('=') == std::string::npos;
    }
  }

  void reject_word(const std::string& word) {
    const bool is_second = !app_.get_subcommands().empty();
    problems_.push_back("command line: unexpected argument " + in_quotes(word) +
                        (is_second ? " after the command " + app_.get_subcommands()[0]->get_name()
                                   : suggestion(word, {"run", "coordinator", "worker", "plan"})));
  }

  void reject_flag(const std::string& flag, const std::vector<std::string>& flags) {
    if (flag == "--format")
      problems_.push_back("command line: --format belongs to plan: write it after the word plan");
    else
      problems_.push_back("command line: unknown option " + flag + suggestion(flag, flags));
  }

  CLI::App app_;
  CLI::Option* help_ = nullptr;
  CLI::Option* version_ = nullptr;
  CLI::Option* plan_format_ = nullptr;
  std::vector<std::pair<std::string, CLI::Option*>> options_;
  std::vector<std::string> names_;
  std::vector<std::string> booleans_;
  std::vector<std::string> problems_;
};

std::string program_of(int argc, const char* const* argv, const job_description& job) {
  return argc > 0 ? std::filesystem::path(argv[0]).filename().string() : job.name;
}

std::string config_path(const parser& words, const char* const* environment) {
  for (const auto& [key, value] : words.values())
    if (key.empty())
      return value;
  constexpr std::string_view variable = "WEIR_CONFIG=";
  for (; environment != nullptr && *environment != nullptr; ++environment)
    if (std::string_view{*environment}.starts_with(variable))
      return std::string{std::string_view{*environment}.substr(variable.size())};
  return {};
}

void assign_all(const parser& words, settings_reader& reader) {
  for (const auto& [key, value] : words.values())
    if (!key.empty()) {
      const bool is_job_option = find_setting(key) == nullptr;
      reader.assign(key, value,
                    "command line, " + (is_job_option ? "--" + key.substr(4) : flag_name(key)));
    }
}

plan_format format_of(const parser& words, settings_reader& reader) {
  const std::string name = words.format().value_or("text");
  for (const auto& [known, format] : plan_formats)
    if (known == name)
      return format;
  reader.add_problem("command line, --format: expected text, json or dot, found " +
                     in_quotes(name));
  return plan_format::text;
}

command_line::verb verb_of(const parser& words) {
  if (words.has_verb("plan"))
    return command_line::verb::plan;
  if (words.has_verb("coordinator"))
    return command_line::verb::coordinator;
  return words.has_verb("worker") ? command_line::verb::worker : command_line::verb::run;
}

void check_addresses(command_line::verb what, settings_reader& reader) {
  const cluster_config& cluster = reader.config().cluster;
  if (what == command_line::verb::coordinator && cluster.listen.empty())
    reader.add_problem("command line: coordinator needs --listen HOST:PORT: where workers will find it");
  if (what == command_line::verb::worker && cluster.join.empty() && cluster.ha.empty())
    reader.add_problem("command line: worker needs --join HOST:PORT: where its coordinator listens, or --ha ETCD: who "
                       "knows where");
  if (what == command_line::verb::worker && !cluster.join.empty() && !cluster.ha.empty())
    reader.add_problem("command line: --join and --ha both say where a worker finds its coordinator: leave one out");
  if (what == command_line::verb::run && !cluster.ha.empty())
    reader.add_problem("command line: --ha belongs to coordinator and worker: write one of them as the first word, or "
                       "leave the option out");
  if (what == command_line::verb::run && !cluster.listen.empty())
    reader.add_problem("command line: --listen belongs to coordinator: write " + in_quotes("coordinator") +
                       " as the first word, or leave the option out");
  if (what != command_line::verb::run && what != command_line::verb::plan && cluster.workers != 0)
    reader.add_problem("command line: --workers belongs to run, which starts processes on this machine, and to plan");
}

command_line_answer refusal(const std::string& program, const std::vector<std::string>& problems) {
  std::string text = program + ": ";
  if (problems.size() > 1)
    text += std::to_string(problems.size()) + " problems:\n  ";
  for (std::size_t i = 0; i < problems.size(); ++i)
    text += (i == 0 ? "" : "\n  ") + problems[i];
  return {text + "\nSee " + program + " --help.\n", exit_usage};
}

} // namespace

std::string_view version_text() {
  return "0.1.0";
}

int show(const command_line_answer& answer) {
  std::FILE* const out = answer.exit_code == exit_success ? stdout : stderr;
  std::fwrite(answer.text.data(), 1, answer.text.size(), out);
  std::fflush(out);
  return answer.exit_code;
}

std::variant<command_line, command_line_answer>
read_command_line(const job_description& job, const job_config& code, const option_table& options,
                  int argc, const char* const* argv, const char* const* environment) {
  const std::string program = program_of(argc, argv, job);
  if (const std::vector<std::string> problems = options.problems(); !problems.empty())
    return refusal(program, problems);
  parser words(options);
  words.parse(argc, argv);
  if (words.wants_help())
    return command_line_answer{help_text(job, program, code, options)};
  if (words.wants_version())
    return command_line_answer{"weir " + std::string{version_text()} + "\n"};

  settings_reader reader(code, options);
  for (const std::string& problem : words.problems())
    reader.add_problem(problem);
  if (words.has_verb("settings")) {
    if (!reader.problems().empty())
      return refusal(program, reader.problems());
    return command_line_answer{settings_markdown()};
  }
  if (const std::string path = config_path(words, environment); !path.empty())
    reader.read_file(path);
  reader.read_environment(environment);
  assign_all(words, reader);
  const command_line::verb what = verb_of(words);
  const plan_format format = format_of(words, reader);
  // A worker gets the job's options from its coordinator.
  reader.check(what == command_line::verb::run || what == command_line::verb::coordinator);
  check_addresses(what, reader);
  if (!reader.problems().empty())
    return refusal(program, reader.problems());
  return command_line{what, format, reader.config()};
}

} // namespace weir
