#include <weir/runtime/command_line.hpp>

#include <algorithm>

#include <weir/runtime/settings_reader.hpp>

namespace weir {

namespace {

constexpr std::size_t line_width = 100;
constexpr std::size_t text_column = 38;

class help_page {
 public:
  void add_heading(std::string_view heading) { out_.append("\n").append(heading).append(":\n"); }

  void add_line(std::string_view line) { out_.append(line).append("\n"); }

  // The term on the left, the texts wrapped on the right, each on a line of its own.
  void add_entry(const std::string& term, std::initializer_list<std::string_view> texts) {
    std::string line = "  " + term;
    if (line.size() + 2 > text_column) {
      add_line(line);
      line.clear();
    }
    line.resize(text_column, ' ');
    for (const std::string_view text : texts)
      add_wrapped(line, text);
    if (line.find_first_not_of(' ') != std::string::npos)
      add_line(line);
  }

  std::string take() && { return std::move(out_); }

 private:
  void add_wrapped(std::string& line, std::string_view text) {
    while (!text.empty()) {
      const std::size_t room = line_width - text_column;
      std::size_t size = text.size();
      if (size > room) {
        size = text.rfind(' ', room);
        if (size == std::string_view::npos)
          size = std::min(text.find(' '), text.size());
      }
      add_line(line.append(text.substr(0, size)));
      line.assign(text_column, ' ');
      text.remove_prefix(size);
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    }
  }

  std::string out_;
};

std::string term_of(const std::string& flag, bool is_boolean, std::string_view word) {
  return is_boolean ? "--[no-]" + flag.substr(2) : flag + " " + std::string{word};
}

void add_option(help_page& page, const job_option& entry) {
  std::string detail = "[";
  if (entry.is_required)
    detail += "required; ";
  else if (!entry.default_text.empty())
    detail += "default " + entry.default_text + "; ";
  detail += environment_name(job_option_key(entry.name)) + "]";
  page.add_entry(term_of("--" + entry.name, entry.is_boolean, entry.word),
                 {entry.description, detail});
}

void add_setting(help_page& page, const setting& row, const job_config& code, const option_table& options) {
  const std::string value = row.show(code);
  const std::string allowed = row.is_boolean ? std::string{} : row.allowed + "; ";
  const std::string detail = "[" + allowed + "default " + (value.empty() ? "none" : value) + "; " +
                             environment_name(row.key) + "]";
  const bool has_short = !row.short_name.empty() && options.find(row.short_name) == nullptr;
  const std::string flag = flag_name(row.key) + (has_short ? ", --" + std::string{row.short_name} : "");
  page.add_entry(term_of(flag, row.is_boolean, row.word), {row.meaning, detail});
}

} // namespace

std::string help_text(const job_description& job, std::string_view program, const job_config& code,
                      const option_table& options) {
  const std::string name{program};
  help_page page;
  page.add_line(job.name + (job.summary.empty() ? "" : ": " + job.summary));
  page.add_line("");
  page.add_line("Usage: " + name + " [run] [OPTION...]");
  page.add_line("       " + name + " coordinator --listen HOST:PORT [OPTION...]");
  page.add_line("       " + name + " worker --join HOST:PORT|--ha ETCD [--slots N] [OPTION...]");
  page.add_line("       " + name + " plan [--format text|json|dot] [OPTION...]");
  page.add_heading("Commands");
  page.add_entry("run", {"Runs the job in this process, or in several of this machine (--workers). The default."});
  page.add_entry("coordinator", {"Runs the job on the workers that join it, and stores its checkpoints."});
  page.add_entry("worker", {"Runs tasks for a coordinator, with its settings and options, until the job has ended."});
  page.add_entry("plan", {"Prints the topology, the tasks and the channels, and runs nothing. With --workers it says where "
                          "each task would run."});
  if (!options.options().empty()) {
    page.add_heading("Options of this job");
    for (const job_option& entry : options.options())
      add_option(page, entry);
  }
  page.add_heading("Options of every job");
  page.add_entry("--config FILE", {"A TOML file with settings, and the job's options under [job].",
                                   "[default none; WEIR_CONFIG]"});
  page.add_entry("--format FORMAT", {"How plan prints: text, json, or dot for Graphviz.",
                                     "[text, json or dot; default text]"});
  page.add_entry("-h, --help", {"Prints this."});
  page.add_entry("--version", {"Prints Weir's version."});
  std::string_view group;
  for (const setting& row : settings()) {
    if (row.group != group)
      page.add_heading(row.group);
    group = row.group;
    add_setting(page, row, code, options);
  }
  page.add_line("");
  page.add_line(
      "The command line goes before the environment, the environment before the file, and "
      "the file");
  page.add_line("before the defaults. In the file a setting is written with dots or as a table: "
                "--checkpoint-dir");
  page.add_line("is checkpoint.dir, or dir under [checkpoint].");
  page.add_line("");
  page.add_line("Exit codes: 0 success, 1 the job failed, 2 a mistake in the command line or the "
                "settings.");
  return std::move(page).take();
}

} // namespace weir
