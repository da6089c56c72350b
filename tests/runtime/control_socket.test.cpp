#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <support/temporary_directory.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/runtime/control_socket.hpp>

using namespace weir;
using namespace weir::testing;
namespace fs = std::filesystem;

namespace {

/// Connects without a word.
file_descriptor connect_silently(const fs::path& directory) {
  file_descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (directory / control_socket_name).string();
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

} // namespace

TEST_CASE("a job is asked by the path of its directory, however long that is, and answers") {
  const temporary_directory place;
  const fs::path deep = place / std::string(100, 'a') / std::string(100, 'b');
  fs::create_directories(deep);
  const auto opened = control_socket::open(deep, [](const std::string& request) { return "so " + request; });
  REQUIRE_MESSAGE(opened, opened.failure().message);
  struct stat about {};
  REQUIRE(::stat((deep / control_socket_name).c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  for (const char* text : {"be it", ""}) {
    const auto answer = ask_job(deep, text);
    REQUIRE_MESSAGE(answer, answer.failure().message);
    CHECK(*answer == std::string("so ") + text);
  }
}

TEST_CASE("where no job listens, that is said") {
  const temporary_directory place;
  const auto absent = ask_job(place / "nowhere", "x");
  REQUIRE(!absent);
  CHECK(absent.failure().code == errc::invalid_input);
  const auto silent = ask_job(place.path(), "x");
  REQUIRE(!silent);
  CHECK(silent.failure().message.find("none runs") != std::string::npos);
  {
    const auto opened = control_socket::open(place.path(), [](const std::string&) { return "yes"; });
    REQUIRE(opened);
  }
  CHECK(!ask_job(place.path(), "x"));
  CHECK(!fs::exists(place / control_socket_name));
}

TEST_CASE("a socket that a killed process has left is replaced") {
  const temporary_directory place;
  auto first = control_socket::open(place.path(), [](const std::string&) { return "first"; });
  REQUIRE(first);
  const auto second = control_socket::open(place.path(), [](const std::string&) { return "second"; });
  REQUIRE(second);
  CHECK(*ask_job(place.path(), "x") == "second");
}

TEST_CASE("one that takes long, one that says nothing and one that never stops talking hold nobody up") {
  const temporary_directory place;
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::atomic<int> called = 0;
  auto opened = control_socket::open(place.path(), [&](const std::string& request) {
    ++called;
    if (request == "wait")
      released.wait();
    return "done " + request;
  });
  REQUIRE(opened);
  auto slow = std::async(std::launch::async, [&] { return ask_job(place.path(), "wait"); });
  while (called == 0)
    std::this_thread::yield();
  const file_descriptor silent = connect_silently(place.path());
  const file_descriptor talking = connect_silently(place.path());
  const std::string much(100'000, 'x');
  ::send(talking.number(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  CHECK(*ask_job(place.path(), "quick") == "done quick");
  release.set_value();
  const auto answer = slow.get();
  REQUIRE(answer);
  CHECK(*answer == "done wait");
  opened->reset(); // does not wait for the silent one to time out
}

TEST_CASE("many ask at a time: each gets its answer, or none, but never another's") {
  const temporary_directory place;
  const auto opened = control_socket::open(place.path(), [](const std::string& request) { return request; });
  REQUIRE(opened);
  std::vector<std::thread> all;
  std::atomic<int> wrong = 0, right = 0;
  for (int i = 0; i < 8; ++i)
    all.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) {
        const std::string text = std::to_string(i) + "-" + std::to_string(n);
        const auto answer = ask_job(place.path(), text);
        if (answer)
          ++(*answer == text ? right : wrong);
      }
    });
  for (std::thread& one : all)
    one.join();
  CHECK(wrong == 0);
  CHECK(right > 0);
}
