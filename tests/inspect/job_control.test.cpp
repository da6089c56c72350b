#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <support/counting_job.hpp>
#include <support/running_job.hpp>
#include <support/temporary_directory.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/runtime/cluster/worker.hpp>
#include <weir/runtime/job.hpp>

#include "weir_run.hpp"

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// A job that does not end by itself, on two workers with two slots each that are actor systems of this process.
struct job_on_workers {
  explicit job_on_workers(const fs::path& directory) {
    job_config config = hasty_config(directory);
    config.checkpoint.interval = 20ms;
    config.cluster.listen = "127.0.0.1:0";
    config.cluster.workers = 2;
    running = start_job(what, config);
    address = "127.0.0.1:" + std::to_string(running->port());
    for (int i = 0; i < 2; ++i)
      workers.push_back(join_job(what, *running, 2));
    REQUIRE(becomes_true([&] { return !results->visible().empty(); }));
  }

  weir_run tell(std::vector<std::string> words) const {
    words.insert(words.end(), {"--coordinator", address});
    return run_weir(words);
  }

  weir_run expect(const std::vector<std::string>& words) const {
    weir_run run = tell(words);
    if (run.code != 0)
      FAIL(run.problem << run.out);
    return run;
  }

  std::shared_ptr<key_counts> results = std::make_shared<key_counts>();
  topology what = paced_counts{.records = std::uint64_t{1} << 40, .keys = 17, .pause = 1ms}.job(results);
  std::unique_ptr<job> running;
  std::string address;
  std::vector<std::unique_ptr<worker>> workers;
};

} // namespace

#if !defined(__SANITIZE_THREAD__) // messages of other actor systems look like races to it

TEST_CASE("a coordinator is asked over its port what its job does, and who works for it") {
  const temporary_directory place;
  const job_on_workers running(place / "state");
  for (const nlohmann::json& one : {running.expect({"job", "counting", "--json"}).json(),
                                    run_weir({"job", (place / "state").string(), "--json"}).json()}) {
    CHECK(one["job"] == "counting");
    CHECK(one["state"] == "running");
    CHECK(one["parallelism"] == 2);
    CHECK(one["restarts"] == 0);
    CHECK(one["last_failure"] == "");
    CHECK(one["last_checkpoint"]["bytes"] > 0);
    CHECK(one["workers"] == 2);
    CHECK(one["operators"].size() == 3);
    CHECK(one["operators"][1]["operator"] == "count");
    CHECK(one["operators"][1]["in"] > 0);
    CHECK(!one["running_since"].is_null());
    REQUIRE(one["tasks"].size() == 4);
    for (const nlohmann::json& task : one["tasks"]) {
      CHECK(task["state"] == "running");
      CHECK(!task["worker"].get<std::string>().empty());
    }
  }
  const weir_run text = running.expect({"job", "counting"});
  for (const char* part : {"state            running since 20", "last checkpoint  ", "OPERATOR", "count", "TASK", "numbers [1]"})
    CHECK_MESSAGE(text.out.find(part) != std::string::npos, text.out);

  const nlohmann::json workers = running.expect({"workers", "--json"}).json();
  REQUIRE(workers.size() == 2);
  for (const nlohmann::json& one : workers) {
    CHECK(one["slots"] == 2);
    CHECK(one["tasks"] == 2);
    CHECK(one["address"].get<std::string>().starts_with("127.0.0.1:"));
  }
  CHECK(running.expect({"workers", "counting"}).lines().size() == 3);

  const temporary_directory second;
  const job_on_workers other(second / "state");
  const nlohmann::json jobs =
      run_weir({"jobs", "--json", "--coordinator", running.address + "," + other.address}).json();
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0]["coordinator"] == running.address);
  CHECK(jobs[1]["state"] == "running");
  CHECK(running.expect({"jobs"}).lines().size() == 2);
  const weir_run some = run_weir({"jobs", "--coordinator", "127.0.0.1:1," + other.address});
  CHECK(some.code == 3);
  CHECK(some.lines().size() == 2);
  CHECK(some.says("127.0.0.1:1"));
}

TEST_CASE("a job on workers is told over its coordinator's port to take savepoints, to rescale, and to stop") {
  const temporary_directory place;
  job_on_workers running(place / "state");
  const std::string file = (place / "one.weir").string();
  const weir_run taken = running.expect({"savepoint", "counting", file});
  CHECK(taken.out.starts_with(file + ": checkpoint "));
  CHECK(fs::exists(file));
  CHECK(running.expect({"savepoint", "counting"}).out.find("/state/savepoints/counting-") != std::string::npos);
  const weir_run relative = running.tell({"savepoint", "counting", "here.weir"});
  CHECK(relative.code == 1);
  CHECK(relative.says("expected an absolute path"));
  CHECK(running.tell({"savepoint", "counting", file}).says("not replaced"));

  const weir_run wrong = running.tell({"stop", "countign"});
  CHECK(wrong.code == 1);
  CHECK(wrong.says("this is the job \"counting\", and not \"countign\""));

  const nlohmann::json more = running.expect({"rescale", "counting", "-p", "4", "--json"}).json();
  CHECK(more["before"] == 2);
  CHECK(more["after"] == 4);
  CHECK(more["pause_ms"] > 0);
  CHECK(running.expect({"rescale", "counting", "--parallelism=1"}).out.starts_with("parallelism 4 -> 1, from checkpoint "));
  CHECK(running.expect({"rescale", "counting", "-p", "1"}).out == "the job runs with a parallelism of 1 already\n");
  const weir_run few = running.tell({"rescale", "counting", "-p", "5"});
  CHECK(few.code == 1);
  CHECK(few.says("takes 5 slots, and the workers have 4"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"rescale", "counting"}, {"rescale", "counting", "-p", "0"},
        {"rescale", "counting", "-p", "x"}, {"savepoint", "counting", "a", "-p=2"}})
    CHECK(running.tell(words).code == 2);

  ::setenv("WEIR_COORDINATOR", running.address.c_str(), 1);
  const weir_run stopped = run_weir({"stop", "counting"});
  ::unsetenv("WEIR_COORDINATOR");
  CHECK(stopped.code == 0);
  CHECK(stopped.out == "the job has stopped\n");
  CHECK(running.running->wait().what == job_report::outcome::stopped);
  CHECK(running.tell({"stop", "counting"}).code != 0);
  running.running.reset();
  CHECK(running.tell({"job", "counting"}).code == 3);
}

TEST_CASE("a job on workers is drained, and cancelled, over its coordinator's port, while others ask it") {
  for (const bool drained : {true, false}) {
    const temporary_directory place;
    const job_on_workers running(place / "state");
    std::vector<std::thread> asking;
    for (int i = 0; i < 3; ++i)
      asking.emplace_back([&] {
        for (int code = 0; code == 0;)
          code = running.tell({"job", "counting", "--json"}).code; // until the job has ended
      });
    const weir_run told = drained ? running.tell({"stop", "counting", "--drain"}) : running.tell({"cancel", "counting"});
    CHECK_MESSAGE(told.code == 0, told.problem);
    CHECK(told.out == (drained ? "the job has finished\n" : "the job has stopped\n"));
    CHECK(running.running->wait().what == (drained ? job_report::outcome::finished : job_report::outcome::stopped));
    for (std::thread& one : asking)
      one.join();
  }
}

#endif

TEST_CASE("where no job can be reached, that is said with an exit code of its own") {
  const temporary_directory place;
  const weir_run nobody = run_weir({"job", "counting", "--coordinator", "127.0.0.1:1"});
  CHECK(nobody.code == 3);
  CHECK(nobody.says("expected the coordinator of a job"));
  const weir_run in_directory = run_weir({"stop", place.path().string()});
  CHECK(in_directory.code == 3);
  CHECK(in_directory.says("none runs with it as checkpoint.dir"));
  const file_descriptor silent(::socket(AF_INET, SOCK_STREAM, 0)); // something listens there, and says nothing
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(silent.number(), reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(silent.number(), 4) == 0);
  REQUIRE(::getsockname(silent.number(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  const weir_run unanswered = run_weir({"job", "counting", "--coordinator", "127.0.0.1:" + std::to_string(ntohs(at.sin_port))});
  CHECK(unanswered.code == 3);
  CHECK(unanswered.says("nothing has come in time"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"jobs"}, {"workers"}, {"job", "counting"}, {"job", "counting", "--coordinator", "nowhere"},
        {"job", "counting", "--coordinator="}}) {
    const weir_run refused = run_weir(words);
    CAPTURE(words);
    CHECK(refused.code != 0);
    CHECK(refused.says("expected"));
  }
}
