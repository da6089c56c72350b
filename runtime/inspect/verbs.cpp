#include "verbs.hpp"

#include <weir/base/units.hpp>

namespace weir {

namespace {

constexpr const char* entries_help =
    "Keys and values are JSON. A few things look like this:\n"
    "\n"
    "  {\"name\": 1}              fields that have names; without names an array\n"
    "  {\"key\": 1}               a map with keys that are strings; of other keys [[key, value], ...]\n"
    "  \"1500ms\"                 a duration\n"
    "  \"2026-11-22T02:33:41.250Z\"    a time, in UTC\n"
    "  {\"hex\": \"00ff\"}          bytes, and strings that are not UTF-8\n"
    "\n"
    "Integers are exact, also beyond 2^53. With a time to live, \"refreshed\" says when each value was\n"
    "last written or read.\n";

constexpr verb all_verbs[] = {
    {"checkpoints", "ls", "DIR", "[--json]", "lists the checkpoints of a directory",
     "Prints for each complete checkpoint its number, when it was complete, the job's attempt, the size\n"
     "of its state, how much of that was new, and the number of operators. LAST: it was taken after all\n"
     "input had ended.\n",
     list_checkpoints},
    {"checkpoints", "show", "DIR N", "[--json]", "what is in one checkpoint",
     "Prints the operators with their instances and states, and what the checkpoint shares with others.\n",
     show_checkpoint},
    {"checkpoints", "verify", "DIR [N]", "", "reads all of it and says what is damaged",
     "Reads every part of checkpoint N, or of all: lengths, checksums, and every value by its schema.\n"
     "Ends with 1, and a line for each damaged part, when something is not as it was written.\n",
     verify_checkpoints},
    {"checkpoints", "rm", "DIR N", "", "deletes one checkpoint",
     "Deletes checkpoint N. What other checkpoints share with it stays. Refused while a job owns the\n"
     "directory.\n",
     remove_one_checkpoint},
    {"state", "ls", "DIR", "[--at N] [--json]", "lists the operators and their states",
     "Prints the states of all operators with kind, schema and number of entries. Keyed states of one\n"
     "operator are stored together: entries are its keys, and the bytes are those of all of them.\n",
     list_states},
    {"state", "get", "DIR OPERATOR STATE [KEY]", "[--at N]", "the value of one key",
     "Prints the value of KEY as JSON; of a list state, without KEY, all items. KEY is plain text for\n"
     "strings, digits for integers, and JSON for all else, as scan prints it.\n",
     get_state},
    {"state", "scan", "DIR OPERATOR STATE", "[--format json|csv] [--at N]", "all entries of a state",
     "Prints all entries: as JSON, one a line, or as CSV (RFC 4180) with a first line of names. One key\n"
     "group is in memory at a time.\n",
     scan_state},
    {"state", "diff", "DIR N M [OPERATOR [STATE]]", "[--json]", "what changed between two checkpoints",
     "Prints what M has and N has not (+), what N has and M has not (-), and what has another value (~).\n"
     "Key groups that both checkpoints share are not read. When a value was refreshed makes no\n"
     "difference.\n",
     diff_states},
    {"jobs", "", "[JOB]", "[--coordinator ADDRESS] [--json]", "lists the jobs of coordinators",
     "Prints a line for the job of each coordinator: with --coordinator HOST:PORT,HOST:PORT,... there may\n"
     "be several. With a checkpoint directory the job that runs in it.\n",
     list_jobs},
    {"job", "", "JOB", "[--coordinator ADDRESS] [--json]", "what a running job is doing",
     "Prints its state, what it was restarted for, its last checkpoint, its operators with the records\n"
     "that have come in by that checkpoint, and its tasks with the workers that run them.\n",
     show_job},
    {"workers", "", "[JOB]", "[--coordinator ADDRESS] [--json]", "lists the workers of a job",
     "Prints the workers that have joined the job's coordinator: where others reach them, their slots, and\n"
     "the tasks that they run.\n",
     list_workers_of_job},
    {"savepoint", "", "JOB [TARGET]", "[--coordinator ADDRESS] [--json]", "has a running job take a savepoint",
     "Has the job take a checkpoint now, and write it to TARGET: a file, or a directory in which one is\n"
     "named after the job and the time; without TARGET, `savepoints` in its checkpoint directory. The job\n"
     "goes on. The file needs no other, may be moved anywhere, and is what a job begins with that is\n"
     "started with --from FILE. Waits until it is on disk. With --coordinator, TARGET is an absolute path\n"
     "on the coordinator's machine.\n",
     take_savepoint},
    {"stop", "", "JOB", "[--drain] [--savepoint TARGET] [--coordinator ADDRESS] [--json]",
     "has the job take a last checkpoint and stop",
     "Has the job take a last checkpoint and stop; it goes on from there when it is started again.\n"
     "--drain: as if all input had ended, so that all windows come out; the job has then finished for\n"
     "good. --savepoint: the last checkpoint is a savepoint, too.\n",
     stop_job},
    {"cancel", "", "JOB", "[--savepoint TARGET] [--coordinator ADDRESS] [--json]", "has the job stop at once",
     "Has the job stop without another checkpoint: what has come since the last one is done again when it\n"
     "is started again. With --savepoint the same as stop.\n",
     cancel_job},
    {"rescale", "", "JOB", "-p N [--coordinator ADDRESS] [--json]", "changes the parallelism of a job",
     "Has the job take a checkpoint and go on from it with N instances of every operator that does not set\n"
     "its own number; prints how long it took nothing in meanwhile. -p is --parallelism, too. When the\n"
     "job's process is started again, it has the parallelism of its settings.\n",
     rescale_job},
    {"savepoint", "export", "DIR FILE", "[--at N]", "writes a checkpoint to one file",
     "Writes a checkpoint to FILE, which needs no other file. FILE is complete and on disk when it is\n"
     "there, and one that is there is not replaced.\n",
     export_savepoint},
    {"savepoint", "import", "FILE DIR", "", "makes a checkpoint directory from such a file",
     "Makes DIR from a file that export wrote: a job that is started with it as checkpoint.dir goes on\n"
     "from there, with any state backend. DIR must not hold checkpoints.\n",
     import_savepoint},
};

} // namespace

std::span<const verb> verbs() {
  return all_verbs;
}

const char* help_of_entries() {
  return entries_help;
}

result<checkpoint_id> parse_checkpoint_id(const std::string& text) {
  const auto number = parse_count(text, 1);
  if (!number)
    return error{errc::invalid_setting, "expected the number of a checkpoint, found " + in_quotes(text)};
  return checkpoint_id{*number};
}

} // namespace weir
