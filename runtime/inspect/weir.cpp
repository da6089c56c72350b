// The program `weir`: looks into the checkpoint directory of a job, from outside and without its code.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <weir/base/log.hpp>
#include <weir/base/units.hpp>
#include <weir/runtime/command_line.hpp>
#include <weir/runtime/settings.hpp>

#include "opened_checkpoint.hpp"

namespace {

using namespace weir;

// Besides those of a job.
constexpr int exit_unreached = 3;

std::string words_of(const verb& one) {
  return *one.name ? std::string(one.group) + " " + one.name : one.group;
}

std::string usage_of(const verb& one) {
  const std::string text = "weir " + words_of(one) + " " + one.arguments;
  return *one.options ? text + " " + one.options : text;
}

std::string help_of_all() {
  std::string text = "weir: looks into the checkpoint directory of a job, and tells a running job what to do.\n\n"
                     "Usage: weir COMMAND ARGUMENT...\n\n"
                     "Commands:\n";
  for (const verb& one : verbs()) {
    std::string term = "  " + words_of(one) + " " + one.arguments;
    term.resize(std::max<std::size_t>(46, term.size() + 2), ' ');
    text += term + one.summary + "\n";
  }
  text += "\n"
          "DIR is what the job's checkpoint.dir says. JOB is that, too, or, with --coordinator, the job's name.\n"
          "OPERATOR is the operator's uid; N and M are numbers of checkpoints. `weir COMMAND --help` says more\n"
          "of each.\n"
          "\n"
          "Options:\n"
          "  --at N           reads checkpoint N instead of the newest\n"
          "  --coordinator HOST:PORT\n"
          "                   asks the coordinator that listens there; WEIR_COORDINATOR says so, too: then\n"
          "                   a JOB that is no directory is a name\n"
          "  --tls-ca, --tls-cert, --tls-key FILE\n"
          "                   what the coordinator's settings of these names say, where it has keys\n"
          "  --json           prints JSON for programs instead of text for people\n"
          "  -h, --help       prints this\n"
          "  --version        prints Weir's version\n"
          "  --               takes all that follows as arguments\n"
          "\n"
          "Looking does not disturb a job: nothing is locked that it would wait for. rm and import are refused\n"
          "while a job owns the directory. What tells a job something reaches one of the same user on this\n"
          "machine by a socket in its directory, and any by its coordinator's port.\n"
          "\n"
          "Exit codes: 0 success, 1 something is damaged or failed, or the job has refused, 2 a mistake in the\n"
          "command line, 3 no job could be reached.\n";
  return text;
}

std::string help_of(const verb& one) {
  std::string text = "Usage: " + usage_of(one) + "\n\n" + one.help;
  if (std::string_view(one.group) == "state" && std::string_view(one.name) != "ls")
    text += std::string("\n") + help_of_entries();
  if (std::strstr(one.options, "--at"))
    text += "\nWithout --at N the newest complete checkpoint is read.\n";
  return text;
}

int refuse(const std::string& problem, const std::string& help) {
  std::fprintf(stderr, "weir: %s\nSee %s --help.\n", problem.c_str(), help.c_str());
  return exit_usage;
}

/// The verb that the first one or two words name, or what is wrong with them.
std::variant<const verb*, std::string> find_verb(const std::vector<std::string>& words) {
  std::vector<std::string> groups, names;
  const verb* alone = nullptr;
  for (const verb& one : verbs()) {
    if (std::ranges::find(groups, one.group) == groups.end())
      groups.emplace_back(one.group);
    if (one.group != words[0])
      continue;
    if (!*one.name) {
      alone = &one;
      continue;
    }
    names.emplace_back(one.name);
    if (words.size() > 1 && one.name == words[1])
      return &one;
  }
  if (alone)
    return alone;
  if (names.empty())
    return "there is no command " + in_quotes(words[0]) + suggestion_of(words[0], groups);
  if (words.size() < 2)
    return words[0] + ": expected one more word" + suggestion_of("", names);
  return "there is no command " + in_quotes(words[0] + " " + words[1]) + suggestion_of(words[1], names);
}

/// How many words the help names, and how many of them are needed.
std::pair<std::size_t, std::size_t> count_arguments(std::string_view arguments) {
  const auto all = static_cast<std::size_t>(std::ranges::count(arguments, ' ')) + 1;
  const auto optional = static_cast<std::size_t>(std::ranges::count(arguments, '['));
  return {all - optional, all};
}

// Of the settings of jobs, those that say how coordinators are reached.
constexpr std::string_view settings_of_clusters[] = {"cluster.tls-ca", "cluster.tls-cert", "cluster.tls-key"};

/// Sets what a setting says, by its flag without the two hyphens. Nothing: it is none of these.
std::optional<status> assign_setting(std::string_view flag, const std::string& value, cluster_config& into) {
  for (const std::string_view key : settings_of_clusters)
    if (const setting* const row = find_setting(key); row->short_name == flag) {
      job_config config;
      config.cluster = into;
      status assigned = row->assign(config, value);
      into = config.cluster;
      return assigned;
    }
  return std::nullopt;
}

/// How coordinators are reached, unless the command line says otherwise.
result<cluster_config> cluster_of_environment() {
  cluster_config made;
  made.timeout = std::chrono::seconds{5};
  if (const char* const address = std::getenv("WEIR_COORDINATOR"))
    made.join = address;
  for (const std::string_view key : settings_of_clusters)
    if (const char* const value = std::getenv(environment_name(key).c_str()))
      if (const auto assigned = assign_setting(find_setting(key)->short_name, value, made); assigned && !*assigned)
        return in_context(environment_name(key), assigned->failure());
  return made;
}

/// Fills in the words of a verb. Returns what is wrong with them.
std::string read_words(const verb& what, const std::vector<std::string>& words, const std::vector<std::string>& options,
                       verb_words& into) {
  into.arguments.assign(words.begin() + (*what.name ? 2 : 1), words.end());
  const auto [least, most] = count_arguments(what.arguments);
  if (into.arguments.size() < least || into.arguments.size() > most)
    return "expected " + std::string(what.arguments) + ", found " + std::to_string(into.arguments.size()) +
           (into.arguments.size() == 1 ? " argument" : " arguments");
  for (const std::string& option : options) {
    const std::string name = option.substr(0, option.find('='));
    const std::string value = option.size() == name.size() ? "" : option.substr(name.size() + 1);
    const auto has = [&](const char* known) { return name == known && std::strstr(what.options, known); };
    if (has("--json") && value.empty()) {
      into.as_json = true;
    } else if (has("--drain") && value.empty()) {
      into.drain = true;
    } else if (has("--savepoint")) {
      if (value.empty())
        return "--savepoint: expected a file or directory to write it to";
      into.savepoint = value;
    } else if (has("--format")) {
      if (value != "json" && value != "csv")
        return "--format: expected json or csv, found " + in_quotes(value);
      into.format = value;
    } else if (has("--coordinator")) {
      into.cluster.join = value;
      into.is_by_name = true;
    } else if (name == "--parallelism" && std::strstr(what.options, "-p N")) {
      const auto count = parse_count(value, 1, std::numeric_limits<std::uint32_t>::max());
      if (!count)
        return "-p: " + count.failure().message;
      into.parallelism = static_cast<std::uint32_t>(*count);
    } else if (has("--at")) {
      const auto id = parse_checkpoint_id(value);
      if (!id)
        return "--at: " + id.failure().message;
      into.at = *id;
    } else if (const auto assigned = std::strstr(what.options, "--coordinator") && name.size() > 2
                                         ? assign_setting(std::string_view(name).substr(2), value, into.cluster)
                                         : std::nullopt) {
      if (!*assigned)
        return name + ": " + assigned->failure().message;
    } else {
      return "unknown option " + name + ": expected " + (*what.options ? what.options : "none");
    }
  }
  if (std::strstr(what.options, "-p N") && into.parallelism == 0)
    return "expected -p N, the parallelism that the job is to have";
  return {};
}

/// "--parallelism" for -p, where a command has that: elsewhere a key may begin with a minus sign.
std::string long_name_of(const std::string& word, const std::vector<std::string>& words_before) {
  const bool is_known = !words_before.empty() && std::ranges::any_of(verbs(), [&](const verb& one) {
    return one.group == words_before[0] && std::strstr(one.options, "-p N");
  });
  return is_known && (word == "-p" || word.starts_with("-p=")) ? "--parallelism" + word.substr(2) : word;
}

bool takes_value(const std::string& option) {
  return std::ranges::any_of(settings_of_clusters,
                             [&](std::string_view key) { return option.substr(2) == find_setting(key)->short_name; }) ||
         option == "--at" || option == "--format" || option == "--savepoint" || option == "--coordinator" ||
         option == "--parallelism";
}

int run(const verb& what, const verb_words& words) {
  output out;
  const auto done = what.run(words, out);
  out.flush();
  if (!done) {
    std::fprintf(stderr, "weir: %s\n", done.failure().message.c_str());
    return done.failure().code == errc::invalid_setting ? exit_usage : exit_job_failed;
  }
  if (out.failure() != 0) {
    std::fprintf(stderr, "weir: cannot write to standard output: %s\n", errno_text(out.failure()).c_str());
    return exit_job_failed;
  }
  switch (*done) {
  case outcome::good: return exit_success;
  case outcome::bad: return exit_job_failed;
  case outcome::unreached: break;
  }
  return exit_unreached;
}

} // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  configure_log(log_level::warning, log_format::text);
  std::vector<std::string> words, options;
  bool wants_help = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = long_name_of(argv[i], words);
    if (word == "--") {
      words.insert(words.end(), argv + i + 1, argv + argc);
      break;
    }
    if (word == "-h" || word == "--help")
      wants_help = true;
    else if (word == "--version")
      return show({"weir " + std::string(version_text()) + "\n"});
    else if (!word.starts_with("--")) // a key may begin with a minus sign
      words.push_back(word);
    else if (takes_value(word) && i + 1 < argc)
      options.push_back(word + "=" + argv[++i]);
    else
      options.push_back(word);
  }
  if (words.empty())
    return wants_help ? show({help_of_all()}) : refuse("expected a command", "weir");
  const auto found = find_verb(words);
  if (const auto* problem = std::get_if<std::string>(&found))
    return wants_help ? show({help_of_all()}) : refuse(*problem, "weir");
  const verb& what = *std::get<const verb*>(found);
  if (wants_help)
    return show({help_of(what)});
  verb_words given;
  auto cluster = cluster_of_environment();
  if (!cluster)
    return refuse(cluster.failure().message, "weir");
  given.cluster = std::move(*cluster);
  if (const std::string problem = read_words(what, words, options, given); !problem.empty())
    return refuse(problem, "weir " + words_of(what));
  return run(what, given);
}
