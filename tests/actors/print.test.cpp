#include <weir/actors/sinks/print.hpp>

#include <cstdio>
#include <ostream>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weir/actors/operators/sink.hpp>

using namespace weir;

namespace {

struct point {
  int x = 0;
  int y = 0;
};
std::ostream& operator<<(std::ostream& out, const point& p) {
  return out << p.x << '/' << p.y;
}
struct opaque {};

/// Standard output goes to `to` while it lives.
class redirected_output {
 public:
  explicit redirected_output(int to) {
    std::fflush(stdout);
    before_ = ::dup(STDOUT_FILENO);
    ::dup2(to, STDOUT_FILENO);
    ::close(to);
  }
  ~redirected_output() {
    ::dup2(before_, STDOUT_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

template <class Body>
std::string printed(Body body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  {
    const redirected_output redirected(ends[1]);
    body();
  }
  char text[1000];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  return std::string(text, static_cast<std::size_t>(size < 0 ? 0 : size));
}

operator_context instance_of(std::uint32_t instance, std::uint32_t parallelism) {
  operator_context context;
  context.instance = instance;
  context.parallelism = parallelism;
  return context;
}

} // namespace

TEST_CASE("records with a text or a format can be printed") {
  const auto format = [](const opaque&) { return std::string("o"); };
  static_assert(sink<decltype(print()), std::string>);
  static_assert(sink<decltype(print()), point>);
  static_assert(!sink<decltype(print()), opaque>);
  static_assert(sink<decltype(print(format)), opaque>);
  static_assert(!sink<decltype(print(format)), point>);
}

TEST_CASE("each record is printed as one line, at the latest by the flush") {
  CHECK(printed([] {
          auto sink = print();
          sink.open(instance_of(0, 1));
          sink.write(std::string("text"));
          sink.write(42);
          sink.write(1.5);
          sink.write('c');
          sink.write(point{1, 2});
          sink.flush();
        }) == "text\n42\n1.5\nc\n1/2\n");
}

TEST_CASE("a format makes the printed line, by appending or by returning it") {
  CHECK(printed([] {
          auto appends = print(
              [](const point& p, std::string& line) { line += "x=" + std::to_string(p.x); });
          auto returns = print([](const point& p) { return "y=" + std::to_string(p.y); });
          appends.write(point{1, 2});
          appends.write(point{3, 4});
          appends.flush();
          returns.write(point{5, 6});
          returns.flush();
        }) == "x=1\nx=3\ny=6\n");
}

TEST_CASE("the instance is shown on request where there are several") {
  CHECK(printed([] {
          auto sink = print({.show_instance = true});
          sink.open(instance_of(2, 3));
          sink.write(std::string("a"));
          sink.open(instance_of(0, 3));
          sink.write(std::string("b"));
          sink.flush();
        }) == "2> a\n0> b\n");
  CHECK(printed([] {
          auto sink = print({.show_instance = true});
          sink.open(instance_of(0, 1));
          sink.write(std::string("a"));
          sink.flush();
        }) == "a\n");
}

TEST_CASE("output that cannot be written is an error") {
  auto sink = print();
  sink.open(instance_of(0, 1));
  std::string full;
  std::string gone;
  const auto failure = [&] {
    try {
      sink.write(std::string("text"));
      sink.flush();
    } catch (const std::exception& thrown) {
      return std::string(thrown.what());
    }
    return std::string();
  };
  {
    const redirected_output redirected(::open("/dev/full", O_WRONLY));
    full = failure();
  }
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  {
    const redirected_output redirected(ends[1]);
    gone = failure();
  }
  CHECK(full.find("No space left on device") != std::string::npos);
  CHECK(gone.find("Broken pipe") != std::string::npos);
  CHECK(gone.find("keep its reader running") != std::string::npos);
}
