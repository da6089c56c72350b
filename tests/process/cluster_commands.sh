#!/bin/bash
# Tells a word count on a coordinator and two workers, each a process, over the coordinator's port what to do: it is asked,
# rescaled, has savepoints taken, is stopped, cancelled and drained. Compares what it has committed with what coreutils
# count.
#
#   tests/process/cluster_commands.sh
#
# BUILD_DIR names the build directory (default: build). Keeps everything when it fails.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
read_arguments 1
program=$build/samples/word_count
weir=$build/bin/weir
need_programs "$program" "$weir"
make_work "$build"

port=$(free_port)
export WEIR_COORDINATOR=127.0.0.1:$port

begin_job() { # leaves its processes in `coordinator` and `workers`
  "$program" coordinator --listen "127.0.0.1:$port" --input "$work/input" --output "$work/output" \
    --checkpoint-dir "$work/checkpoints" --checkpoint-interval 100ms --parallelism 2 >>"$work/coordinator.log" 2>&1 </dev/null &
  coordinator=$!
  workers=()
  for number in 0 1; do
    "$program" worker --join "127.0.0.1:$port" --slots 2 >>"$work/worker-$number.log" 2>&1 </dev/null &
    workers+=($!)
  done
  local i
  for ((i = 0; i < 600; ++i)); do
    "$weir" job word-count --json >"$work/job" 2>/dev/null && grep -q '"state":"running"' "$work/job" &&
      ! grep -q '"last_checkpoint":null' "$work/job" && return
    sleep 0.05
  done
  give_up "it does not run and take checkpoints within 30 s: $(cat "$work/job")"
}

expect() { # EXIT_CODE TEXT COMMAND...: what the program weir says
  local code=$1 text=$2 status=0
  shift 2
  timeout 60 "$weir" "$@" >"$work/told" 2>&1 || status=$?
  [[ $status -eq $code ]] || give_up "weir $*: expected exit code $code, found $status: $(cat "$work/told")"
  grep -qE -- "$text" "$work/told" || give_up "weir $*: expected '$text', found: $(cat "$work/told")"
  echo "    weir $*: $(head -1 "$work/told")"
}

end_of_processes() {
  local pid status
  for pid in "$coordinator" "${workers[@]}"; do
    status=0
    ends_within 60 "$pid" || status=$?
    [[ $status -eq 0 ]] || give_up "process $pid: expected it to end with exit code 0, found $status (124: it does not end)"
  done
}

make_texts "$work/input" 300 # so much that it does not end meanwhile
counted_by_coreutils "$work/input" >"$work/expected"

expect 3 "expected the coordinator of a job" job word-count
begin_job
expect 0 "^word-count +running +2 +2 +0 " jobs
expect 0 "^WORKER +ADDRESS +SLOTS +TASKS" workers
expect 0 "^parallelism 2 -> 4, from checkpoint [0-9]+, after a pause of [0-9.]+ ms" rescale word-count -p 4
expect 1 "takes 5 slots, and the workers have 4" rescale word-count -p 5
expect 0 "^$work/kept/word-count-.*: checkpoint" savepoint word-count "$work/kept/"
expect 1 "expected an absolute path" savepoint word-count kept.weir
expect 1 "this is the job \"word-count\", and not \"words\"" cancel words
expect 0 "^parallelism 4 -> 1," rescale "$work/checkpoints" -p 1
expect 0 "^$work/stopped.weir: checkpoint" stop word-count --savepoint "$work/stopped.weir"
end_of_processes
expect 3 "expected the coordinator of a job" stop word-count

begin_job
expect 0 "^parallelism 2 -> 3," rescale word-count -p 3
expect 0 "^the job has stopped" cancel word-count
end_of_processes

begin_job
end_of_processes
expect_output "$work/output" "$work/expected"
echo "    same counts as coreutils; no pending part left"

rm -rf "$work/output" "$work/checkpoints"
begin_job
expect 0 "^the job has finished" stop word-count --drain
end_of_processes
[[ $(committed_output "$work/output" | wc -l) -gt 0 ]] || give_up "nothing came out when it was drained"
echo passed
