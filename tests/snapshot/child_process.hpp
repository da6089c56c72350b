#pragma once

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace weir::testing {

/// This test program, started again to run one of its test cases, and killed in the end.
///
/// The case is marked doctest::skip(), finds its directory in WEIR_TEST_DIRECTORY, and reports to
/// its parent a line at a time.
class child_process {
 public:
  child_process(const std::string& test_case, const std::filesystem::path& directory) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    reports_ = ends[0];
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], report_descriptor);
    std::string name = "--test-case=" + test_case;
    std::string place = "WEIR_TEST_DIRECTORY=" + directory.string();
    std::string program = "/proc/self/exe";
    std::string flag = "--no-skip";
    std::string quiet = "--minimal";
    char* arguments[] = {program.data(), name.data(), flag.data(), quiet.data(), nullptr};
    std::vector<char*> variables{place.data()};
    for (char** variable = environ; *variable; ++variable)
      variables.push_back(*variable);
    variables.push_back(nullptr);
    REQUIRE(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, variables.data()) ==
            0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
  }
  ~child_process() {
    kill();
    ::close(reports_);
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  pid_t pid() const { return pid_; }

  /// The next line that the child reported; empty when it has ended.
  std::string next_report() {
    std::string line;
    char c = 0;
    for (;;) {
      const ssize_t count = ::read(reports_, &c, 1);
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0 || c == '\n')
        return line;
      line.push_back(c);
    }
  }

  /// Ends the child at once and waits until it is gone. Returns the signal that ended it, or 0.
  int kill() {
    if (pid_ <= 0)
      return 0;
    int state = 0;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, &state, 0) < 0 && errno == EINTR)
      ;
    pid_ = -1;
    return WIFSIGNALED(state) ? WTERMSIG(state) : 0;
  }

  /// In the child: tells the parent.
  static void report(const std::string& text) {
    const std::string line = text + "\n";
    [[maybe_unused]] const ssize_t written = ::write(report_descriptor, line.data(), line.size());
  }

 private:
  static constexpr int report_descriptor = 100;

  pid_t pid_ = -1;
  int reports_ = -1;
};

} // namespace weir::testing
