#include <weir/runtime/settings.hpp>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <weir/base/units.hpp>

namespace weir {

namespace {

using namespace std::chrono_literals;

constexpr duration longest = 365 * 24h;
constexpr std::uint64_t any_32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t any_64 = std::numeric_limits<std::uint64_t>::max();

// `At` is a function from a config, const or not, to the member that the setting is about.

error not_allowed(const std::string& allowed, std::string_view text) {
  return {errc::invalid_setting, "expected " + allowed + ", found " + in_quotes(text)};
}

template <class At>
setting duration_setting(std::string_view key, duration least, At at, std::string_view meaning) {
  setting row{.key = key, .word = "DURATION", .meaning = meaning};
  row.allowed = "a duration from " + duration_text(least) + " to " + duration_text(longest);
  row.assign = [=, allowed = row.allowed](job_config& config, std::string_view text) -> status {
    const result<duration> length = parse_duration(text);
    if (!length)
      return length.failure();
    if (*length < least || *length > longest)
      return not_allowed(allowed, text);
    at(config) = *length;
    return {};
  };
  row.show = [=](const job_config& config) { return duration_text(at(config)); };
  return row;
}

template <class At>
setting count_setting(std::string_view key, std::uint64_t least, std::uint64_t most, At at,
                      std::string_view meaning) {
  setting row{.key = key, .word = "N", .meaning = meaning};
  row.allowed = most >= any_32 ? "a whole number, at least " + std::to_string(least)
                               : "a whole number from " + std::to_string(least) + " to " +
                                     std::to_string(most);
  row.assign = [=](job_config& config, std::string_view text) -> status {
    const result<std::uint64_t> count = parse_count(text, least, most);
    if (!count)
      return count.failure();
    using member = std::remove_cvref_t<decltype(at(config))>;
    at(config) = static_cast<member>(*count);
    return {};
  };
  row.show = [=](const job_config& config) { return std::to_string(at(config)); };
  return row;
}

template <class At>
setting size_setting(std::string_view key, std::uint64_t least, std::uint64_t most, At at,
                     std::string_view meaning) {
  setting row{.key = key, .word = "SIZE", .meaning = meaning};
  row.allowed = "a size from " + size_text(least) + " to " + size_text(most);
  row.assign = [=, allowed = row.allowed](job_config& config, std::string_view text) -> status {
    const result<std::uint64_t> size = parse_size(text);
    if (!size)
      return size.failure();
    if (*size < least || *size > most)
      return not_allowed(allowed, text);
    at(config) = *size;
    return {};
  };
  row.show = [=](const job_config& config) { return size_text(at(config)); };
  return row;
}

template <class At>
setting real_setting(std::string_view key, double least, double most, At at,
                     std::string_view meaning) {
  setting row{.key = key, .word = "X", .meaning = meaning};
  row.allowed = "a number from " + real_text(least) + " to " + real_text(most);
  row.assign = [=, allowed = row.allowed](job_config& config, std::string_view text) -> status {
    const result<double> number = parse_real(text);
    if (!number)
      return number.failure();
    if (*number < least || *number > most)
      return not_allowed(allowed, text);
    at(config) = *number;
    return {};
  };
  row.show = [=](const job_config& config) { return real_text(at(config)); };
  return row;
}

template <class At>
setting boolean_setting(std::string_view key, At at, std::string_view meaning) {
  setting row{.key = key, .word = "BOOL", .meaning = meaning, .is_boolean = true};
  row.allowed = "true or false";
  row.assign = [=](job_config& config, std::string_view text) -> status {
    const result<bool> value = parse_boolean(text);
    if (!value)
      return value.failure();
    at(config) = *value;
    return {};
  };
  row.show = [=](const job_config& config) { return boolean_text(at(config)); };
  return row;
}

template <class Value, class At>
setting choice_setting(std::string_view key, std::string_view word,
                       std::vector<std::pair<std::string_view, Value>> choices, At at,
                       std::string_view meaning) {
  setting row{.key = key, .word = word, .meaning = meaning};
  for (std::size_t i = 0; i < choices.size(); ++i) {
    row.allowed += i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ";
    row.allowed += choices[i].first;
  }
  row.assign = [=, allowed = row.allowed](job_config& config, std::string_view text) -> status {
    for (const auto& [name, value] : choices)
      if (name == text) {
        at(config) = value;
        return {};
      }
    return not_allowed(allowed, text);
  };
  row.show = [=](const job_config& config) {
    for (const auto& [name, value] : choices)
      if (value == at(config))
        return std::string{name};
    return std::to_string(static_cast<int>(at(config)));
  };
  return row;
}

template <class At>
setting path_setting(std::string_view key, std::string_view word, At at, std::string_view meaning) {
  setting row{.key = key, .word = word, .meaning = meaning};
  row.allowed = word == "DIR" ? "a directory, or nothing" : "a file, or nothing";
  row.assign = [=](job_config& config, std::string_view text) -> status {
    at(config) = text;
    return {};
  };
  row.show = [=](const job_config& config) { return at(config).string(); };
  return row;
}

template <class At>
setting text_setting(std::string_view key, std::string_view word, At at, std::string_view meaning) {
  setting row{.key = key, .word = word, .meaning = meaning};
  row.allowed = std::string(word) + ", or nothing";
  row.assign = [=](job_config& config, std::string_view text) -> status {
    at(config) = text;
    return {};
  };
  row.show = [=](const job_config& config) { return at(config); };
  return row;
}

std::vector<setting> checkpoint_rows() {
  return {
      path_setting(
          "checkpoint.dir", "DIR", [](auto& c) -> auto& { return c.checkpoint.directory; },
          "Where checkpoints are stored: a directory for this job alone, on a local disk. Without "
          "it nothing is stored, and a failed job starts from the beginning."),
      duration_setting(
          "checkpoint.interval", 0s, [](auto& c) -> auto& { return c.checkpoint.interval; },
          "Time from one checkpoint's start to the next one's. 0: only the last one, at the end of "
          "all input or at a stop, is taken."),
      duration_setting(
          "checkpoint.timeout", 1ms, [](auto& c) -> auto& { return c.checkpoint.timeout; },
          "A checkpoint that takes longer is aborted and counts as failed."),
      duration_setting(
          "checkpoint.minimum-pause", 0s,
          [](auto& c) -> auto& { return c.checkpoint.minimum_pause; },
          "Least time from the end of a checkpoint to the start of the next one."),
      count_setting(
          "checkpoint.maximum-concurrent", 1, 64,
          [](auto& c) -> auto& { return c.checkpoint.maximum_concurrent; },
          "How many checkpoints may be under way at a time. With a minimum pause there is never "
          "more than one."),
      count_setting(
          "checkpoint.tolerated-failures", 0, any_32,
          [](auto& c) -> auto& { return c.checkpoint.tolerated_failures; },
          "How many failed checkpoints in a row the job bears. 0: a failed checkpoint fails the "
          "job."),
      count_setting(
          "checkpoint.retained", 1, any_32, [](auto& c) -> auto& { return c.checkpoint.retained; },
          "How many complete checkpoints are kept."),
      count_setting(
          "checkpoint.replicas", 0, 64, [](auto& c) -> auto& { return c.checkpoint.replicas; },
          "On how many processes a checkpoint is stored before it is complete: the coordinator, and workers. 0: on two, "
          "where there are two workers or more."),
      boolean_setting(
          "checkpoint.retain-on-cancel",
          [](auto& c) -> auto& { return c.checkpoint.retain_on_cancel; },
          "Whether the checkpoints outlive a job that was stopped by a signal."),
      boolean_setting(
          "checkpoint.incremental", [](auto& c) -> auto& { return c.checkpoint.incremental; },
          "Whether a checkpoint stores only what has changed in keyed state since the last complete one, "
          "where that is less. What is restored is the same."),
      choice_setting<checkpoint_mode>(
          "checkpoint.mode", "MODE",
          {{"exactly-once", checkpoint_mode::exactly_once},
           {"unaligned", checkpoint_mode::unaligned},
           {"at-least-once", checkpoint_mode::at_least_once}},
          [](auto& c) -> auto& { return c.checkpoint.mode; },
          "What a checkpoint promises. With exactly-once every record counts once in state; barriers wait behind "
          "records, and channels for each other. unaligned promises the same, and barriers overtake records, which "
          "become part of the checkpoint: it does not take longer when receivers are slow. With at-least-once no "
          "channel waits for another, and a record may count again after a failure."),
      duration_setting(
          "checkpoint.alignment-timeout", 0s, [](auto& c) -> auto& { return c.checkpoint.alignment_timeout; },
          "exactly-once: after so long the barriers of a checkpoint overtake records as with unaligned. 0: never."),
      size_setting(
          "checkpoint.map-size", std::uint64_t{1} << 20, std::uint64_t{64} << 40,
          [](auto& c) -> auto& { return c.checkpoint.map_size; },
          "The largest size the checkpoint file may grow to. It takes address space, not memory or "
          "disk, until it is used."),
      count_setting(
          "checkpoint.restore-from", 0, any_64,
          [](auto& c) -> auto& { return c.checkpoint.restore_from; },
          "The number of the checkpoint that the job starts from. 0: the last complete one."),
      path_setting(
          "from", "FILE", [](auto& c) -> auto& { return c.checkpoint.from; },
          "The savepoint file that the job begins with. It needs a checkpoint.dir, without checkpoints; one whose "
          "checkpoints come from this savepoint is gone on from, so that the same words start the job again."),
      boolean_setting(
          "checkpoint.allow-dropped-state",
          [](auto& c) -> auto& { return c.checkpoint.allow_dropped_state; },
          "Whether the job starts from a checkpoint with state that no operator claims, and drops it."),
      boolean_setting(
          "checkpoint.discard", [](auto& c) -> auto& { return c.checkpoint.discard; },
          "Starts from the beginning and deletes the checkpoints that are there."),
  };
}

std::vector<setting> state_rows() {
  return {
      choice_setting<state_backend>(
          "state.backend", "BACKEND",
          {{"memory", state_backend::memory},
           {"directory", state_backend::directory},
           {"lmdb", state_backend::lmdb}},
          [](auto& c) -> auto& { return c.state.backend; },
          "Where keyed state lives. memory: in memory, checkpoints in an LMDB file. directory: in "
          "memory, checkpoints as files that other machines can read. lmdb: on disk, with a cache, for "
          "state larger than memory. A checkpoint taken with one is restored with any."),
      path_setting(
          "state.directory", "DIR", [](auto& c) -> auto& { return c.state.directory; },
          "lmdb: where the working state is. Without it `working` in checkpoint.dir, or the system's "
          "directory for temporary files."),
      size_setting(
          "state.cache-size", std::uint64_t{1} << 20, std::uint64_t{1} << 50,
          [](auto& c) -> auto& { return c.state.cache_size; },
          "lmdb: about how much of the state is kept in memory, by all keyed operators together."),
      size_setting(
          "state.map-size", std::uint64_t{1} << 20, std::uint64_t{64} << 40,
          [](auto& c) -> auto& { return c.state.map_size; },
          "lmdb: the largest size of the working state of one operator instance. It takes address "
          "space, not memory or disk, until it is used."),
  };
}

std::vector<setting> restart_rows() {
  return {
      choice_setting<restart_kind>(
          "restart.strategy", "STRATEGY",
          {{"automatic", restart_kind::automatic},
           {"none", restart_kind::none},
           {"fixed-delay", restart_kind::fixed_delay},
           {"exponential-delay", restart_kind::exponential_delay},
           {"failure-rate", restart_kind::failure_rate}},
          [](auto& c) -> auto& { return c.restart.strategy; },
          "How a failed job comes back. automatic: exponential-delay where checkpoints are stored, "
          "none where they are not."),
      count_setting(
          "restart.attempts", 0, any_32, [](auto& c) -> auto& { return c.restart.attempts; },
          "fixed-delay and exponential-delay: restarts (exponential-delay: since the last reset) "
          "before the job is given up. 0: no limit."),
      duration_setting(
          "restart.delay", 0s, [](auto& c) -> auto& { return c.restart.delay; },
          "The delay before a restart; with exponential-delay the first one."),
      duration_setting(
          "restart.maximum-delay", 0s, [](auto& c) -> auto& { return c.restart.maximum_delay; },
          "exponential-delay: the longest delay."),
      real_setting(
          "restart.backoff", 1, 1000, [](auto& c) -> auto& { return c.restart.backoff; },
          "exponential-delay: each delay is this many times the one before."),
      duration_setting(
          "restart.reset-after", 0s, [](auto& c) -> auto& { return c.restart.reset_after; },
          "exponential-delay: after running this long without a failure the delay starts over."),
      count_setting(
          "restart.rate-maximum", 0, any_32,
          [](auto& c) -> auto& { return c.restart.rate_maximum; },
          "failure-rate: the job is given up at more failures than this within rate-interval."),
      duration_setting(
          "restart.rate-interval", 1ms, [](auto& c) -> auto& { return c.restart.rate_interval; },
          "failure-rate: the time over which failures are counted."),
      boolean_setting(
          "recovery.region", [](auto& c) -> auto& { return c.restart.region; },
          "Whether a failure restarts only the tasks that are connected with the failed one, and the parts of the "
          "topology that share no edge with them go on."),
  };
}

std::vector<setting> execution_rows() {
  return {
      choice_setting<execution_mode>(
          "mode", "MODE", {{"streaming", execution_mode::streaming}, {"batch", execution_mode::batch}},
          [](auto& c) -> auto& { return c.mode; },
          "Whether anybody waits for results while the job runs. streaming: windows come out early as "
          "their triggers say. batch: not where they come out again with everything; all other results "
          "are the same."),
      count_setting(
          "parallelism", 1, 65'536, [](auto& c) -> auto& { return c.parallelism; },
          "Instances of each operator that does not set its own."),
      count_setting(
          "key-groups", 1, 65'536, [](auto& c) -> auto& { return c.key_groups; },
          "In how many groups keys are placed: the upper limit of the parallelism of keyed "
          "operators, "
          "fixed by the job's first checkpoint."),
      boolean_setting(
          "chaining", [](auto& c) -> auto& { return c.chaining; },
          "Whether operators that need no exchange between them share a task."),
      count_setting(
          "threads", 0, 1024, [](auto& c) -> auto& { return c.threads; },
          "Threads that run tasks. 0: one per core, which workers that this process starts divide among them."),
      count_setting(
          "batch.size", 1, 1'048'576, [](auto& c) -> auto& { return c.task.batch_size; },
          "Records in a full batch; fewer where 24 KiB hold fewer, and down to a quarter on a keyed "
          "edge to more than 8 receivers. Larger means more throughput, until the caches are lost."),
      duration_setting(
          "batch.timeout", 0s, [](auto& c) -> auto& { return c.task.batch_timeout; },
          "How long a record may wait in a batch that does not fill while its task is busy and the "
          "receiver has nothing else from it. A task with nothing else to do sends what it has at "
          "once."),
      count_setting(
          "channel.credits", 1, 65'536, [](auto& c) -> auto& { return c.task.credits; },
          "Batches in flight per channel; down to a quarter on an edge to more than 8 receivers. "
          "Larger means more memory and longer waits for a barrier; below 8 two tasks take turns instead of working at the same time."),
  };
}

std::vector<setting> cluster_rows() {
  std::vector<setting> rows{
      text_setting(
          "cluster.listen", "HOST:PORT", [](auto& c) -> auto& { return c.cluster.listen; },
          "coordinator: where it waits for workers. Without a host, and unless told otherwise, only processes of this "
          "machine reach it: whoever reaches it can run code of the job."),
      text_setting(
          "cluster.join", "HOST:PORT", [](auto& c) -> auto& { return c.cluster.join; },
          "worker: where its coordinator listens."),
      text_setting(
          "cluster.ha", "ETCD", [](auto& c) -> auto& { return c.cluster.ha; },
          "coordinator: etcd://HOST:PORT, or several with commas between them: etcd://A:2379,B:2379,C:2379. Of several "
          "coordinators the one that etcd says leads runs the job, and the others stand by. worker: instead of "
          "cluster.join; the coordinator that leads is looked up there. Needs a checkpoint.dir."),
      text_setting(
          "cluster.host", "HOST", [](auto& c) -> auto& { return c.cluster.host; },
          "worker: the name or address under which other workers reach it. Without it the address from which it reaches "
          "the coordinator. coordinator with cluster.ha: the one under which workers reach it; without it that of "
          "cluster.listen."),
      count_setting(
          "cluster.slots", 0, 65'536, [](auto& c) -> auto& { return c.cluster.slots; },
          "worker: how many instances of an operator it takes. 0: one per core."),
      count_setting(
          "cluster.workers", 0, 1024, [](auto& c) -> auto& { return c.cluster.workers; },
          "run: how many worker processes on this machine run the tasks; those that end are started again. 0: none, the "
          "tasks run in this process. plan: shows where each task runs on so many."),
      duration_setting(
          "cluster.timeout", 10ms, [](auto& c) -> auto& { return c.cluster.timeout; },
          "A process that has not been heard of for so long is lost."),
      duration_setting(
          "cluster.heartbeat", 1ms, [](auto& c) -> auto& { return c.cluster.heartbeat; },
          "How often each process tells the others that it is there. At most a third of `cluster.timeout`."),
      choice_setting<task_placement>(
          "cluster.placement", "PLACEMENT", {{"spread", task_placement::spread}, {"pack", task_placement::pack}},
          [](auto& c) -> auto& { return c.cluster.placement; },
          "Which workers get tasks when there are more slots than the job takes. spread: those with the most free slots. "
          "pack: as few as possible."),
      path_setting(
          "cluster.tls-ca", "FILE", [](auto& c) -> auto& { return c.cluster.tls_ca; },
          "Certificates, in PEM form, of those who sign for the job's processes. With this file, cluster.tls-cert and "
          "cluster.tls-key, connections between processes are encrypted, and only who has a certificate gets in; all "
          "processes of a job need them, or none."),
      path_setting(
          "cluster.tls-cert", "FILE", [](auto& c) -> auto& { return c.cluster.tls_cert; },
          "This process's certificate in PEM form, followed by those between it and one in cluster.tls-ca."),
      path_setting(
          "cluster.tls-key", "FILE", [](auto& c) -> auto& { return c.cluster.tls_key; },
          "The private key of cluster.tls-cert in PEM form, without a password."),
  };
  for (setting& row : rows)
    for (const std::string_view name : {"listen", "join", "ha", "slots", "workers", "tls-ca", "tls-cert", "tls-key"})
      if (row.key.substr(row.key.find('.') + 1) == name)
        row.short_name = name;
  return rows;
}

std::vector<setting> log_rows() {
  return {
      choice_setting<log_level>(
          "log.level", "LEVEL",
          {{"debug", log_level::debug},
           {"info", log_level::info},
           {"warning", log_level::warning},
           {"error", log_level::error},
           {"off", log_level::off}},
          [](auto& c) -> auto& { return c.lowest_level; },
          "The least important lines that are logged, to standard error."),
      choice_setting<log_format>(
          "log.format", "FORMAT", {{"text", log_format::text}, {"json", log_format::json}},
          [](auto& c) -> auto& { return c.format; },
          "How a log line looks: for a person, or one JSON object a line."),
  };
}

std::vector<setting> all_rows() {
  std::vector<setting> rows;
  const auto add = [&](std::string_view group, std::vector<setting> part) {
    for (setting& row : part) {
      row.group = group;
      rows.push_back(std::move(row));
    }
  };
  add("Checkpoints", checkpoint_rows());
  add("State", state_rows());
  add("Restarts", restart_rows());
  add("Execution", execution_rows());
  add("Cluster", cluster_rows());
  add("Log", log_rows());
  return rows;
}

std::string with_dashes(std::string_view key) {
  std::string name{key};
  std::ranges::replace(name, '.', '-');
  return name;
}

} // namespace

std::span<const setting> settings() {
  static const std::vector<setting> rows = all_rows();
  return rows;
}

const setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find(settings(), key, &setting::key);
  return found == settings().end() ? nullptr : &*found;
}

std::string flag_name(std::string_view key) {
  return "--" + with_dashes(key);
}

std::string environment_name(std::string_view key) {
  std::string name = "WEIR_" + with_dashes(key);
  for (char& c : name)
    c = c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

} // namespace weir
