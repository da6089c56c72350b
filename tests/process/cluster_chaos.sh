#!/bin/bash
# Runs a word count on a coordinator and three workers, each a process, and disturbs them at random moments: kills workers
# or the coordinator or both with SIGKILL, or stops a worker for longer than cluster.timeout and lets it go on. Compares
# what was committed with what coreutils count. Does so N times.
#
#   tests/process/cluster_chaos.sh [N] [SEED]     5 times, and a random seed, unless told otherwise
#
# BUILD_DIR names the build directory (default: build), CHAOS_MB the size of the text. Prints how long it took each time
# until the job ran again. Stops at the first difference and keeps everything that led to it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
runs=${1:-5}
seed=${2:-random}
[[ $seed != random ]] || seed=$((RANDOM * 32768 + RANDOM))
build=$(realpath "${BUILD_DIR:-build}")
program=$build/samples/word_count

if [[ ! $runs =~ ^[1-9][0-9]*$ || ! $seed =~ ^[0-9]+$ ]]; then
  echo "usage: cluster_chaos.sh [N] [SEED], both numbers" >&2
  exit 2
fi
if [[ ! -x $program ]]; then
  echo "cluster_chaos.sh: no $program: build it first, or set BUILD_DIR" >&2
  exit 2
fi

work=$(mktemp -d -p "$build" cluster_chaos-XXXXXX)
declare -A process # by name: coordinator, 0, 1, 2
stop() {
  trap - EXIT INT TERM
  kill_all
  rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT TERM
give_up() {
  trap - EXIT
  kill_all
  echo "FAILED in run $run of $runs with seed $seed: $*"
  echo "everything is kept in $work"
  tail -n 15 "$work"/*.log | sed 's/^/    /'
  exit 1
}

start_coordinator() {
  "$program" coordinator --listen "127.0.0.1:$port" --input "$work/input" --output "$work/output" \
    --checkpoint-dir "$work/checkpoints" --checkpoint-interval 200ms --parallelism 3 --cluster-timeout 1s \
    >>"$work/coordinator.log" 2>&1 </dev/null &
  process[coordinator]=$!
}
start_worker() { # NUMBER
  "$program" worker --join "127.0.0.1:$port" --slots 2 >>"$work/worker-$1.log" 2>&1 </dev/null &
  process[$1]=$!
}
runs_so_far() { grep -c 'job runs from' "$work/coordinator.log" || true; }
has_ended() { [[ -n $ended ]] || ! kill -0 "${process[coordinator]}" 2>/dev/null; }

kill_one() { # NAME
  local status=0
  kill -KILL "${process[$1]}" 2>/dev/null || true
  { wait "${process[$1]}"; } 2>/dev/null || status=$?
  [[ $1 != coordinator || $status -eq 137 ]] || ended=$status
}

# Not if the job has ended meanwhile.
start_coordinator_again() { [[ -n $ended ]] || start_coordinator; }

# One disturbance; sets `what`.
disturb() {
  local victim=$((RANDOM % 3))
  case $((RANDOM % 4)) in
  0)
    what="worker $victim killed"
    kill_one $victim
    sleep "0.$((RANDOM % 5))"
    start_worker $victim
    ;;
  1)
    what="coordinator killed"
    kill_one coordinator
    sleep "0.$((RANDOM % 5))"
    start_coordinator_again
    ;;
  2)
    what="coordinator and worker $victim killed"
    kill_one coordinator
    kill_one $victim
    start_worker $victim
    start_coordinator_again
    ;;
  3)
    what="worker $victim frozen for 1.5 s"
    kill -STOP "${process[$victim]}" 2>/dev/null || true
    sleep 1.5
    kill -CONT "${process[$victim]}" 2>/dev/null || true
    ;;
  esac
}

echo "seed $seed"
make_texts "$work/input" "${CHAOS_MB:-100}"
counted_by_coreutils "$work/input" >"$work/expected"
all=0
for ((run = 1; run <= runs; ++run)); do
  RANDOM=$(((seed + run) % 32768))
  rm -rf "$work/output" "$work/checkpoints" "$work"/*.log
  : >"$work/coordinator.log"
  port=$(free_port)
  echo "run $run of $runs"
  start_coordinator
  for worker in 0 1 2; do start_worker $worker; done
  times=$((2 + RANDOM % 3))
  ended=
  for ((i = 0; i < times; ++i)); do
    sleep "0.$((200 + RANDOM % 600))"
    ! has_ended || break
    before=$(runs_so_far)
    began=$(milliseconds)
    disturb
    until [[ $(runs_so_far) -gt $before ]] || has_ended; do
      [[ $(($(milliseconds) - began)) -lt 30000 ]] || give_up "$what, and it does not run again"
      sleep 0.02
    done
    echo "    $what: runs again after $(($(milliseconds) - began)) ms"
    all=$((all + 1))
  done
  timeout 120 tail --pid="${process[coordinator]}" -f /dev/null || give_up "it does not end"
  status=${ended:-0}
  [[ -n $ended ]] || { wait "${process[coordinator]}"; } 2>/dev/null || status=$?
  [[ $status -eq 0 ]] || give_up "it ended with exit code $status"
  for worker in 0 1 2; do
    # One that was frozen or just started when the job ended has not heard of it, and looks for the coordinator.
    timeout 3 tail --pid="${process[$worker]}" -f /dev/null || tail -n 1 "$work/worker-$worker.log" | grep -q joined || kill -TERM "${process[$worker]}" 2>/dev/null || true
    timeout 20 tail --pid="${process[$worker]}" -f /dev/null || give_up "worker $worker does not end with the job"
    status=0
    { wait "${process[$worker]}"; } 2>/dev/null || status=$?
    [[ $status -eq 0 ]] || give_up "worker $worker ended with exit code $status"
  done
  committed_output "$work/output" >"$work/counted" || give_up "no committed output"
  cmp -s "$work/expected" "$work/counted" ||
    give_up "its counts differ from those of coreutils: diff $work/expected $work/counted"
  pending=$(find "$work/output" -mindepth 1 ! -name 'part-*')
  [[ -z $pending ]] || give_up "files that are not committed are left: $pending"
done
[[ $all -gt 0 ]] || give_up "nothing disturbed it before its end: this has tested nothing"
echo "passed: $runs runs, disturbed $all times, seed $seed"
