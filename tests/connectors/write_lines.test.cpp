#include <weir/connectors/write_lines.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include <sys/mount.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weir/actors/operators/sink.hpp>

#include "connectors/temporary_directory.hpp"

using namespace weir;
using weir::testing::content_of;
using weir::testing::temporary_directory;
using lines = std::vector<std::string>;

namespace {

namespace fs = std::filesystem;

operator_context context_of(const std::string& run, std::uint32_t instance = 0,
                            std::uint32_t parallelism = 1, const std::string& uid = "result") {
  operator_context context;
  context.job = "the job";
  context.name = context.uid = uid;
  context.run = run;
  context.instance = instance;
  context.parallelism = parallelism;
  return context;
}

lines names_in(const fs::path& directory, std::string_view prefix) {
  lines names;
  if (fs::exists(directory))
    for (const auto& entry : fs::directory_iterator(directory))
      if (const std::string name = entry.path().filename(); name.starts_with(prefix))
        names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

lines parts_in(const fs::path& directory) {
  return names_in(directory, "part-");
}
lines pending_in(const fs::path& directory) {
  return names_in(directory, ".");
}

std::string committed_text(const fs::path& directory) {
  std::string text;
  for (const std::string& name : parts_in(directory))
    text += content_of(directory / name);
  return text;
}

write_lines<> opened(const std::string& directory, const operator_context& context) {
  write_lines sink{directory};
  sink.open(context);
  return sink;
}

part_file prepared(write_lines<>& sink, const lines& records) {
  part_file part = sink.begin();
  for (const std::string& record : records)
    sink.write(part, record);
  sink.pre_commit(part);
  return part;
}

struct count_of {
  std::string word;
  int count = 0;
};

} // namespace

TEST_CASE("a sink of lines is a two-phase sink for what has a text or a format") {
  const auto append = [](const count_of& c, std::string& line) { line += c.word; };
  const auto make = [](const count_of& c) { return c.word; };
  const option<std::string> directory("out");
  static_assert(two_phase_sink<decltype(write_lines{"out"}), std::string>);
  static_assert(two_phase_sink<decltype(write_lines{directory}), int>);
  static_assert(!two_phase_sink<decltype(write_lines{"out"}), count_of>);
  static_assert(two_phase_sink<decltype(write_lines{"out", append}), count_of>);
  static_assert(two_phase_sink<decltype(write_lines{directory, make}), count_of>);
}

TEST_CASE("a part is hidden until it is committed") {
  const temporary_directory directory;
  auto sink = opened(directory.at("out"), context_of("r1"));
  CHECK(pending_in(directory.at("out")).empty());
  part_file part = sink.begin();
  sink.write(part, std::string("one"));
  sink.write(part, std::string("two"));
  sink.pre_commit(part);
  CHECK(parts_in(directory.at("out")).empty());
  REQUIRE(pending_in(directory.at("out")) == lines{part.pending});
  CHECK(content_of(directory.at("out/" + part.pending)) == "one\ntwo\n");
  sink.commit(part);
  CHECK(parts_in(directory.at("out")) == lines{part.final});
  CHECK(pending_in(directory.at("out")).empty());
  CHECK(committed_text(directory.at("out")) == "one\ntwo\n");
}

TEST_CASE("a format makes the lines") {
  const temporary_directory directory;
  const auto format = [](const count_of& c, std::string& line) {
    line = c.word + '\t' + std::to_string(c.count);
  };
  write_lines sink{directory.at("out"), format};
  sink.open(context_of("r1"));
  part_file part = sink.begin();
  sink.write(part, count_of{"to", 2});
  sink.write(part, count_of{"be", 3});
  sink.pre_commit(part);
  sink.commit(part);
  CHECK(committed_text(directory.at("out")) == "to\t2\nbe\t3\n");
}

TEST_CASE("a part larger than the buffer is written whole") {
  const temporary_directory directory;
  auto sink = opened(directory.at("out"), context_of("r1"));
  std::string expected;
  part_file part = sink.begin();
  for (int i = 0; i < 100'000; ++i) {
    const std::string line = i == 50'000 ? std::string(1'000'000, 'x') : std::to_string(i);
    sink.write(part, line);
    expected += line + '\n';
  }
  sink.pre_commit(part);
  sink.commit(part);
  CHECK(committed_text(directory.at("out")) == expected);
}

TEST_CASE("a commit can be repeated, by any instance of any run") {
  const temporary_directory directory;
  auto first = opened(directory.at("out"), context_of("r1"));
  const part_file part = prepared(first, {"one"});
  first.commit(part);
  first.commit(part);
  auto second = opened(directory.at("out"), context_of("r2", 2, 3));
  second.commit(part);
  CHECK(committed_text(directory.at("out")) == "one\n");
}

TEST_CASE("a commit goes on when a reader has taken the file away") {
  const temporary_directory directory;
  auto sink = opened(directory.at("out"), context_of("r1"));
  const part_file part = prepared(sink, {"one"});
  sink.commit(part);
  fs::remove(directory.at("out/" + part.final));
  sink.commit(part);
  CHECK(parts_in(directory.at("out")).empty());
}

TEST_CASE("a commit never replaces a file") {
  const temporary_directory directory;
  auto sink = opened(directory.at("out"), context_of("r1"));
  const part_file part = prepared(sink, {"one"});
  directory.write("out/" + part.final, "other");
  CHECK_THROWS_WITH(sink.commit(part), doctest::Contains("already"));
  CHECK(content_of(directory.at("out/" + part.final)) == "other");
  CHECK(pending_in(directory.at("out")) == lines{part.pending});
}

TEST_CASE("an aborted part is gone") {
  const temporary_directory directory;
  auto sink = opened(directory.at("out"), context_of("r1"));
  part_file part = sink.begin();
  sink.write(part, std::string("one"));
  sink.abort(part);
  sink.abort(part);
  sink.abort(prepared(sink, {"two"}));
  CHECK(pending_in(directory.at("out")).empty());
  const part_file next = prepared(sink, {"three"});
  CHECK(next.pending != part.pending);
  CHECK(content_of(directory.at("out/" + next.pending)) == "three\n");
}

TEST_CASE("a new run removes what earlier runs of its operator left behind, and only that") {
  const temporary_directory directory;
  const std::string out = directory.at("out");
  auto old = opened(out, context_of("r1"));
  const part_file kept = prepared(old, {"kept"});
  prepared(old, {"lost"});
  auto old_neighbour = opened(out, context_of("r1", 1, 2));
  prepared(old_neighbour, {"lost, too"});
  auto other_operator = opened(out, context_of("r1", 0, 1, "result-2"));
  const part_file others = prepared(other_operator, {"other"});
  auto prefix_of_other = opened(out, context_of("r1", 0, 1, "resul"));
  const part_file prefix = prepared(prefix_of_other, {"prefix"});
  auto now = opened(out, context_of("r2"));
  auto neighbour = opened(out, context_of("r2", 1, 2));
  const part_file mine = prepared(now, {"mine"});
  const part_file beside = prepared(neighbour, {"beside"});
  directory.write("out/.hidden", "");
  now.abort_others({kept});
  lines expected{kept.pending, others.pending, prefix.pending,
                 mine.pending, beside.pending, ".hidden"};
  std::sort(expected.begin(), expected.end());
  CHECK(pending_in(out) == expected);
}

TEST_CASE("a run that comes too late removes nothing of a later attempt") {
  const temporary_directory directory;
  const std::string out = directory.at("out");
  const auto run = [](const char* attempt, const char* random) {
    return std::string("00000000000000") + attempt + std::string(14, '0') + random;
  };
  auto earlier = opened(out, context_of(run("09", "ff")));
  prepared(earlier, {"earlier"});
  auto of_the_same = opened(out, context_of(run("10", "11")));
  prepared(of_the_same, {"of another deployment of the same attempt"});
  auto later = opened(out, context_of(run("11", "00")));
  const part_file kept = prepared(later, {"later"});
  auto late = opened(out, context_of(run("10", "22")));
  const part_file mine = prepared(late, {"mine"});
  late.abort_others({});
  CHECK(pending_in(out) == lines{mine.pending, kept.pending});
}

TEST_CASE("names of jobs and operators cannot leave the directory or meet another's") {
  const temporary_directory directory;
  const std::string out = directory.at("out");
  operator_context odd = context_of("r1", 0, 1, "../a/b c-\n");
  odd.job = std::string(300, '/') + "\xc3\xa4";
  auto sink = opened(out, odd);
  const part_file part = prepared(sink, {"one"});
  CHECK(part.pending.size() < 250);
  sink.commit(part);
  CHECK(parts_in(out) == lines{part.final});
  operator_context similar = odd;
  similar.job.back() = '\xa5';
  auto other = opened(out, similar);
  prepared(other, {"two"});
  sink.abort_others({});
  CHECK(pending_in(out).size() == 1);
}

TEST_CASE("final names sort in the order of their beginning and never meet") {
  const temporary_directory directory;
  const std::string out = directory.at("out");
  std::set<std::string> names;
  lines in_order;
  for (int run = 0; run < 5; ++run) {
    auto sink = opened(out, context_of("run" + std::to_string(run)));
    for (int i = 0; i < 20; ++i) {
      const part_file part = prepared(sink, {"line"});
      sink.commit(part);
      names.insert(part.final);
      in_order.push_back(part.final);
    }
  }
  CHECK(names.size() == 100);
  CHECK(parts_in(out) == lines(names.begin(), names.end()));
  CHECK(std::is_sorted(in_order.begin(), in_order.end()));
}

TEST_CASE("the check makes the directory") {
  const temporary_directory directory;
  const write_lines sink{directory.at("a/b/out/")};
  REQUIRE(sink.check(context_of(""), true));
  CHECK(fs::is_directory(directory.at("a/b/out")));
  CHECK(fs::is_empty(directory.at("a/b/out")));
  CHECK(sink.check(context_of(""), true));
}

TEST_CASE("the check refuses what cannot be a directory, and one that cannot be written") {
  const temporary_directory directory;
  directory.write("file", "");
  for (const std::string& path : {directory.at("file"), directory.at("file/out"),
                                  std::string("/proc/weir"), std::string()}) {
    const status checked = write_lines{path}.check(context_of(""), true);
    REQUIRE(!checked);
    CHECK(checked.failure().message.find(path) != std::string::npos);
    CHECK_THROWS(opened(path, context_of("r1")));
  }
  const status read_only = write_lines{"/proc"}.check(context_of(""), true);
  REQUIRE(!read_only);
  CHECK(read_only.failure().code == errc::io);
}

TEST_CASE("a fresh job refuses a directory with output of its own, not with that of others") {
  const temporary_directory directory;
  const std::string out = directory.at("out");
  auto sink = opened(out, context_of("r1"));
  const part_file part = prepared(sink, {"one"});
  CHECK(write_lines{out}.check(context_of(""), true));
  sink.commit(part);
  const status refused = write_lines{out}.check(context_of(""), true);
  REQUIRE(!refused);
  CHECK(refused.failure().code == errc::invalid_setting);
  for (const std::string& words : {out, part.final, std::string("holds 1 file "),
                                   std::string("Choose another"), std::string("checkpoint")})
    CHECK(refused.failure().message.find(words) != std::string::npos);
  CHECK(write_lines{out}.check(context_of(""), false));
  CHECK(write_lines{out}.check(context_of("", 0, 1, "another"), true));
}

TEST_CASE("a full disk is an error with its cause, and nothing is shown") {
  const temporary_directory directory;
  if (::geteuid() != 0 ||
      ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=1m") != 0)
    return;
  {
    auto sink = opened(directory.at("out"), context_of("r1"));
    const std::string line(1'000, 'x');
    part_file part = sink.begin();
    const auto fill = [&] {
      for (int i = 0; i < 3'000; ++i)
        sink.write(part, line);
    };
    CHECK_THROWS_WITH(fill(), doctest::Contains("No space left on device"));
    sink.abort(part);
    CHECK(pending_in(directory.at("out")).empty());
    const part_file small = prepared(sink, {"fits"});
    sink.commit(small);
    CHECK(committed_text(directory.at("out")) == "fits\n");
  }
  ::umount2(directory.path().c_str(), MNT_DETACH);
}

TEST_CASE("crashes at any point leave each line exactly once") {
  std::mt19937_64 random(5);
  for (int round = 0; round < 30; ++round) {
    const temporary_directory directory;
    const std::string out = directory.at("out");
    std::vector<part_file> kept; // of the last complete checkpoint
    int next = 0;                // the line after it
    for (int run = 0; next < 40; ++run) {
      const auto parallelism = static_cast<std::uint32_t>(1 + random() % 3);
      std::vector<write_lines<>> sinks;
      for (std::uint32_t i = 0; i < parallelism; ++i)
        sinks.push_back(opened(out, context_of("run" + std::to_string(run), i, parallelism)));
      for (std::size_t i = 0; i < kept.size(); ++i)
        sinks[i % parallelism].commit(kept[i]);
      sinks[0].abort_others(kept);
      int at = next;
      for (auto checkpoints = random() % 4; checkpoints != 0; --checkpoints) {
        std::vector<part_file> open(parallelism);
        for (std::size_t i = 0; i < parallelism; ++i) {
          open[i] = sinks[i].begin();
          for (auto n = 1 + random() % 3; n != 0; --n)
            sinks[i].write(open[i], std::to_string(at++));
        }
        if (random() % 4 == 0)
          break; // killed before the barrier
        for (std::size_t i = 0; i < parallelism; ++i)
          sinks[i].pre_commit(open[i]);
        if (random() % 4 == 0)
          break; // killed before the checkpoint was complete
        kept = open;
        next = at;
        const auto committed = random() % (parallelism + 1);
        for (std::size_t i = 0; i < committed; ++i)
          sinks[i].commit(open[i]);
        if (committed != parallelism)
          break; // killed while committing
      }
    }
    auto last = opened(out, context_of("last"));
    for (const part_file& part : kept)
      last.commit(part);
    last.abort_others(kept);
    CHECK(pending_in(out).empty());
    std::map<std::string, int> found;
    std::string line;
    for (const char c : committed_text(out)) {
      if (c != '\n') {
        line += c;
        continue;
      }
      ++found[line];
      line.clear();
    }
    REQUIRE(found.size() == static_cast<std::size_t>(next));
    for (const auto& [text, times] : found)
      REQUIRE(times == 1);
  }
}
