#!/bin/bash
# Disturbs a word count over 100 MB of text at random moments until it ends, and compares what it
# committed with what coreutils count. Does so N times.
#
#   tests/process/kill_loop.sh [N] [SEED] [HOW]    10 times, and a random seed, unless told otherwise
#
# HOW   process      the process is killed with SIGKILL and started again (the default)
#       exceptions   each operator throws an exception once
#       tasks        each task actor is ended once
#
# BUILD_DIR names the build directory (default: build), KILL_LOOP_MB the size of the text. Stops
# at the first difference and keeps everything that led to it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
runs=${1:-10}
seed=${2:-random}
[[ $seed != random ]] || seed=$((RANDOM * 32768 + RANDOM))
how=${3:-process}
build=$(realpath "${BUILD_DIR:-build}")
program=$build/samples/word_count
[[ $how == process ]] || program=$build/tests/process/failing_word_count

if [[ ! $runs =~ ^[1-9][0-9]*$ || ! $seed =~ ^[0-9]+$ || ! $how =~ ^(process|exceptions|tasks)$ ]]; then
  echo "usage: kill_loop.sh [N] [SEED] [process|exceptions|tasks], N and SEED numbers" >&2
  exit 2
fi
if [[ ! -x $program ]]; then
  echo "kill_loop.sh: no $program: build it first, or set BUILD_DIR" >&2
  exit 2
fi
say() { echo "    $*"; }

work=$(mktemp -d -p "$build" kill_loop-XXXXXX)
stop() {
  trap - EXIT INT TERM
  kill -KILL $(jobs -p) 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT TERM
give_up() {
  trap - EXIT
  echo "FAILED in run $run of $runs with seed $seed: $*"
  echo "everything is kept in $work"
  tail -n 20 "$work/log" | sed 's/^/    /'
  exit 1
}

echo "seed $seed"
make_texts "$work/input" "${KILL_LOOP_MB:-100}"
counted_by_coreutils "$work/input" >"$work/expected"
all_kills=0
for ((run = 1; run <= runs; ++run)); do
  RANDOM=$(((seed + run) % 32768))
  rm -rf "$work/output" "$work/checkpoints" "$work/log"
  echo "run $run of $runs"
  if [[ $how == process ]]; then
    run_with_kills $((2 + RANDOM % 5)) 650 "$work/log" \
      "$program" run --input "$work/input" --output "$work/output" \
      --checkpoint-dir "$work/checkpoints" --checkpoint-interval 200ms --parallelism 2 ||
      give_up "it ended with exit code $?"
  else
    timeout 120 "$program" "$how" $((seed + run)) "$work/input" "$work/output" "$work/checkpoints" \
      >"$work/log" 2>&1 || give_up "it ended with exit code $?"
    kills=$(grep -oE '^[0-9]+ restarts' "$work/log" | grep -oE '[0-9]+')
  fi
  committed_output "$work/output" >"$work/counted" || give_up "no committed output"
  cmp -s "$work/expected" "$work/counted" ||
    give_up "its counts differ from those of coreutils: diff $work/expected $work/counted"
  pending=$(find "$work/output" -mindepth 1 ! -name 'part-*')
  [[ -z $pending ]] || give_up "files that are not committed are left: $pending"
  say "disturbed $kills times; same counts as coreutils; no pending part left"
  all_kills=$((all_kills + kills))
done
[[ $all_kills -gt 0 ]] || give_up "nothing disturbed it before its end: this has tested nothing"
echo "passed: $runs runs, disturbed $all_kills times, seed $seed"
