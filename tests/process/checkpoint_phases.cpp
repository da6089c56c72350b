// Kills a job with SIGKILL at every point of a checkpoint, one after the other and by name, starts it again, and
// compares what it committed with what it must be.
//
//   checkpoint_phases walk [POINT]     every point, in every mode of checkpoints, with and without a loop
//   checkpoint_phases loop N [SEED]    a job with a loop, killed N times at random moments
//
// A job that is to be killed at a point is a process of its own that ends itself there. The points inside the engine
// are found by the linker: this program's functions stand in front of those of the coordinator, of LMDB and of libc
// (see CMakeLists.txt).

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/actors/sources/generate.hpp>
#include <weir/base/log.hpp>
#include <weir/connectors/write_lines.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>
#include <weir/snapshot/checkpoint_coordinator.hpp>

namespace {

using namespace weir;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::array points = {
    "before the trigger",
    "between barriers",
    "between acknowledgements",
    "after the last acknowledgement",
    "after the store and before the record",
    "after the record, before anybody knows of it",
    "after the record and before the commits",
    "during the commits: before the first",
    "during the commits: after the first",
};

/// In the process that is to end itself: where, and in which checkpoint.
std::string_view point_to_die_at;
constexpr checkpoint_id checkpoint_to_die_in{2};

std::atomic<bool> is_triggered = false; // that checkpoint
std::atomic<bool> is_storing = false;
std::atomic<bool> is_complete = false;

void reached(std::string_view point) {
  if (point == point_to_die_at)
    ::kill(::getpid(), SIGKILL);
}

void see(const checkpoint_decision& decision) {
  if (const auto* trigger = std::get_if<trigger_decision>(&decision)) {
    if (trigger->order.checkpoint == checkpoint_to_die_in) {
      reached("before the trigger");
      is_triggered = true;
    }
  } else if (const auto* store = std::get_if<store_decision>(&decision)) {
    if (store->checkpoint == checkpoint_to_die_in) {
      reached("after the last acknowledgement");
      is_storing = true;
    }
  } else if (const auto* complete = std::get_if<complete_decision>(&decision)) {
    if (complete->checkpoint == checkpoint_to_die_in) {
      reached("after the record and before the commits");
      is_complete = true;
    }
  }
}

/// The exactly-once sink, seen from inside.
template <class Format>
struct watched_lines : write_lines<Format> {
  using write_lines<Format>::write_lines;

  void pre_commit(part_file& part) {
    if (is_triggered)
      reached("between barriers");
    write_lines<Format>::pre_commit(part);
  }
  void commit(const part_file& part) {
    if (is_complete)
      reached("during the commits: before the first");
    write_lines<Format>::commit(part);
    if (is_complete)
      reached("during the commits: after the first");
  }
};

/// A number on its way to 1 (Collatz), and how many steps it has taken.
struct walk {
  std::uint64_t start = 0;
  std::uint64_t at = 0;
  std::uint64_t steps = 0;
};

walk next(walk from) {
  from.at = from.at % 2 == 0 ? from.at / 2 : 3 * from.at + 1;
  ++from.steps;
  return from;
}

/// Passes on how often it has seen the start of a walk.
struct count_visits {
  using output = walk;

  void open(state_registry& states) { visits_ = states.value<std::uint64_t>("visits"); }
  void process(const walk& in, keyed_context<std::uint64_t>&, emitter<walk>& out) {
    const std::uint64_t visits = (visits_ ? *visits_ : 0) + 1;
    visits_.update(visits);
    out({in.start, in.at, visits});
  }

  value_state<std::uint64_t> visits_;
};

struct options {
  std::string directory;
  checkpoint_mode mode = checkpoint_mode::exactly_once;
  checkpoint_storage storage = checkpoint_storage::lmdb_file;
  std::uint32_t parallelism = 1;
  bool loops = false;
  std::uint64_t records = 20'000;
};

constexpr std::uint64_t keys = 500;

/// "start visits": of the line each visit of its key once; of the loop the number of visits at the end of each walk.
topology job_of(const options& of) {
  topology job{"phases"};
  const auto source = job.source("starts", generate(
                                               [](std::uint64_t i) {
                                                 if (i % 128 == 0)
                                                   std::this_thread::sleep_for(1ms);
                                                 return walk{i, i % keys + 1, 0};
                                               },
                                               of.records));
  const auto format = [](const walk& one) { return std::to_string(one.start) + " " + std::to_string(one.steps); };
  const watched_lines<std::remove_const_t<decltype(format)>> lines{parameter<std::string>(of.directory + "/output"), format};
  if (of.loops) {
    const auto walking = source.iterate("walking");
    const auto [going_on, done] =
        walking.key_by([](const walk& one) { return one.start; })
            .process("visits", count_visits{})
            .split<walk, walk>("ends", [](const walk& one, emitter<walk>& again, emitter<walk>& end) {
              (one.at == 1 ? end : again)(one);
            });
    walking.feed_back(going_on.map("step", next));
    done.rebalance().sink("results", lines);
  } else {
    source.map("key", [](const walk& one) { return walk{one.start % keys, one.at, 0}; })
        .key_by([](const walk& one) { return one.start; })
        .process("visits", count_visits{})
        .sink("results", lines);
  }
  return job;
}

int run_job(const options& of) {
  configure_log(log_level::error, log_format::text);
  job_config config;
  config.parallelism = of.parallelism;
  config.task.batch_size = 64;
  config.checkpoint.directory = of.directory + "/checkpoints";
  config.checkpoint.interval = 20ms;
  config.checkpoint.mode = of.mode;
  config.checkpoint.storage = of.storage;
  config.checkpoint.map_size = std::uint64_t{1} << 28;
  config.state.backend =
      of.storage == checkpoint_storage::files ? state_backend::directory : state_backend::memory;
  auto started = job::start(job_of(of), config);
  if (!started) {
    std::fprintf(stderr, "the job does not start: %s\n", started.failure().message.c_str());
    return 1;
  }
  const job_report report = (*started)->wait();
  if (report.what != job_report::outcome::finished) {
    std::fprintf(stderr, "the job has failed: %s\n", report.failure.c_str());
    return 1;
  }
  return 0;
}

std::map<std::string, std::uint64_t> expected_lines(const options& of) {
  std::map<std::string, std::uint64_t> lines;
  for (std::uint64_t i = 0; i < of.records; ++i) {
    if (!of.loops) {
      ++lines[std::to_string(i % keys) + " " + std::to_string(i / keys + 1)];
      continue;
    }
    std::uint64_t visits = 1;
    for (walk one{i, i % keys + 1, 0}; one.at != 1; one = next(one))
      ++visits;
    ++lines[std::to_string(i) + " " + std::to_string(visits)];
  }
  return lines;
}

/// What is wrong with the output; empty: nothing.
std::string mistake_in(const options& of) {
  std::map<std::string, std::uint64_t> found;
  for (const auto& entry : fs::directory_iterator(of.directory + "/output")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("part-"))
      return "the file " + name + " is left over";
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);)
      ++found[line];
  }
  const auto wanted = expected_lines(of);
  if (of.mode == checkpoint_mode::at_least_once) {
    // Records may count again, and none is lost.
    std::set<std::string> starts;
    for (const auto& [line, times] : found)
      starts.insert(line.substr(0, line.find(' ')));
    for (const auto& [line, times] : wanted)
      if (!starts.contains(line.substr(0, line.find(' '))))
        return "nothing of \"" + line + "\" has come out";
    return "";
  }
  for (const auto& [line, times] : wanted)
    if (const auto at = found.find(line); at == found.end() || at->second != times)
      return "expected \"" + line + "\" " + std::to_string(times) + " times, found it " +
             std::to_string(at == found.end() ? 0 : at->second) + " times";
  return found.size() == wanted.size() ? "" : "there are lines that do not belong there";
}

/// Runs the job as a process of its own, which ends itself at `point`, or is killed after `at_most`. Returns what
/// waitpid says.
int run_process(const options& of, std::string_view point, std::chrono::milliseconds at_most) {
  const pid_t child = ::fork();
  if (child == 0) {
    point_to_die_at = point;
    ::_exit(run_job(of));
  }
  int status = 0;
  const auto end = std::chrono::steady_clock::now() + at_most;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= end) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(500us);
  }
  return status;
}

bool was_killed(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool has_succeeded(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string name_of(const options& of, checkpoint_mode mode) {
  const char* how = mode == checkpoint_mode::exactly_once ? "exactly-once"
                    : mode == checkpoint_mode::unaligned  ? "unaligned"
                                                          : "at-least-once";
  return std::string(how) + (of.storage == checkpoint_storage::files ? ", files" : ", LMDB") +
         (of.loops ? ", with a loop" : "") + ", parallelism " + std::to_string(of.parallelism);
}

fs::path fresh_directory() {
  const fs::path directory = fs::temp_directory_path() / ("checkpoint_phases-" + std::to_string(::getpid()));
  fs::remove_all(directory);
  fs::create_directories(directory);
  return directory;
}

int fail(const options& of, const std::string& problem) {
  std::printf("FAILED: %s; everything is kept in %s\n", problem.c_str(), of.directory.c_str());
  return 1;
}

int walk_through(std::string_view only) {
  constexpr auto patience = 60s;
  std::uint32_t turn = 0;
  for (const std::string_view point : points) {
    if (!only.empty() && only != point)
      continue;
    for (const checkpoint_mode mode :
         {checkpoint_mode::exactly_once, checkpoint_mode::unaligned, checkpoint_mode::at_least_once})
      for (const bool loops : {false, true}) {
        options of;
        of.directory = fresh_directory().string();
        of.mode = mode;
        of.loops = loops;
        of.parallelism = 1 + turn % 3;
        of.storage = turn / 2 % 2 == 0 ? checkpoint_storage::lmdb_file : checkpoint_storage::files;
        ++turn;
        const std::string name = std::string(point) + " (" + name_of(of, mode) + ")";
        if (!was_killed(run_process(of, point, patience)))
          return fail(of, "the job did not come to this point: " + name);
        if (!has_succeeded(run_process(of, "", patience)))
          return fail(of, "the job did not come to its end after it was killed " + name);
        if (const std::string mistake = mistake_in(of); !mistake.empty())
          return fail(of, "killed " + name + ": " + mistake);
        std::printf("ok: killed %s\n", name.c_str());
        std::fflush(stdout);
        fs::remove_all(of.directory);
      }
  }
  return 0;
}

int kill_loop(std::uint32_t times, std::uint32_t seed) {
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  options of;
  of.directory = fresh_directory().string();
  of.loops = true;
  of.parallelism = 2;
  of.records = 600'000;
  std::uint32_t kills = 0;
  for (; kills < times; ++kills) {
    const std::chrono::milliseconds at{20 + random() % 60};
    of.mode = random() % 2 == 0 ? checkpoint_mode::exactly_once : checkpoint_mode::unaligned;
    const int status = run_process(of, "", at);
    if (has_succeeded(status))
      return fail(of, "the job came to its end after " + std::to_string(kills) + " kills: expected it to last longer");
    if (!was_killed(status))
      return fail(of, "the job has failed after " + std::to_string(kills) + " kills");
  }
  if (!has_succeeded(run_process(of, "", 120s)))
    return fail(of, "the job did not come to its end");
  if (const std::string mistake = mistake_in(of); !mistake.empty())
    return fail(of, mistake);
  std::printf("ok: killed %u times, and the result is that of a job that was never killed\n", kills);
  fs::remove_all(of.directory);
  return 0;
}

} // namespace

// The functions that stand in front of those of the engine.

using coordinator = weir::checkpoint_coordinator;

extern "C" {

std::vector<weir::checkpoint_decision> __real__ZN4weir22checkpoint_coordinator14take_decisionsEv(coordinator*);
std::vector<weir::checkpoint_decision> __wrap__ZN4weir22checkpoint_coordinator14take_decisionsEv(coordinator* self) {
  auto decisions = __real__ZN4weir22checkpoint_coordinator14take_decisionsEv(self);
  for (const weir::checkpoint_decision& decision : decisions)
    see(decision);
  return decisions;
}

#define WEIR_ACKNOWLEDGED(prefix)                                                                                      \
  prefix##_ZN4weir22checkpoint_coordinator12acknowledgedENSt6chrono10time_pointINS1_3_V212steady_clockENS1_8durationIlSt5ratioILl1ELl1000000000EEEEEENS_9strong_idINS_14checkpoint_tagEmEENSA_INS_8task_tagEjEE
void WEIR_ACKNOWLEDGED(__real_)(coordinator*, weir::time_point, weir::checkpoint_id, weir::task_id);
void WEIR_ACKNOWLEDGED(__wrap_)(coordinator* self, weir::time_point now, weir::checkpoint_id checkpoint,
                                weir::task_id task) {
  WEIR_ACKNOWLEDGED(__real_)(self, now, checkpoint, task);
  if (checkpoint == checkpoint_to_die_in)
    reached("between acknowledgements");
}

int __real_mdb_txn_commit(MDB_txn*);
int __wrap_mdb_txn_commit(MDB_txn* transaction) {
  const char* path = "";
  ::mdb_env_get_path(::mdb_txn_env(transaction), &path);
  const bool is_record = is_storing && std::strstr(path, "checkpoints.mdb");
  if (is_record)
    reached("after the store and before the record");
  const int code = __real_mdb_txn_commit(transaction);
  if (is_record)
    reached("after the record, before anybody knows of it");
  return code;
}

int __real_rename(const char*, const char*);
int __wrap_rename(const char* from, const char* to) {
  const bool is_record = is_storing && std::strstr(to, "/checkpoint-");
  if (is_record)
    reached("after the store and before the record");
  const int code = __real_rename(from, to);
  if (is_record)
    reached("after the record, before anybody knows of it");
  return code;
}

} // extern "C"

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "walk")
    return walk_through(argc > 2 ? argv[2] : "");
  if (what == "loop" && argc > 2)
    return kill_loop(static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                     argc > 3 ? static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)) : std::random_device{}());
  std::fprintf(stderr, "usage: checkpoint_phases walk [POINT] | loop N [SEED]\n");
  return 2;
}
