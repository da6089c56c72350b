#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include <support/temporary_directory.hpp>

namespace weir::testing {

/// What the program `weir` said and how it ended.
struct weir_run {
  int code = -1;
  std::string out;
  std::string problem;

  nlohmann::json json() const { return nlohmann::json::parse(out); }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream text(out);
    for (std::string line; std::getline(text, line);)
      all.push_back(line);
    return all;
  }
  bool says(const std::string& text) const { return problem.find(text) != std::string::npos; }
};

inline std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string shell_word(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text)
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Runs the real program. `after`: what a shell does with its output, such as "| head -1".
inline weir_run run_weir(const std::vector<std::string>& words, const std::string& after = {}) {
  const temporary_directory place;
  std::string command = "set -o pipefail; " + shell_word(WEIR_PROGRAM);
  for (const std::string& word : words)
    command += " " + shell_word(word);
  command += " 2> " + shell_word((place / "err").string()) + " " + after + " > " + shell_word((place / "out").string());
  const int state = std::system(("bash -c " + shell_word(command)).c_str());
  return {WIFEXITED(state) ? WEXITSTATUS(state) : -1, text_of_file(place / "out"), text_of_file(place / "err")};
}

/// The same, where it must succeed.
inline weir_run expect_weir(const std::vector<std::string>& words, const std::string& after = {}) {
  weir_run run = run_weir(words, after);
  if (run.code != 0)
    FAIL(run.problem << run.out);
  return run;
}

} // namespace weir::testing
