#include <weir/connectors/read_lines.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include <unistd.h>

#include <doctest/doctest.h>

#include "actors/source_run.hpp"
#include "connectors/temporary_directory.hpp"

using namespace weir;
using weir::testing::read_with_restarts;
using weir::testing::source_run;
using weir::testing::temporary_directory;
using lines = std::vector<std::string>;

namespace {

lines lines_of(const read_lines& how, std::uint32_t parallelism = 1) {
  lines all;
  const std::vector<file_range> ranges = *how.splits(parallelism);
  for (const file_range& range : ranges) {
    source_run one(how, {range});
    all.insert(all.end(), one.run().begin(), one.run().end());
  }
  return all;
}

std::string failure_of(const read_lines& how) {
  const auto splits = how.splits(2);
  REQUIRE(!splits);
  CHECK(splits.failure().code == errc::invalid_input);
  return splits.failure().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A text, and the lines it should be read as.
struct random_text {
  std::string text;
  lines expected;
};

random_text make_text(std::mt19937_64& random) {
  random_text made;
  const auto count = random() % 200;
  const auto longest = 1 + random() % (random() % 8 == 0 ? 2000 : 30);
  const bool carriage_returns = random() % 2 == 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::string line(random() % longest, ' ');
    for (char& c : line)
      c = "ab\r\xc3"[random() % (carriage_returns ? 4 : 2)];
    while (!line.empty() && line.back() == '\r')
      line.pop_back();
    const bool unfinished = i + 1 == count && random() % 2 == 0;
    if (unfinished && line.empty())
      break;
    made.text += line;
    made.expected.push_back(std::move(line));
    if (!unfinished)
      made.text += carriage_returns && random() % 2 == 0 ? "\r\n" : "\n";
  }
  return made;
}

} // namespace

TEST_CASE("a file is read line by line") {
  const temporary_directory directory;
  const std::string path = directory.write("in.txt", "one\ntwo\r\n\n\r\nlast");
  CHECK(lines_of(read_lines(path)) == lines{"one", "two", "", "", "last"});
}

TEST_CASE("a carriage return counts only before a newline") {
  const temporary_directory directory;
  const std::string path = directory.write("in.txt", "a\rb\r\r\nc\r");
  CHECK(lines_of(read_lines(path)) == lines{"a\rb\r", "c\r"});
}

TEST_CASE("an empty file has no lines") {
  const temporary_directory directory;
  CHECK(read_lines(directory.write("in.txt", "")).splits(3)->empty());
  CHECK(lines_of(read_lines(directory.write("newline.txt", "\n"))) == lines{""});
}

TEST_CASE("a directory is read file by file, in the order of their paths, without hidden ones") {
  const temporary_directory directory;
  directory.write("b.txt", "2\n");
  directory.write("a/z", "1");
  directory.write("c", "4\n5\n");
  directory.write("bb/empty", "");
  directory.write(".hidden", "no\n");
  directory.write("c2/.pending-x", "no\n");
  directory.write(".git/config", "no\n");
  std::filesystem::create_symlink(directory.at("c"), directory.at("bz"));
  std::filesystem::create_directory_symlink(directory.path(), directory.at("loop"));
  CHECK(lines_of(read_lines(directory.path().native())) == lines{"1", "2", "4", "5", "4", "5"});
  CHECK(lines_of(read_lines(directory.path().native() + "/")).size() == 6);
}

TEST_CASE("an input that cannot be read is an error before the start") {
  const temporary_directory directory;
  CHECK(contains(failure_of(read_lines(directory.at("missing"))), "missing'"));
  CHECK(contains(failure_of(read_lines(directory.at("missing"))), "No such file"));
  CHECK(contains(failure_of(read_lines(directory.path().native())), "found no file"));
  CHECK(contains(failure_of(read_lines("/dev/null")), "another kind of file"));
  CHECK(contains(failure_of(read_lines("")), "empty text"));
  std::filesystem::create_symlink(directory.at("nowhere"), directory.at("dangling"));
  CHECK(contains(failure_of(read_lines(directory.path().native())), "dangling'"));
}

TEST_CASE("an unreadable file of a directory is an error before the start") {
  if (::geteuid() == 0)
    return;
  const temporary_directory directory;
  directory.write("good", "1\n");
  std::filesystem::permissions(directory.write("secret", "2\n"), std::filesystem::perms::none);
  const std::string message = failure_of(read_lines(directory.path().native()));
  CHECK(contains(message, "secret'"));
  CHECK(contains(message, "Permission denied"));
}

TEST_CASE("a large file is cut so that all instances have work") {
  const temporary_directory directory;
  const std::string path = directory.write("in.txt", std::string(8 << 20, '\n'));
  const auto splits = *read_lines(path).splits(3);
  CHECK(splits.size() >= 9);
  std::uint64_t at = 0;
  for (const file_range& range : splits) {
    CHECK(range.begin == at);
    CHECK(range.position == at);
    CHECK(range.size == 8 << 20);
    at = range.end;
  }
  CHECK(at == 8 << 20);
  CHECK(read_lines(path).splits(1)->size() == 1);
  CHECK(read_lines(path, {.split_size = 1 << 20}).splits(1)->size() == 8);
}

TEST_CASE("a line belongs to the range in which it starts") {
  const temporary_directory directory;
  const std::string text = "ab\r\n\ncdefgh\n\r\n\n\nij\nk";
  const std::string path = directory.write("in.txt", text);
  const lines expected{"ab", "", "cdefgh", "", "", "", "ij", "k"};
  for (std::uint64_t size = 1; size <= text.size() + 1; ++size) {
    const read_lines how(path, {.split_size = size});
    CHECK(how.splits(1)->size() == (text.size() + size - 1) / size);
    CHECK(lines_of(how) == expected);
  }
}

TEST_CASE("any text, in ranges of any size, is read exactly once and in order") {
  std::mt19937_64 random(1);
  const temporary_directory directory;
  for (int round = 0; round < 300; ++round) {
    const random_text made = make_text(random);
    const std::string path = directory.write("in.txt", made.text);
    const read_lines how(path, {.split_size = 1 + random() % (made.text.size() + 2)});
    REQUIRE(lines_of(how) == made.expected);
    source_run whole(how, *how.splits(1));
    REQUIRE(whole.run() == made.expected);
  }
}

TEST_CASE("restarts at any point, with any parallelism, read every line exactly once") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 60; ++round) {
    const temporary_directory directory;
    lines expected;
    for (auto files = 1 + random() % 4; files != 0; --files) {
      const random_text made = make_text(random);
      directory.write("file" + std::to_string(files), made.text);
      expected.insert(expected.end(), made.expected.begin(), made.expected.end());
    }
    const read_lines how(directory.path().native(), {.split_size = 40 + random() % 3000});
    lines found = read_with_restarts(how, random);
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    REQUIRE(found == expected);
  }
}

TEST_CASE("many lines come in turns of one batch, and a snapshot after each loses none") {
  std::mt19937_64 random(3);
  const temporary_directory directory;
  lines expected;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    expected.push_back(std::to_string(i) + std::string(random() % 120, 'x'));
    text += expected.back() + '\n';
  }
  const std::string path = directory.write("in.txt", text);
  lines found;
  std::vector<file_range> left = *read_lines(path, {.split_size = 100'000}).splits(1);
  while (!left.empty()) {
    source_run one(read_lines(path), left);
    for (auto turns = 1 + random() % 3; turns != 0; --turns) {
      const std::size_t before = one.records().size();
      one.poll();
      CHECK(one.records().size() - before <= 768);
    }
    found.insert(found.end(), one.records().begin(), one.records().end());
    left = one.snapshot();
  }
  CHECK(found == expected);
}

TEST_CASE("lines longer than a block are read whole") {
  const temporary_directory directory;
  const std::string first(700'000, 'a');
  const std::string second(3'000'000, 'b');
  const std::string path = directory.write("in.txt", first + "\r\n" + second + "\nc\n" + first);
  const lines expected{first, second, "c", first};
  CHECK(lines_of(read_lines(path)) == expected);
  CHECK(lines_of(read_lines(path, {.split_size = 300'000})) == expected);
  CHECK(lines_of(read_lines(path, {.longest_line = 3'000'000})) == expected);
}

TEST_CASE("a line above the limit is an error that says where") {
  const temporary_directory directory;
  for (const char* end : {"", "\n", "\r\n"}) {
    const std::string path = directory.write("in.txt", "ab\n" + std::string(101, 'x') + end);
    const read_lines how(path, {.longest_line = 100});
    source_run one(how, *how.splits(1));
    std::string message;
    try {
      one.run();
    } catch (const std::exception& thrown) {
      message = thrown.what();
    }
    CHECK(contains(message, path));
    CHECK(contains(message, "starts at byte 3 is longer than 100 bytes"));
  }
  const std::string path = directory.write("in.txt", std::string(2'000'000, 'x'));
  const read_lines how(path, {.longest_line = 500'000});
  source_run one(how, *how.splits(1));
  CHECK_THROWS(one.run());
}

TEST_CASE("what is appended after the start is not read") {
  const temporary_directory directory;
  const std::string path = directory.write("in.txt", "a\nb");
  const read_lines how(path);
  const auto splits = *how.splits(1);
  std::ofstream(path, std::ios::app) << "c\nd\n";
  CHECK(source_run(how, splits).run() == lines{"a", "b"});
}

TEST_CASE("a restore refuses a file that has vanished or shrunk") {
  const temporary_directory directory;
  const std::string path = directory.write("in.txt", "one\ntwo\n");
  const read_lines how(path);
  const auto splits = *how.splits(1);
  directory.write("in.txt", "one\n");
  CHECK_THROWS_WITH(source_run(how, splits),
                    doctest::Contains("expected 8 bytes as at the start of the job, found 4"));
  std::filesystem::remove(path);
  CHECK_THROWS_WITH(source_run(how, splits), doctest::Contains("No such file"));
}

TEST_CASE("a file that shrinks while it is read is an error") {
  const temporary_directory directory;
  const std::string path = directory.write("in.txt", std::string(1 << 20, '\n'));
  const read_lines how(path);
  source_run one(how, *how.splits(1));
  one.poll();
  std::filesystem::resize_file(path, 300'000);
  CHECK_THROWS_WITH(one.run(), doctest::Contains("expected 1048576 bytes"));
}

TEST_CASE("an instance without ranges ends at once") {
  source_run none(read_lines("unused"), {});
  CHECK(none.poll().what == source_turn::outcome::ended);
  CHECK(none.snapshot().empty());
}
