#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include <support/connections.hpp>
#include <weir/runtime/cluster/guarded_port.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

/// Who has been let in.
struct guests {
  std::mutex mutex;
  std::vector<file_descriptor> sockets;

  std::size_t count() {
    const std::lock_guard lock(mutex);
    return sockets.size();
  }
};

/// Lets in whoever begins with "in".
class password : public admission {
 public:
  explicit password(guests& to) : to_(to) {}

  std::size_t least_bytes() const noexcept override { return 2; }

  result<bool> examine(int socket) override {
    char word[2] = "";
    const ssize_t size = ::recv(socket, word, sizeof word, MSG_PEEK);
    CHECK(size != 1); // it was to be asked later
    if (size < 2 || word[0] != 'i' || word[1] != 'n')
      return error{errc::io, {}};
    return true;
  }

  void let_in(file_descriptor socket) override {
    const std::lock_guard lock(to_.mutex);
    to_.sockets.push_back(std::move(socket));
  }

 private:
  guests& to_;
};

/// Lets in whoever says "in", a letter at a time.
class spelled_password : public admission {
 public:
  explicit spelled_password(guests& to) : to_(to) {}

  result<bool> examine(int socket) override {
    char letter = 0;
    if (::recv(socket, &letter, 1, 0) != 1 || letter != (has_begun_ ? 'n' : 'i'))
      return error{errc::io, {}};
    return std::exchange(has_begun_, true);
  }

  void let_in(file_descriptor socket) override {
    const std::lock_guard lock(to_.mutex);
    to_.sockets.push_back(std::move(socket));
  }

 private:
  guests& to_;
  bool has_begun_ = false;
};

std::unique_ptr<guarded_port> open_port(guests& to) {
  auto opened = guarded_port::open({"127.0.0.1", 0}, [&to](std::uint16_t) { return std::make_unique<password>(to); });
  if (!opened)
    FAIL(opened.failure().message);
  return std::move(*opened);
}

bool are_let_in_within(guests& who, std::size_t wanted, duration limit) {
  for (const time_point end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;)
    if (who.count() == wanted)
      return true;
    else
      std::this_thread::sleep_for(1ms);
  return false;
}

} // namespace

TEST_CASE("a guarded port lets in who shows what is asked for, in pieces or not, and closes what shows something else") {
  guests in;
  const auto port = open_port(in);
  const file_descriptor whole = connect_locally(port->number());
  send_all(whole, "in, and what comes after it", 5s);
  CHECK(are_let_in_within(in, 1, 10s));
  char after[64] = "";
  CHECK(::recv(in.sockets[0].number(), after, sizeof after, 0) == 27); // nothing was taken away
  const file_descriptor pieces = connect_locally(port->number());
  send_all(pieces, "i", 5s);
  const file_descriptor other = connect_locally(port->number());
  send_all(other, "out", 5s);
  CHECK(is_closed_within(other, 10s));
  CHECK(in.count() == 1);
  send_all(pieces, "n", 5s);
  CHECK(are_let_in_within(in, 2, 10s));
}

TEST_CASE("of connections that show nothing only so many wait, the oldest are closed, and no one waits for ever") {
  guests in;
  const auto port = open_port(in);
  constexpr std::size_t many = guarded_port::most_waiting + 100;
  std::vector<file_descriptor> silent;
  for (std::size_t i = 0; i < many; ++i)
    silent.push_back(connect_locally(port->number()));
  CHECK(closed_within(silent, 100, guarded_port::patience / 2) == 100);
  CHECK(is_closed_within(silent.front(), 0s));
  CHECK_FALSE(is_closed_within(silent.back(), 0s));
  const file_descriptor late = connect_locally(port->number());
  send_all(late, "in", 5s);
  CHECK(are_let_in_within(in, 1, 10s));
  CHECK(closed_within(silent, many, guarded_port::patience + 10s) == many);
}

TEST_CASE("who has begun to show something is not closed for the sake of many who say nothing") {
  guests in;
  const auto port = guarded_port::open({"127.0.0.1", 0}, [&in](std::uint16_t) { return std::make_unique<spelled_password>(in); });
  REQUIRE(port);
  const file_descriptor slow = connect_locally((*port)->number());
  send_all(slow, "i", 5s);
  CHECK_FALSE(is_closed_within(slow, 100ms)); // that has come
  std::vector<file_descriptor> silent;
  for (std::size_t i = 0; i < guarded_port::most_waiting + 100; ++i)
    silent.push_back(connect_locally((*port)->number()));
  CHECK(closed_within(silent, 101, guarded_port::patience / 2) == 101);
  send_all(slow, "n", 5s);
  CHECK(are_let_in_within(in, 1, 10s));
}

TEST_CASE("a port that somebody else listens on is refused, with what to do") {
  guests in;
  const auto port = open_port(in);
  const auto second = guarded_port::open({"127.0.0.1", port->number()}, nullptr);
  REQUIRE_FALSE(second);
  CHECK(second.failure().code == errc::in_use);
  CHECK(second.failure().message.find("choose another port") != std::string::npos);
}
