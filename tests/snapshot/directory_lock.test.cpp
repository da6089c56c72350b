#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/snapshot/directory_lock.hpp>

#include <snapshot/child_process.hpp>
#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

} // namespace

TEST_CASE("child process: owns a directory until it is killed" * doctest::skip()) {
  const char* directory = std::getenv("WEIR_TEST_DIRECTORY");
  REQUIRE(directory);
  const auto lock = directory_lock::acquire(directory);
  child_process::report(lock ? "owned" : lock.failure().message);
  for (;;)
    ::pause();
}

TEST_CASE("the owner of a directory is written down, and gone when it lets go") {
  temporary_directory directory;
  {
    const auto lock = directory_lock::acquire(directory.path());
    REQUIRE(lock);
    const std::string text = read_file(directory / "owner");
    CHECK(text.find("pid " + std::to_string(::getpid())) != std::string::npos);
    CHECK(text.find("command ") != std::string::npos);
    CHECK(directory_lock::acquire(directory.path()).failure().code == errc::in_use);
  }
  CHECK(read_file(directory / "owner").empty());
  CHECK(directory_lock::acquire(directory.path()));
}

TEST_CASE("a second process is refused and told who the first is") {
  temporary_directory directory;
  child_process first{"child process: owns a directory until it is killed", directory.path()};
  REQUIRE(first.next_report() == "owned");

  const auto refused = directory_lock::acquire(directory.path());
  REQUIRE_FALSE(refused);
  const error& problem = refused.failure();
  CHECK(problem.code == errc::in_use);
  CHECK(has(problem, directory.path().string()));
  CHECK(has(problem, "process " + std::to_string(first.pid())));
  CHECK(has(problem, "child process: owns a directory")); // its command line
  CHECK(has(problem, "since 20"));
  CHECK(has(problem, "checkpoint.dir"));

  first.kill();
  CHECK(directory_lock::acquire(directory.path()));
}

TEST_CASE("a process that is being killed is waited for") {
  temporary_directory directory;
  child_process first{"child process: owns a directory until it is killed", directory.path()};
  REQUIRE(first.next_report() == "owned");
  ::kill(first.pid(), SIGKILL);
  CHECK(directory_lock::acquire(directory.path()));
}

TEST_CASE("whatever the file of the owner contains, it is replaced") {
  temporary_directory directory;
  std::ofstream{directory / "owner"} << std::string(100000, 'x') << "\npid 99999999999999999999\n";
  const auto lock = directory_lock::acquire(directory.path());
  REQUIRE(lock);
  CHECK(read_file(directory / "owner").starts_with("pid " + std::to_string(::getpid())));
}

TEST_CASE("network file systems are known by name") {
  CHECK(detail::network_file_system(0x6969) == "NFS");
  CHECK(detail::network_file_system(0xFF534D42) == "CIFS (SMB)");
  CHECK(detail::network_file_system(static_cast<std::uint64_t>(static_cast<int>(0xFF534D42))) ==
        "CIFS (SMB)");
  CHECK(detail::network_file_system(0x01021997) == "9p");
  CHECK_FALSE(detail::network_file_system(0xEF53));     // ext4
  CHECK_FALSE(detail::network_file_system(0x01021994)); // tmpfs
}

TEST_CASE("a directory that is not there is an error that names it") {
  const auto lock = directory_lock::acquire("/no/such/directory");
  REQUIRE_FALSE(lock);
  CHECK(lock.failure().code == errc::io);
  CHECK(has(lock.failure(), "/no/such/directory"));
}
