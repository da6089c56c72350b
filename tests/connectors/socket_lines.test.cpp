#include <weir/connectors/socket_lines.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <string_view>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <weir/base/file_descriptor.hpp>

#include "actors/source_run.hpp"

using namespace std::chrono_literals;
using namespace weir;
using weir::testing::source_run;
using lines = std::vector<std::string>;

namespace {

sockaddr_in local(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

/// What `nc -l` does: listens on a free port, takes one connection, sends.
class server {
 public:
  server() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = local(0);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listening_.number(), reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(listening_.number(), 8) == 0);
    ::getsockname(listening_.number(), reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
  }

  std::uint16_t port() const noexcept { return port_; }
  void accept() { peer_ = file_descriptor(::accept(listening_.number(), nullptr, nullptr)); }
  void send(std::string_view text) {
    REQUIRE(::send(peer_.number(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
  void hang_up() { peer_.close(); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(peer_.number(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_.close();
  }

 private:
  file_descriptor listening_;
  file_descriptor peer_;
  std::uint16_t port_ = 0;
};

std::uint16_t free_port() {
  return server().port();
}

file_descriptor client(std::uint16_t port) {
  file_descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in at = local(port);
  REQUIRE(::connect(socket.number(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return socket;
}

void send(const file_descriptor& socket, std::string_view text) {
  REQUIRE(::send(socket.number(), text.data(), text.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(text.size()));
}

/// Polls until `count` lines are there, 5 s at most.
void await_lines(source_run<socket_lines>& one, std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (one.records().size() < count && std::chrono::steady_clock::now() < deadline)
    one.poll();
  CHECK(one.records().size() == count);
}

std::vector<socket_lines::split> splits_of(const socket_lines& how) {
  auto splits = how.splits(1);
  REQUIRE(splits);
  return *splits;
}

} // namespace

TEST_CASE("lines come from a server until it hangs up") {
  static_assert(source<socket_lines>);
  server peer;
  const socket_lines how("127.0.0.1", peer.port());
  source_run one(how, splits_of(how));
  peer.accept();
  CHECK(one.poll().what == source_turn::outcome::idle);
  peer.send("one\ntw");
  await_lines(one, 1);
  peer.send("o\r\n\nlast");
  await_lines(one, 3);
  CHECK(one.snapshot().size() == 1);
  peer.hang_up();
  CHECK(one.run() == lines{"one", "two", "", "last"});
  CHECK(one.snapshot().empty());
}

TEST_CASE("a turn without data is short") {
  server peer;
  const socket_lines how("localhost", peer.port());
  source_run one(how, splits_of(how));
  const auto start = std::chrono::steady_clock::now();
  CHECK(one.poll().what == source_turn::outcome::idle);
  CHECK(std::chrono::steady_clock::now() - start >= 15ms);
  CHECK(std::chrono::steady_clock::now() - start < 2s);
}

TEST_CASE("an input that had ended is not opened again") {
  source_run one(socket_lines("127.0.0.1", free_port()), {});
  CHECK(one.poll().what == source_turn::outcome::ended);
  CHECK(one.snapshot().empty());
}

TEST_CASE("asking for the splits makes no connection") {
  const std::uint16_t port = free_port();
  CHECK(splits_of(socket_lines("127.0.0.1", port)).size() == 1);
}

TEST_CASE("a refused connection says where, why, and what to do") {
  const std::uint16_t port = free_port();
  const socket_lines how("127.0.0.1", port);
  const std::string where = "127.0.0.1:" + std::to_string(port);
  CHECK_THROWS_WITH(source_run(how, splits_of(how)), doctest::Contains(where.c_str()));
  CHECK_THROWS_WITH(source_run(how, splits_of(how)), doctest::Contains("Connection refused"));
  CHECK_THROWS_WITH(source_run(how, splits_of(how)), doctest::Contains("nc -lk"));
}

TEST_CASE("an unknown host and a bad port are errors before the start") {
  const auto unknown = socket_lines("no-such-host.invalid", 9999).splits(1);
  REQUIRE(!unknown);
  CHECK(unknown.failure().code == errc::invalid_setting);
  CHECK(unknown.failure().message.find("no-such-host.invalid:9999") != std::string::npos);
  const auto zero = socket_lines("localhost", 0).splits(1);
  REQUIRE(!zero);
  CHECK(zero.failure().message.find("from 1 to 65535") != std::string::npos);
  CHECK(!socket_lines("", 9999).splits(1));
}

TEST_CASE("a connection that breaks is an error") {
  server peer;
  const socket_lines how("127.0.0.1", peer.port());
  source_run one(how, splits_of(how));
  peer.accept();
  peer.send("one\n");
  await_lines(one, 1);
  peer.reset();
  CHECK_THROWS_WITH(one.run(), doctest::Contains("Connection reset"));
}

TEST_CASE("a line above the limit is an error") {
  for (const char* end : {"", "\n"}) {
    server peer;
    const socket_lines how("127.0.0.1", peer.port(), {.longest_line = 100});
    source_run one(how, splits_of(how));
    peer.accept();
    peer.send(std::string(100, 'x') + "\r\n" + std::string(102, 'y') + end);
    CHECK_THROWS_WITH(one.run(), doctest::Contains("longer than 100 bytes"));
    CHECK(one.records().size() <= 1);
  }
}

TEST_CASE("a listening source reads from clients that come and go") {
  const std::uint16_t port = free_port();
  const socket_lines how("127.0.0.1", port, {.listen = true});
  const auto splits = splits_of(how);
  file_descriptor early = client(port); // before the source is opened
  send(early, "early\n");
  source_run one(how, splits);
  await_lines(one, 1);
  {
    const file_descriptor other = client(port);
    send(other, "a\nunfini");
    await_lines(one, 2);
    send(early, "again\n");
    await_lines(one, 3);
  }
  await_lines(one, 4);
  CHECK(one.records() == lines{"early", "a", "again", "unfini"});
  early.close();
  one.poll();
  CHECK(one.poll().what == source_turn::outcome::idle);
  CHECK(one.snapshot().size() == 1);
  send(client(port), "late\n");
  await_lines(one, 5);
}

TEST_CASE("a client that sends too long a line is turned away, and the others are read on") {
  const std::uint16_t port = free_port();
  const socket_lines how("127.0.0.1", port, {.listen = true, .longest_line = 100});
  source_run one(how, splits_of(how));
  const file_descriptor good = client(port);
  const file_descriptor bad = client(port);
  send(bad, std::string(5'000, 'x'));
  send(good, "fine\n");
  await_lines(one, 1);
  for (int i = 0; i < 3; ++i)
    one.poll();
  send(good, "still fine\n");
  await_lines(one, 2);
  CHECK(one.records() == lines{"fine", "still fine"});
}

TEST_CASE("a port in use is an error before the start") {
  server other;
  const auto taken = socket_lines("127.0.0.1", other.port(), {.listen = true}).splits(1);
  REQUIRE(!taken);
  CHECK(taken.failure().code == errc::in_use);
  CHECK(taken.failure().message.find("127.0.0.1:" + std::to_string(other.port())) !=
        std::string::npos);
  CHECK(taken.failure().message.find("Address already in use") != std::string::npos);
}

TEST_CASE("a listening source can be opened again, also without asking for splits") {
  const std::uint16_t port = free_port();
  const socket_lines how("127.0.0.1", port, {.listen = true});
  {
    source_run one(how, {socket_lines::split{}});
    send(client(port), "one\n");
    await_lines(one, 1);
  }
  source_run two(how, {socket_lines::split{}});
  send(client(port), "two\n");
  await_lines(two, 1);
}

TEST_CASE("an empty host listens on all addresses") {
  const std::uint16_t port = free_port();
  const socket_lines how("", port, {.listen = true});
  source_run one(how, splits_of(how));
  send(client(port), "one\n");
  await_lines(one, 1);
}

TEST_CASE("lines survive any cutting into packets") {
  std::mt19937_64 random(9);
  lines expected;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    expected.push_back(std::string(random() % 100, static_cast<char>('a' + random() % 26)));
    text += expected.back() + (random() % 3 == 0 ? "\r\n" : "\n");
  }
  server peer;
  const socket_lines how("127.0.0.1", peer.port());
  source_run one(how, splits_of(how));
  peer.accept();
  std::thread sender([&] {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 20'000, text.size() - at);
      peer.send(std::string_view(text).substr(at, size));
      at += size;
    }
    peer.hang_up();
  });
  const lines& found = one.run();
  sender.join();
  CHECK(found == expected);
}
