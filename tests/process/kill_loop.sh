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
read_arguments 10 "${@:1:2}"
how=${3:-process}
program=$build/samples/word_count
[[ $how == process ]] || program=$build/tests/process/failing_word_count
if [[ ! $how =~ ^(process|exceptions|tasks)$ ]]; then
  echo "kill_loop.sh: expected process, exceptions or tasks, found '$how'" >&2
  exit 2
fi
need_programs "$program"
say() { echo "    $*"; }
make_work "$build"

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
  expect_output "$work/output" "$work/expected"
  say "disturbed $kills times; same counts as coreutils; no pending part left"
  all_kills=$((all_kills + kills))
done
[[ $all_kills -gt 0 ]] || give_up "nothing disturbed it before its end: this has tested nothing"
echo "passed: $runs runs, disturbed $all_kills times, seed $seed"
