#include <weir/base/log.hpp>

#include <unistd.h>

#include <cstdio>
#include <limits>
#include <regex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace weir;

namespace {

// What `write` logs, as it arrives on file descriptor 2.
template <class Write>
std::string logged(Write write) {
  std::fflush(stderr);
  std::FILE* file = std::tmpfile();
  const int original = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  write();
  std::fflush(stderr);
  ::dup2(original, STDERR_FILENO);
  ::close(original);
  std::string text;
  std::fseek(file, 0, SEEK_END);
  text.resize(static_cast<std::size_t>(std::ftell(file)));
  std::rewind(file);
  const std::size_t count = std::fread(text.data(), 1, text.size(), file);
  text.resize(count);
  std::fclose(file);
  return text;
}

struct log_settings {
  log_settings(log_level lowest, log_format format) { configure_log(lowest, format); }
  ~log_settings() { configure_log(log_level::info, log_format::text); }
};

// The line without its time, which must have the form that is expected.
std::string without_time(const std::string& line, const std::string& before = "",
                         const std::string& after = " ") {
  const std::regex shape(before + R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)" + after);
  std::smatch match;
  REQUIRE(std::regex_search(line, match, shape));
  REQUIRE(match.position() == 0);
  return match.suffix();
}

} // namespace

TEST_CASE("a log line is the time, the level, the message and its fields") {
  const std::string line = logged([] {
    log_info("checkpoint complete", {{"checkpoint", 7}, {"task", "count/1"}});
  });
  CHECK(without_time(line) == "info  checkpoint complete  checkpoint=7 task=count/1\n");
  CHECK(without_time(logged([] { log_warning("no fields"); })) == "warning  no fields\n");
}

TEST_CASE("values that would be misread are quoted") {
  const std::string line = logged([] {
    log_error("failed", {{"file", "my file"}, {"none", ""}, {"said", "a \"b\"\nc"}, {"ok", true}});
  });
  CHECK(without_time(line) ==
        "error  failed  file=\"my file\" none=\"\" said=\"a \\\"b\\\"\\nc\" ok=true\n");
}

TEST_CASE("a message never makes more than one line") {
  const std::string line = logged([] { log_info("first\nsecond\x1b[31m"); });
  CHECK(without_time(line) == "info  first\\nsecond\\x1b[31m\n");
}

TEST_CASE("lines below the lowest level are not written") {
  CHECK(logged([] { log_debug("quiet"); }).empty());
  {
    const log_settings all(log_level::debug, log_format::text);
    CHECK(without_time(logged([] { log_debug("loud"); })) == "debug  loud\n");
  }
  const log_settings none(log_level::off, log_format::text);
  CHECK(logged([] { log_error("nobody reads this"); }).empty());
}

TEST_CASE("a JSON line is one object with typed values") {
  const log_settings json(log_level::info, log_format::json);
  const std::string line = logged([] {
    log_info("done", {{"records", 12u}, {"late", false}, {"task", "count"}, {"share", 0.5}});
  });
  CHECK(without_time(line, R"(\{"time":")", R"(",)") ==
        R"("level":"info","message":"done","records":12,"late":false,"task":"count","share":0.5})"
        "\n");
}

TEST_CASE("JSON stays valid whatever is logged") {
  const log_settings json(log_level::info, log_format::json);
  const std::string line = logged([] {
    log_info("a \"quoted\"\nline \xff", {{"message", "mine"},
                                         {"number", std::numeric_limits<double>::infinity()},
                                         {"digits", "12"}});
  });
  CHECK(without_time(line, R"(\{"time":")", R"(",)") ==
        R"("level":"info","message":"a \"quoted\"\nline )"
        "\xEF\xBF\xBD"
        R"(","message_":"mine","number":"inf","digits":"12"})"
        "\n");
}

TEST_CASE("lines of several threads do not mix") {
  const std::string text = logged([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i)
          log_info("line", {{"thread", t}, {"text", std::string(50, 'x')}});
      });
    for (std::thread& thread : threads)
      thread.join();
  });
  const std::regex shape(R"(\S+Z info  line  thread=\d text=x{50})");
  std::size_t lines = 0;
  for (std::size_t begin = 0; begin < text.size(); ++lines) {
    const std::size_t end = text.find('\n', begin);
    REQUIRE(end != std::string::npos);
    REQUIRE(std::regex_match(text.substr(begin, end - begin), shape));
    begin = end + 1;
  }
  CHECK(lines == 800);
}
